"""vCard 2.1, 3.0 and 4.0 (RFC 2426, RFC 6350): octets → contacts' fields, and back.

Phones and mail programs write one file with many cards. Names, telephone numbers, birthday, note,
categories and uid are read; other properties are ignored.
"""

from __future__ import annotations

import quopri
import re
from collections.abc import Iterable, Iterator
from typing import Final

from bridge.directory.fields import joined_groups
from bridge.directory.spreadsheet import SheetRecord, from_single_octets
from bridge.model.contact import Contact

#: Most octets of a line; longer ones, such as photos, are not needed.
_LONGEST: Final = 20_000
_ESCAPED: Final = re.compile(r"\\(.)", re.DOTALL)
#: A property's name and parameters, whose values may have colons in quotation marks.
_HEAD: Final = re.compile(rb'(?:[^":]|"[^"]*")*:')
_SCHEME: Final = re.compile("^tel:", re.IGNORECASE)
#: A year alone, or with a month (RFC 6350 §4.3.1).
_REDUCED: Final = re.compile(r"\d{4}(?:-\d\d)?", re.ASCII)
#: Types of numbers that cannot receive texts.
_NO_TEXTS: Final = frozenset({"fax", "pager", "video"})


def read_cards(octets: bytes) -> Iterator[SheetRecord]:
    """The cards of a file, each with its first line."""
    fields: dict[str, str] | None = None
    begun = 0
    for number, line in _lines(octets):
        name, parameters, value = _property(line)
        if name == "BEGIN":
            if fields:  # a card without its end
                yield SheetRecord(begun, fields)
            fields, begun = {}, number
        elif name == "END" and fields is not None:
            yield SheetRecord(begun, fields)
            fields = None
        elif fields is not None:
            _take(fields, name, parameters, value)
    if fields is not None:
        yield SheetRecord(begun, fields)


def write_card(contact: Contact, groups: Iterable[str] = ()) -> str:
    """A contact as a card of version 3.0, which all programs read."""
    name = (contact.last_name, contact.first_name, contact.middle_name, "", "")
    lines = [
        "BEGIN:VCARD",
        "VERSION:3.0",
        "N:" + ";".join(map(_escaped, name)),
        "FN:" + _escaped(contact.name or " ".join(name[1::-1]).strip() or contact.phones[0]),
        *(f"TEL;TYPE=CELL:{phone}" for phone in contact.phones),
    ]
    if contact.birthday:
        lines.append("BDAY:" + "-".join(reversed(contact.birthday.split("."))))
    if contact.comments:
        lines.append("NOTE:" + _escaped(contact.comments))
    if categories := ",".join(map(_escaped, groups)):
        lines.append("CATEGORIES:" + categories)
    if contact.client_id:
        lines.append("UID:" + _escaped(contact.client_id))
    # Other programs ignore these (RFC 6350 §6.10).
    if contact.tags:
        lines.append("X-TAGS:" + _escaped(contact.tags))
    if contact.phone_other:
        lines.append("X-PHONE-OTHER:" + _escaped(contact.phone_other))
    return "".join(f"{_folded(line)}\r\n" for line in [*lines, "END:VCARD"])


# --- lines -------------------------------------------------------------------------------------


def _lines(octets: bytes) -> Iterator[tuple[int, bytes]]:
    """Unfolded lines (RFC 6350 §3.2) with their numbers; in 2.1 quoted-printable lines continue
    after a ``=``."""
    if octets.startswith((b"\xff\xfe", b"\xfe\xff")):
        octets = octets.decode("utf-16", "replace").encode()
    held: list[bytes] = []
    size = begun = 0
    soft = False
    for number, line in enumerate(octets.removeprefix(b"\xef\xbb\xbf").splitlines(), 1):
        if soft or (held and line[:1] in (b" ", b"\t")):
            line = line if soft else line[1:]
            if size < _LONGEST:
                held.append(line)
                size += len(line)
        else:
            if held:
                yield begun, b"".join(held)
            held, size, begun = [line], len(line), number
        if soft := line.endswith(b"=") and _is_quoted_printable(held[0]):
            held[-1] = held[-1].removesuffix(b"=")
    if held:
        yield begun, b"".join(held)


