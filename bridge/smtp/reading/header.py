"""The few header fields of a mail that matter here, out of its raw octets.

Decides where the header section ends and what a field's text is (RFC 5322 §2.2, RFC 2047). It
reads only the fields it is asked for: parsing all of them costs more than the rest of the mail.
Lines are expected to end in a bare LF.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp
from typing import NamedTuple

from bridge.model.failure import Failure, Reason
from bridge.smtp.reading.charset import decode

#: More than this is no header section of a person's or a program's mail.
MAX_HEADER = 64 * 1024

# Possessive, so that octets are looked at once, whatever they are: but not the groups, which Python
# before 3.11.5 gets wrong then (gh-106052), and which leave nothing to try again here.
_SECTION = re.compile(rb"(?:[!-9;-~]++[ \t]*+:.*+(?:\n|\Z)(?:[ \t].*+(?:\n|\Z))*)*")
_FIELD = re.compile(
    rb"^(subject|content-(?:type|transfer-encoding|disposition)|message-id|x-cascade-[^\s:]*+)"
    rb"[ \t]*+:(.*+(?:\n[ \t].*+)*)",
    re.IGNORECASE | re.MULTILINE,
)
_FOLD = re.compile(rb"\r?\n[ \t]")
# RFC 2047 §2; blanks inside the Q text are wrong there and common; RFC 2231 §5 adds "*language".
_ENCODED_WORD = re.compile(rb"=\?([^?*\s]+)(?:\*[^?\s]*)?\?([bBqQ])\?([^?]*)\?=")
_PARAMETER = re.compile(
    rb";\s*(charset|format|delsp|filename|name)(?:\*\d*\*?)?\s*=\s*(?:\"([^\"]*)\"|([^;\s]*))",
    re.IGNORECASE,
)

#: Fields of mails that no person wrote to this recipient: answers sent by themselves (RFC 3834 §5
#: and what is older), reports (RFC 6522), lists (RFC 2369).
_AUTOMATIC = re.compile(
    rb"^(?:auto-submitted[ \t]*+:(?!\s*+no[ \t]*+(?:$|[;(]))"
    rb"|precedence[ \t]*+:\s*+(?:bulk|junk|list|auto_reply)\b"
    rb"|x-auto(?:reply|respond)[ \t]*+:"
    rb"|list-[a-z]++[ \t]*+:"
    rb"|content-type[ \t]*+:\s*+multipart/report\b)",
    re.IGNORECASE | re.MULTILINE,
)

Fields = dict[bytes, list[bytes]]


class ContentType(NamedTuple):
    """A Content-Type as far as a text needs it; all in lower case."""

    kind: str = "text/plain"
    charset: str = ""
    flowed: bool = False
    delsp: bool = False
    named: bool = False


_TEXT_PLAIN = ContentType()


def split(mail: bytes) -> tuple[Fields, bytes]:
    """The fields that matter, by lower-case name in their order, and the body.

    A mail whose first lines are no header fields is all body. A Failure is raised for a header
    section of more than :data:`MAX_HEADER` octets.
    """
    start = mail.find(b"\n") + 1 if mail.startswith((b"From ", b">From ")) else 0
    section = _SECTION.match(mail, start, start + MAX_HEADER + 1)
    end = section.end() if section else start
    if end - start > MAX_HEADER or _goes_on(mail, start, end):
        raise Failure(Reason.BAD_PARAMETER, f"headers of more than {MAX_HEADER} octets")
    fields: Fields = {}
    for found in _FIELD.finditer(mail, start, end):
        fields.setdefault(found[1].lower(), []).append(found[2])
    if mail.startswith(b"\n", end):
        end += 1
    return fields, mail[end:]


def _goes_on(mail: bytes, start: int, end: int) -> bool:
    """Whether the section was left only because the line in which its limit lies was cut there."""
    if len(mail) <= start + MAX_HEADER or mail.startswith(b"\n", end):
        return False
    if mail.find(b"\n", end, start + MAX_HEADER) >= 0:
        return False  # A whole line that is no field's: the body, without a blank line before it.
    further = _SECTION.match(mail, end)
    return further is not None and further.end() > end


def first(fields: Fields, name: bytes) -> bytes:
    """The raw value of a field that should stand once; empty where it is missing."""
    values = fields.get(name)
    return values[0].strip() if values else b""


def unfold(raw: bytes) -> bytes:
    """The value on one line (RFC 5322 §2.2.3)."""
    return _FOLD.sub(b" ", raw).strip() if b"\n" in raw else raw.strip()


def text_of(raw: bytes, fallback: str) -> str:
    """A field's text: encoded words decoded, also where a character is split between two.

    Octets outside encoded words are UTF-8 or the fallback charset. Line ends inside encoded
    words become blanks.
    """
    raw = unfold(raw)
    if b"=?" not in raw:
        return _one_line(decode(raw, "", fallback))
    # Neighbours in one charset are one run of octets: mailers cut at octets, not at characters.
    runs: list[tuple[str, bytearray]] = []
    at = 0
    after_word = False
    for word in _ENCODED_WORD.finditer(raw):
        between = raw[at : word.start()]
        at = word.end()
        if between and not (after_word and between.isspace()):  # RFC 2047 §6.2
            runs.append(("", bytearray(between)))
        charset = word[1].decode("ascii", "replace").lower()
        octets = _word_octets(word[2], word[3])
        if runs and runs[-1][0] == charset:
            runs[-1][1].extend(octets)
        else:
            runs.append((charset, bytearray(octets)))
        after_word = True
    if at < len(raw):
        runs.append(("", bytearray(raw[at:])))
    return _one_line("".join(decode(bytes(octets), charset, fallback) for charset, octets in runs))


def _word_octets(encoding: bytes, text: bytes) -> bytes:
    if encoding in b"qQ":
        return a2b_qp(text, header=True)
    try:
        return a2b_base64(text + b"=" * (-len(text) % 4))
    except Base64Error:
        return text


def _one_line(text: str) -> str:
    return text if text.isprintable() else " ".join(text.split())


def is_automatic(section: bytes) -> bool:
    """Whether the header section is that of a mail which was sent by itself."""
    return _AUTOMATIC.search(section) is not None


def content_type(fields: Fields) -> ContentType:
    """What the body says it is; text/plain where it says nothing (RFC 2045 §5.2)."""
    raw = first(fields, b"content-type")
    if not raw:
        return _TEXT_PLAIN
    raw = unfold(raw)
    kind = raw.partition(b";")[0].strip().lower().decode("ascii", "replace")
    parameters = {m[1].lower(): m[3] if m[2] is None else m[2] for m in _PARAMETER.finditer(raw)}
    return ContentType(
        # Old mailers write "Content-Type: text" (RFC 1049).
        "text/plain" if kind in ("", "text") else kind,
        # RFC 2231 §4 puts charset'language' before the value.
        parameters.get(b"charset", b"").rpartition(b"'")[2].decode("ascii", "replace").lower(),
        parameters.get(b"format", b"").lower() == b"flowed",
        parameters.get(b"delsp", b"").lower() == b"yes",
        b"name" in parameters,
    )
