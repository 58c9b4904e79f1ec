"""Decodes a header field: encoded words (RFC 2047) and raw octets.

Words may be cut within a character of the text or a group of base64, so that runs of words are
decoded together.
"""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, a2b_qp
from typing import NamedTuple

from bridge.smtp.reading.charset import codec_of, decode, fallback_of
from bridge.smtp.reading.header import unfold

# RFC 2047 §2. Spaces and question marks in the text are wrong, but common; a truncated field has a
# last word without an end. RFC 2231 §5 adds "*language".
_ENCODED_WORD = re.compile(
    rb"=\? ?([^?*\s]{1,64}+)(?:\*[^?\s]{0,32}+)?\? ?([bBqQ])\?"
    rb"((?:[^?]|\?(?!=))*?)(?:\?=|\?{0,1}\Z|(?==\?[^?\s]{1,64}\?[bBqQ]\?))"
)
#: Charsets of bodies in which raw octets of a header cannot be.
_NOT_IN_HEADERS = ("utf-16", "utf-32", "ucs-", "unicode", "iso-10646")
#: Letters that may end a whole base64 without its padding, by the number of letters modulo 4: their
#: last four or two bits are 0.
_LAST_LETTERS = {2: b"AQgw", 3: b"AEIMQUYcgkosw048"}
#: The longest word. Words longer than RFC 2047 §2 allows are common.
_MAX_FIELD = 16_384


class _Run(NamedTuple):
    """Adjacent words in one charset; ``encoding`` is empty for raw octets."""

    charset: str
    encoding: bytes
    words: list[bytes]


def text_of(raw: bytes, fallback: str, charset: str = "") -> str:
    """A field's text on one line.

    Raw octets are UTF-8, in ``charset`` (that of the body), or in the fallback.
    """
    raw = unfold(raw)
    encoded = raw.find(b"=?") >= 0
    if not encoded and raw.isascii() and 0x1B not in raw and raw.find(b"~{") < 0:
        return _one_line(raw.decode("ascii"))
    if charset.startswith(_NOT_IN_HEADERS):
        charset = ""
    if not encoded:
        return _one_line(decode(raw, charset, fallback))
    raw = raw[:_MAX_FIELD]
    runs: list[_Run] = []
    at = 0
    after_word = False
    for word in _ENCODED_WORD.finditer(raw):
        between = raw[at : word.start()]
        at = word.end()
        if between and not (after_word and between.isspace()):  # RFC 2047 §6.2
            runs.append(_Run(charset, b"", [between]))
        declared, encoding = word[1].decode("ascii", "replace").lower(), word[2].upper()
        if runs and runs[-1].charset == declared and runs[-1].encoding == encoding:
            runs[-1].words.append(word[3])
        else:
            runs.append(_Run(declared, encoding, [word[3]]))
        after_word = True
    if at < len(raw):
        runs.append(_Run(charset, b"", [raw[at:]]))
    return _one_line("".join(_text(run, fallback) for run in _joined(runs)))


def charset_of_words(raw: bytes, otherwise: str) -> str:
    """The charset of a field's first word, if octets that are no UTF-8 can be in it.

    A body in the same mail without a valid charset is probably in this one.
    """
    word = _ENCODED_WORD.search(raw, 0, 1000)
    return fallback_of(word[1].decode("ascii", "replace"), otherwise) if word else otherwise


def _joined(runs: list[_Run]) -> list[_Run]:
    """Joins adjacent words in one charset, even with different encodings."""
    joined: list[_Run] = []
    for run in runs:
        octets = _octets(run)
        before = joined[-1] if joined else None
        if before and before.encoding and run.encoding and before.charset == run.charset:
            before.words[0] += octets
        else:
            joined.append(_Run(run.charset, run.encoding, [octets]))
    return joined


def _text(run: _Run, fallback: str) -> str:
    return decode(run.words[0], run.charset, fallback)


def _octets(run: _Run) -> bytes:
    if not run.encoding:
        return run.words[0]
    if run.encoding == b"Q":
        return a2b_qp(b"".join(run.words), header=True)
    apart = b"".join(map(_of_base64, run.words))
    if all(len(word.rstrip(b"= ")) % 4 == 0 or word.endswith(b"=") for word in run.words[:-1]):
        return apart
    # Words cut within a group of base64, or each without its padding.
    whole = _of_base64(b"".join(run.words))
    if _were_cut([b"".join(word.split()) for word in run.words]):
        wrong = _decodes(apart, run.charset) and not _decodes(whole, run.charset)
        return apart if wrong else whole
    return apart if _decodes(apart, run.charset) else whole


def _were_cut(words: list[bytes]) -> bool:
    """Whether words prove to be pieces of a single base64: a word has a letter too many or bits
    that no octet of its own has, or only the last is padded."""
    if any(len(word.rstrip(b"=")) % 4 == 1 for word in words):
        return True
    if words[-1].endswith(b"=") and sum(map(len, words)) % 4 == 0:
        return True
    return any(word[-1:] not in _LAST_LETTERS.get(len(word) % 4, word) for word in words[:-1])


def _decodes(octets: bytes, charset: str) -> bool:
    try:
        octets.decode(codec_of(charset) or "utf-8")
    except (UnicodeError, ValueError, LookupError):
        return False
    return True


def _of_base64(text: bytes) -> bytes:
    out = b""
    for piece in text.replace(b"-", b"+").replace(b"_", b"/").split(b"="):
        letters = b"".join(piece.split())
        if len(letters) % 4 == 1:
            letters = letters[:-1]
        try:
            out += a2b_base64(letters + b"=" * (-len(letters) % 4))
        except BinasciiError:
            out += piece
    return out


def _one_line(text: str) -> str:
    return text if text.isprintable() else " ".join(text.split())