def _is_quoted_printable(line: bytes) -> bool:
    return b"QUOTED-PRINTABLE" in line.partition(b":")[0].upper()


def _property(line: bytes) -> tuple[str, dict[str, set[str]], str]:
    quoted = _HEAD.match(line)
    at = quoted.end() - 1 if quoted else line.find(b":")
    head, value = (line[:at], line[at + 1 :]) if at >= 0 else (line, b"")
    name, *rest = head.decode("ascii", "replace").split(";")
    parameters: dict[str, set[str]] = {}
    for parameter in rest:
        key, equals, given = parameter.partition("=")
        # In version 2.1 types have no key.
        values = given if equals else key
        key = key.upper() if equals else "TYPE"
        found = parameters.setdefault(key, set())
        found.update(one.strip('"').lower() for one in values.split(","))
    if "quoted-printable" in parameters.get("ENCODING", set()) | parameters.get("TYPE", set()):
        value = quopri.decodestring(value)
    charset = next(iter(parameters.get("CHARSET", {"utf-8"})))
    # A card may be in a group: ``item1.TEL``.
    return name.rpartition(".")[2].strip().upper(), parameters, _text(value, charset)


def _text(value: bytes, charset: str) -> str:
    for one in (charset, "utf-8"):
        try:
            return value.decode(one)
        except (LookupError, UnicodeDecodeError):
            continue
    return from_single_octets(value)


def _split(value: str, at: str) -> list[str]:
    """The parts of a value between unescaped separators, unescaped."""
    pieces, piece, escaped = [], "", False
    for char in value:
        if escaped:
            piece += "\n" if char in "nN" else char
        elif char == at:
            pieces.append(piece.strip())
            piece = ""
        elif char != "\\":
            piece += char
        escaped = char == "\\" and not escaped
    return [*pieces, piece.strip()]


def _plain(value: str) -> str:
    return _ESCAPED.sub(lambda m: "\n" if m[1] in "nN" else m[1], value).strip()


def _escaped(value: str) -> str:
    for char in ("\\", ";", ","):
        value = value.replace(char, "\\" + char)
    return value.replace("\n", "\\n")


def _folded(line: str) -> str:
    """Folded into lines of 75 octets at most, not within a character (RFC 6350 §3.2)."""
    pieces, piece, size = [], "", 0
    for char in line:
        octets = len(char.encode())
        if size + octets > 74:
            pieces.append(piece)
            piece, size = "", 1
        piece += char
        size += octets
    return "\r\n ".join([*pieces, piece])


# --- properties --------------------------------------------------------------------------------


def _take(fields: dict[str, str], name: str, parameters: dict[str, set[str]], value: str) -> None:
    if name == "TEL":
        number = _SCHEME.sub("", value.strip()).partition(";")[0]
        key = "phone_other" if parameters.get("TYPE", set()) & _NO_TEXTS else "phone"
        if number:
            fields[key] = f"{fields[key]},{number}" if key in fields else number
    elif name == "N":
        parts = _split(value, ";") + [""] * 3
        fields |= {"last_name": parts[0], "first_name": parts[1], "middle_name": parts[2]}
    elif name == "CATEGORIES":
        fields["group"] = joined_groups(one for one in _split(value, ",") if one)
    elif name == "BDAY" and (
        "X-APPLE-OMIT-YEAR" in parameters
        or "text" in parameters.get("VALUE", ())
        or _REDUCED.fullmatch(value)
    ):
        return  # a made-up year, words, or no whole date
    elif name == "X-PHONE-OTHER":
        fields["phone_other"] = ",".join(filter(None, (fields.get("phone_other"), _plain(value))))
    elif name in _TEXTS and (text := _plain(value)):
        fields.setdefault(_TEXTS[name], text)


_TEXTS: Final = {
    "FN": "name",
    "BDAY": "birthday",
    "NOTE": "comments",
    "UID": "id",
    "X-TAGS": "tags",
}
