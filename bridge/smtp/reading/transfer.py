"""Decodes the Content-Transfer-Encoding (RFC 2045 §6), tolerantly."""

from __future__ import annotations

import re
from binascii import Error as BinasciiError
from binascii import a2b_base64, a2b_qp, a2b_uu
from collections.abc import Callable

from bridge.model.failure import Failure, Reason

_SQUEEZE = re.compile(rb"[^a-z0-9]+")
_COMMENT = re.compile(rb"\([^)]*+\)?")
#: By the name reduced to letters and digits.
_IDENTITY = frozenset(
    {b"", b"7bit", b"8bit", b"7bits", b"8bits", b"binary", b"plain", b"none", b"text", b"7", b"8"}
    | {b"utf8", b"utf7", b"ascii", b"usascii", b"raw", b"identity", b"textplain", b"16bit"}
    | {b"iso88591", b"windows1251", b"koi8r", b"bit", b"eightbit", b"sevenbit", b"8bitmime"}
    | {b"unicode", b"default", b"plaintext", b"utf"}
)
_QUOTED_PRINTABLE = frozenset({b"quotedprintable", b"quoted", b"qp", b"quotedprintible"})
_BASE64 = frozenset({b"base64", b"b64", b"base", b"64", b"b"})
_UUENCODED = frozenset({b"uuencode", b"uuencoded", b"uue", b"xuuencode", b"xuue"})
_CONTROL = re.compile(rb"[\x00-\x08\x0e-\x1f]")
#: First lines of yEnc and BinHex.
_ENCODED = (b"=ybegin", b"(This file")
_WORDS = re.compile(rb"[A-Za-z0-9] [A-Za-z0-9]")
_WORD = rb"(?:https?://\S++|\+?[0-9]++|(?:[A-Z]?[a-z]++|[A-Z]++)[.!?,:;]*+)"
#: Lines of one word each, a link, or a number: base64 mixes letters and digits.
_IN_CLEAR = re.compile(rb"\s*+{0}(?:\s++{0})*\s*+".replace(b"{0}", _WORD))
#: A text in base64, without its label.
_UNLABELLED = re.compile(rb"\s*+[A-Za-z0-9+/]{4,9999}+(?:\n[A-Za-z0-9+/]{1,9999}+)*={0,2}\s*+")
#: Fewest different octets in its beginning.
_FEWEST_LETTERS = 14
#: The letters of RFC 4648 §5, within others.
_URL_SAFE = re.compile(rb"(?<=[A-Za-z0-9])[-_]{1,9}(?=[A-Za-z0-9\n=]|\Z)")
_LETTERS = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/="
_NO_LETTERS = bytes(octet for octet in range(256) if octet not in _LETTERS)
_ENDED_TWICE = re.compile(rb"(?:=0D)?=0A(?=\n|\Z)", re.IGNORECASE)
_SOFT_BREAK = re.compile(rb"=[ \t]{1,9}\n")
_TWO_OCTETS = re.compile(rb"=[89A-F][0-9A-F](?:=\n)?=[89A-F][0-9A-F]")
_OTHER_EQUALS = re.compile(rb"=(?![0-9A-F]{2}|[ \t]{0,9}(?:\n|\Z))")
#: A parameter of a header field whose "=" is encoded: "charset=3Dutf-8".
_QUOTED_PARAMETER = re.compile(
    rb"^content-[a-z-]{4,20}:[^\n]*(?:\n[ \t][^\n]*)?(?:charset|boundary|name)=3d",
    re.IGNORECASE | re.MULTILINE,
)
#: Padding of a base64 that was encoded once more, with the mail as a whole.
_QUOTED_PADDING = re.compile(rb"(?:=3D\s*){1,2}\Z")
_UU_BEGIN = re.compile(rb"^begin [0-7]{3,4} [^\n]*\n", re.MULTILINE)


def decoded(body: bytes, encoding: bytes) -> bytes:
    """The decoded octets of a body; raises a Failure with the name of an unknown encoding."""
    if not encoding or encoding in (b"7bit", b"8bit"):
        return body
    # Some clients add a comment or a parameter.
    name = _SQUEEZE.sub(b"", _COMMENT.sub(b"", encoding.lower()).partition(b";")[0])
    if name in _IDENTITY:
        return body
    if name in _QUOTED_PRINTABLE:
        return _of_quoted_printable(body)
    if name in _BASE64:
        return _of_base64(body)
    if name in _UUENCODED:
        return _of_uuencoded(body)
    for part, of in _PARTS:
        if part in name:
            return of(body)
    if _is_in_clear(body):
        return body
    shown = encoding[:30].decode("ascii", "replace")
    raise Failure(Reason.UNDECODABLE_TEXT, f"unknown Content-Transfer-Encoding {shown}")


def _is_in_clear(body: bytes) -> bool:
    """Whether the first line is several words, or not ASCII: no encoding leaves that (RFC 2045 §6.4
    takes a part in an unknown encoding for octets, and octets that are a text are read)."""
    line = body.lstrip()[:200].partition(b"\n")[0]
    if line.startswith(_ENCODED) or _CONTROL.search(line):
        return False
    return len(line.split()) > 1 or not line.isascii()


