"""Writes header fields and MIME parts of the bridge's own mails.

For any input the output is ASCII with CR LF, in lines of limited length, and a value cannot break
out of its field (RFC 5322 §2.1.1, §2.2).
"""

from __future__ import annotations

import re
from binascii import b2a_qp
from collections.abc import Iterable
from datetime import UTC, datetime
from email.header import Header
from email.utils import format_datetime
from typing import NamedTuple

from bridge.smtp.address import Path

#: Where a header line is folded (RFC 5322 §2.1.1).
_FOLD_AT = 78
#: No value is longer: a line has at most 998 octets, its name included.
_LONGEST = 900

_DOT_ATOM = re.compile(r"[\w!#$%&'*+/=?^`{|}~-]+(?:\.[\w!#$%&'*+/=?^`{|}~-]+)*")
_SPECIAL = re.compile(r'(["\\])')
_LINE_END = re.compile(r"\r\n?|\n")
_MESSAGE_ID = re.compile(r"<[!-;=?-~]+@[!-;=?-~]+>")


class Letter(NamedTuple):
    """A whole mail, and the recipients of its envelope. Its return path is the null one."""

    recipients: tuple[str, ...]
    octets: bytes


class BodyPart(NamedTuple):
    """A MIME part: its Content-Type, further header lines, and a body of ASCII lines."""

    content_type: str
    body: bytes
    encoding: str = "7bit"


def field(name: str, value: str) -> bytes:
    """One header field; text beyond ASCII becomes encoded words (RFC 2047)."""
    value = " ".join(_printable(value).split())[:_LONGEST]
    if value.isascii() and "=?" not in value:
        return _folded(name, value)
    encoded = Header(value, "utf-8", _FOLD_AT - 2, name).encode(linesep="\r\n")
    return f"{name}: {encoded}\r\n".encode("ascii")


def plain_field(name: str, value: str) -> bytes:
    """One field of a part without encoded words, such as a delivery status."""
    value = " ".join(_printable(value).split())[:_LONGEST]
    return _folded(name, value.encode("ascii", "replace").decode("ascii"))


def address_field(name: str, addresses: Iterable[str], display: str = "") -> bytes:
    """A field of addresses from :func:`address`; UTF-8 if one needs it (RFC 6532)."""
    if display:
        quoted = _SPECIAL.sub(r"\\\1", _printable(display))
        [only] = addresses
        return f'{name}: "{quoted}" <{only}>\r\n'.encode()
    return (f"{name}: " + ",\r\n ".join(addresses) + "\r\n").encode()


def _printable(value: str) -> str:
    return "".join(char if char.isprintable() else " " for char in value)


def _folded(name: str, value: str) -> bytes:
    """Folds a field at its blanks."""
    lines: list[str] = []
    line = f"{name}:"
    for word in value.split(" "):
        if len(line) + 1 + len(word) > _FOLD_AT and len(line) > len(name) + 1:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "".join(f"{one}\r\n" for one in [*lines, line]).encode("ascii")


def address(written: str) -> str:
    """An envelope address as written in a command, quoted if necessary.

    Empty if it is invalid (RFC 5321 §4.1.2).
    """
    local, at, domain = written.rpartition("@")
    if not at:
        local, domain = written, ""
    if not local or not written.isprintable() or re.search(r'[\s<>()"\\,;]', domain):
        return ""
    if _DOT_ATOM.fullmatch(local) is None:
        local = '"' + _SPECIAL.sub(r"\\\1", local) + '"'
    return str(Path(local, domain))


def message_id(written: str) -> str:
    """A mail's Message-ID, if it is valid (RFC 5322 §3.6.4); else empty."""
    return written if _MESSAGE_ID.fullmatch(written) and len(written) <= 250 else ""


def date(unix_time: int) -> str:
    """RFC 5322 §3.3, in UTC."""
    return format_datetime(datetime.fromtimestamp(unix_time, UTC))


def text_part(text: str) -> BodyPart:
    """A text for people; quoted-printable, so that no line is too long or mistaken for a
    boundary."""
    lines = _LINE_END.sub("\r\n", text.rstrip("\r\n") + "\n").encode("utf-8", "replace")
    return BodyPart('text/plain; charset="utf-8"', b2a_qp(lines), "quoted-printable")


def entity(part: BodyPart) -> bytes:
    """A part with its header."""
    encoding = f"Content-Transfer-Encoding: {part.encoding}\r\n"
    return f"Content-Type: {part.content_type}\r\n{encoding}\r\n".encode() + part.body


def multipart(content_type: str, boundary: str, parts: Iterable[BodyPart]) -> bytes:
    """Header and body of a multipart. A ``boundary`` with ``=_`` cannot occur in a quoted-printable
    part (RFC 2045 §6.7), and header lines begin with a name."""
    pieces = [f'Content-Type: {content_type}; boundary="{boundary}"\r\n\r\n'.encode()]
    for part in parts:
        pieces += [f"--{boundary}\r\n".encode(), entity(part), b"\r\n"]
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()])
