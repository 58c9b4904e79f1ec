"""Content-Type and Content-Disposition of a part (RFC 2045 §5, RFC 2183, RFC 2231).

Read tolerantly: parameters without semicolons, with other quotes or in pieces, reversed types. A
type that cannot be parsed is text/plain (RFC 2045 §5.2).
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

# The look-behind prevents a new try at each letter of a name.
_PARAMETER = re.compile(
    rb"(?<![\w*-])([a-z][a-z0-9-]*+)(\*[0-9]{0,3}\*?)?\s*+(?:=|(?<=charset):)\s*+(?:charset=)?"
    rb"(?:\"([^\"]*+)\"?|'([^']*+)'(?=\s*+(?:;|\Z))|([^;\s]*+(?:[ \t]\d[\w-]*+(?=\s*+(?:;|\Z)))?))",
    re.IGNORECASE,
)
_KIND = re.compile(rb"\s*+([^\s;,/]*+(?:\s{0,9}/\s{0,9}[^\s;,]*+)?)")
_KNOWN_KIND = re.compile(r"[a-z0-9!#$&^_.+-]+/[a-z0-9!#$&^_.+-]+")
_FOLD = re.compile(rb"\n[ \t]")
#: Most characters of a field that are read.
MAX_FIELD = 4096

#: Subtypes that clients use for a text.
_MISNAMED = {
    "plain/text": "text/plain",
    "html/text": "text/html",
    "html": "text/html",
    "text/htm": "text/html",
    "text/xhtml": "text/html",
    "text/x-html": "text/html",
    "application/xhtml+xml": "text/html",
    "application/html": "text/html",
    "application/text": "text/plain",
    "multipart": "multipart/mixed",
}


class ContentType(NamedTuple):
    """The needed parts of a Content-Type; ``kind`` and ``charset`` in lower case."""

    kind: str = "text/plain"
    charset: str = ""
    flowed: bool = False
    delsp: bool = False
    named: bool = False
    boundary: bytes = b""
    start: bytes = b""
    is_plain: bool = True
    """Whether it is text/plain and nothing besides a charset is said."""


TEXT_PLAIN = ContentType()


def content_type(raw: bytes) -> ContentType:
    """Parses a field's value; text/plain for an empty or invalid one."""
    if not raw:
        return TEXT_PLAIN
    if len(raw) > 200 or b"oundary" in raw:
        return _read(raw[:MAX_FIELD])
    return _remembered(raw)


def parameters_of(raw: bytes) -> dict[bytes, bytes]:
    """The parameters of a field by lower-case name, with the pieces of RFC 2231 §3 joined."""
    found: dict[bytes, bytes] = {}
    pieces: dict[bytes, dict[int, bytes]] = {}
    for name, section, quoted, single, bare in _PARAMETER.findall(_FOLD.sub(b" ", raw)):
        name, value = name.lower(), quoted or single or bare
        if not section:
            found.setdefault(name, value)
            continue
        number = int(section.strip(b"*") or 0)
        if section.endswith(b"*"):
            # Only the first piece has charset'language' before the value (RFC 2231 §4).
            value = value.split(b"'", 2)[-1] if number == 0 else value
            value = unquote_to_bytes(value)
        pieces.setdefault(name, {}).setdefault(number, value)
    for name, values in pieces.items():
        found[name] = b"".join(values[number] for number in sorted(values))
    return found


def _read(raw: bytes) -> ContentType:
    match = _KIND.match(_FOLD.sub(b" ", raw))
    written = b"".join(match[1].split()) if match else b""
    kind = written.decode("ascii", "replace").lower().rstrip(".:")
    kind = _MISNAMED.get(kind, kind)
    if _KNOWN_KIND.fullmatch(kind) is None:
        # Old mailers write "Content-Type: text" (RFC 1049).
        kind = "text/plain"
    parameters = parameters_of(raw)
    return ContentType(
        kind,
        parameters.get(b"charset", b"").decode("ascii", "replace").strip().lower(),
        parameters.get(b"format", b"").lower().rstrip(b",") == b"flowed",
        parameters.get(b"delsp", b"").lower() == b"yes",
        b"name" in parameters or b"filename" in parameters,
        parameters.get(b"boundary", b""),
        parameters.get(b"start", b"").strip(b"<> "),
        kind == "text/plain" and parameters.keys() <= {b"charset"},
    )


_remembered = lru_cache(maxsize=256)(_read)


def is_attachment(disposition: bytes) -> bool:
    """Whether a Content-Disposition marks the part as an attachment."""
    return disposition[:64].strip(b" \t\"'").lower().startswith(b"attach")


def has_file_name(kind: ContentType, disposition: bytes) -> bool:
    """Whether a part has a file name."""
    return kind.named or (b"=" in disposition and b"filename" in disposition.lower())
