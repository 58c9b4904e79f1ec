"""Mails of our own: header fields and MIME parts, as octets that any mail server takes.

Whatever is put in, what comes out is ASCII with CR LF, in lines of bounded length, and a value
stays the value of its own field (RFC 5322 §2.1.1, §2.2). What the mails say is for others to write.
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
    """A whole mail, and the addresses of its envelope. Its return path is always the null one."""

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
    """One field of a part that knows no encoded words, such as a delivery status."""
    value = " ".join(_printable(value).split())[:_LONGEST]
    return _folded(name, value.encode("ascii", "replace").decode("ascii"))


def address_field(name: str, addresses: Iterable[str], display: str = "") -> bytes:
    """A field of addresses as :func:`address` gives them; UTF-8 where one needs it (RFC 6532)."""
    if display:
        quoted = _SPECIAL.sub(r"\\\1", _printable(display))
        [only] = addresses
        return f'{name}: "{quoted}" <{only}>\r\n'.encode()
    return (f"{name}: " + ",\r\n ".join(addresses) + "\r\n").encode()


def _printable(value: str) -> str:
    return "".join(char if char.isprintable() else " " for char in value)


def _folded(name: str, value: str) -> bytes:
    """Broken at blanks, so that lines stay short where there are any."""
    lines: list[str] = []
    line = f"{name}:"
    for word in value.split(" "):
        if len(line) + 1 + len(word) > _FOLD_AT and len(line) > len(name) + 1:
            lines.append(line)
            line = ""
        line += f" {word}"
    return "".join(f"{one}\r\n" for one in [*lines, line]).encode("ascii")


def address(written: str) -> str:
    """The address of an envelope as it stands in a command: quoted where it must be.

    Empty for what can be no address (RFC 5321 §4.1.2).
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
    """A Message-ID that a mail named, if it is one (RFC 5322 §3.6.4); else empty."""
    return written if _MESSAGE_ID.fullmatch(written) and len(written) <= 250 else ""


def date(unix_time: int) -> str:
    """RFC 5322 §3.3, in UTC."""
    return format_datetime(datetime.fromtimestamp(unix_time, UTC))


def text_part(text: str) -> BodyPart:
    """A text for people; quoted-printable, so that no line of it is long or begins anything."""
    lines = _LINE_END.sub("\r\n", text.rstrip("\r\n") + "\n").encode("utf-8", "replace")
    return BodyPart('text/plain; charset="utf-8"', b2a_qp(lines), "quoted-printable")


def entity(part: BodyPart) -> bytes:
    """A part with its header."""
    encoding = f"Content-Transfer-Encoding: {part.encoding}\r\n"
    return f"Content-Type: {part.content_type}\r\n{encoding}\r\n".encode() + part.body


def multipart(content_type: str, boundary: str, parts: Iterable[BodyPart]) -> bytes:
    """Header and body of a multipart. In a quoted-printable part ``boundary`` cannot occur if it
    has ``=_`` in it (RFC 2045 §6.7), and in header lines nothing begins a line but a name."""
    pieces = [f'Content-Type: {content_type}; boundary="{boundary}"\r\n\r\n'.encode()]
    for part in parts:
        pieces += [f"--{boundary}\r\n".encode(), entity(part), b"\r\n"]
    return b"".join([*pieces, f"--{boundary}--\r\n".encode()])