def is_quoted(body: bytes) -> bool:
    """Whether a body without an encoding proves to be quoted-printable: every ``=`` is that of an
    octet or of a soft break, and two octets above ASCII stand together."""
    if body.find(b"=3D") < 0 and body.find(b"</") >= 0:
        return False  # HTML has signs of its own.
    return (
        _TWO_OCTETS.search(body) is not None
        and body.isascii()
        and _OTHER_EQUALS.search(body) is None
    )


def is_base64(body: bytes) -> bool:
    """Whether a body without an encoding proves to be base64: it is nothing but its letters, and
    words in UTF-8 inside. A word or a key alone is what it is."""
    if len(set(body[:48])) < _FEWEST_LETTERS or _UNLABELLED.fullmatch(body) is None:
        return False
    found = _of_base64(body)
    several = b" " in found.strip() and _is_text(found)
    return several and (len(found) > 60 or not found.isascii())


def is_quoted_header(octets: bytes) -> bool:
    """Whether octets have a header field in quoted-printable."""
    return b"=3d" in octets and _QUOTED_PARAMETER.search(octets) is not None


def _of_quoted_printable(body: bytes) -> bytes:
    if b"=0" in body and len(_ENDED_TWICE.findall(body)) * 2 > body.count(b"\n") - body.count(
        b"=\n"
    ):
        # Encoders that treat a text as binary encode its line ends and also write them.
        body = _ENDED_TWICE.sub(b"", body)
    if b"= " in body or b"=\t" in body:
        body = _SOFT_BREAK.sub(b"=\n", body)  # Spaces added by a relay (RFC 2045 §6.7, rule 3).
    return a2b_qp(body)


def _of_base64(body: bytes) -> bytes:
    start = body.lstrip()[:76].partition(b"\n")[0].rstrip()
    strange = len(start) - len(start.translate(None, _NO_LETTERS)) - start.count(b"-")
    if start.isdigit() and len(body.strip()) == len(start):
        return body  # A code; no text is digits alone in base64.
    if _WORDS.search(start) or (strange - start.count(b"_")) * 10 > len(start):
        return body  # Not base64 in spite of the label.
    clear = body if len(body) < 1000 and _IN_CLEAR.fullmatch(body) else b""
    if (footer := _WORDS.search(body)) is not None:
        # A footer added by a list.
        body = body[: body.rfind(b"\n", 0, footer.start()) + 1]
    if b"-" in body or b"_" in body:
        body = _URL_SAFE.sub(_as_usual, body)
    if b"=3D" in body[-12:]:
        body = body[:-12] + _QUOTED_PADDING.sub(b"", body[-12:])
    # Several encoded pieces in sequence have their own padding; other characters are skipped (RFC
    # 2045 §6.8).
    octets = body.translate(None, _NO_LETTERS)
    found = b"".join(map(_piece, octets.split(b"=")))
    return clear if clear and _is_no_text(found, octets, clear) else found


def _as_usual(found: re.Match[bytes]) -> bytes:
    return found[0].replace(b"-", b"+").replace(b"_", b"/")


def _is_no_text(found: bytes, letters: bytes, clear: bytes) -> bool:
    """Whether decoded words are nothing: a text in another charset than UTF-8 has no controls, and
    by chance only few letters that look like a word."""
    if _CONTROL.search(found):
        return True
    strange = len(letters) % 4 == 1 or len(letters) < len(clear.strip()) or len(letters) > 11
    return strange and not _is_text(found)


def _is_text(octets: bytes) -> bool:
    try:
        return _CONTROL.search(octets) is None and bool(octets.decode("utf-8"))
    except UnicodeDecodeError:
        return False


def _piece(piece: bytes) -> bytes:
    if len(piece) % 4 == 1:
        piece = piece[:-1]  # Truncated: six bits are no octet.
    return a2b_base64(piece + b"=" * (-len(piece) % 4)) if piece else b""


def _of_uuencoded(body: bytes) -> bytes:
    begin = _UU_BEGIN.search(body)
    if begin is None:
        return body
    out = bytearray()
    for line in body[begin.end() :].split(b"\n"):
        if line.strip() in (b"end", b"`", b""):
            break
        try:
            out += a2b_uu(line)
        except BinasciiError:
            # Encoders pad the last group differently; the first character counts octets.
            length = (((line[0] - 32) & 63) * 4 + 5) // 3
            try:
                out += a2b_uu(line[:length])
            except BinasciiError:
                break
    return bytes(out)


def _as_it_is(body: bytes) -> bytes:
    return body


#: Variants and misspellings: ``x-base64``, ``7bit, 8bit``, ``quoted-printeable``.
_PARTS: tuple[tuple[bytes, Callable[[bytes], bytes]], ...] = (
    (b"base64", _of_base64),
    (b"quoted", _of_quoted_printable),
    (b"printable", _of_quoted_printable),
    (b"uuenc", _of_uuencoded),
    (b"bit", _as_it_is),
    (b"binary", _as_it_is),
    (b"text", _as_it_is),
)
