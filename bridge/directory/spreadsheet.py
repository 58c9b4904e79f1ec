"""CSV as spreadsheets write it: octets → rows by column names, and back.

The first row names the columns, in any order and in any of the languages below; unknown columns are
ignored. UTF-8, UTF-16 with a byte-order mark, or windows-1251; commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from bridge.model.failure import Failure, Reason

#: Most characters of a field.
MAX_FIELD: Final = 10_000
_MARKS: Final = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))

#: Our names of columns, and their other names in a first row (in small letters).
COLUMNS: Final[dict[str, str]] = {
    "phone": "phones, phone number, mobile, mobile phone, number, msisdn, tel, телефон, телефоны, "
    "телефони, номер, номер телефона, номер телефону, мобильный, мобільний, telefon, mobil",
    "name": "contact, display name, full name, название, назва, контакт, фио, піб, název",
    "group": "groups, grp, categories, категории, группа, группы, група, групи, skupina",
    "first_name": "fnm, first name, given name, имя, ім'я, ім’я, jméno",
    "last_name": "lnm, last name, surname, family name, фамилия, прізвище, příjmení",
    "middle_name": "mnm, middle name, additional name, отчество, по батькові",
    "birthday": "bd, birth date, date of birth, дата рождения, день рождения, дата народження, "
    "narozeniny",
    "id": "myid, client_id, external id, код, ид, ід",
    "comments": "cmt, comment, notes, note, комментарий, комментарии, примечание, коментар, "
    "коментарі, примітка, poznámka",
    "tags": "tag, labels, теги, метки, мітки, štítky",
    "phone_other": "pho, other phones, other phone, другие телефоны, інші телефони",
    "type": "blocks, тип",
    "number": "num, номер",
    "hours": "часы, години",
    "max_parts": "parts",
    "message": "text, текст, повідомлення, сообщение",
    "format": "формат",
    "sender": "відправник, отправитель",
    "flag": "",
}
#: Name in a first row → the possible columns; the table's columns decide.
_MEANINGS: Final[dict[str, list[str]]] = {}
for _column_name, _others in COLUMNS.items():
    for _name in (_column_name, *_others.split(", ")):
        _MEANINGS.setdefault(_name, []).append(_column_name)


class SheetRecord(NamedTuple):
    """One row of a file: its line (from 1) and its fields by our column names."""

    line: int
    fields: dict[str, str]


def read_rows(octets: bytes, wanted: Sequence[str]) -> Iterator[SheetRecord]:
    """The rows after the first. ``wanted`` are the columns of the table; the first of them is
    required.

    Raises Failure (bad parameter) for other files.
    """
    content = _decoded(octets)
    lines = csv.reader(io.StringIO(content, newline=""), delimiter=_delimiter(content))
    try:
        head = next(lines, [])
        columns = [_column(cell, wanted) for cell in head]
        if wanted[0] not in columns:
            raise Failure(Reason.BAD_PARAMETER, f"the first row names no column {wanted[0]}")
        if repeated := {name for name in columns if name and columns.count(name) > 1}:
            raise Failure(Reason.BAD_PARAMETER, f"two columns {min(repeated)}")
        line = lines.line_num + 1
        for row in lines:
            if any(cell.strip() for cell in row):
                fields = {
                    name: _unharmed(cell.strip())
                    for name, cell in zip(columns, row, strict=False)
                    if name
                }
                yield SheetRecord(line, fields)
            line = lines.line_num + 1
    except csv.Error as e:
        raise Failure(Reason.BAD_PARAMETER, f"line {lines.line_num}: {e}") from None


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> Iterator[str]:
    """A table as text, in pieces; the byte-order mark lets spreadsheets recognise UTF-8."""
    buffer = io.StringIO()
    writer = csv.writer(buffer, lineterminator="\r\n")
    buffer.write("\ufeff")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_harmless(str(cell)) for cell in row])
        if buffer.tell() > 65536:
            yield buffer.getvalue()
            buffer.seek(0)
            buffer.truncate()
    yield buffer.getvalue()


def _harmless(cell: str) -> str:
    """A value that a spreadsheet does not run as a formula; phones are left as they are."""
    if cell[:1] in ("=", "@", "-", "\t", "\r") or (cell[:1] == "+" and not cell[1:].isdigit()):
        return "'" + cell
    return cell


def _unharmed(cell: str) -> str:
    return cell[1:] if cell[:1] == "'" and cell[1:2] in ("=", "@", "-", "+") else cell


def _decoded(octets: bytes) -> str:
    for mark, charset in _MARKS:
        if octets.startswith(mark):
            return octets.decode(charset, "replace")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return octets.decode("cp1251", "replace")


def _delimiter(content: str) -> str:
    first = content[: content.find("\n")] if "\n" in content else content
    return max(",;\t", key=first.count)


def _column(cell: str, wanted: Sequence[str]) -> str:
    written = " ".join(cell.lower().split())
    for name in (written, written.replace(" ", "_"), written.replace("_", " ")):
        for column in _MEANINGS.get(name, ()):
            if column in wanted:
                return column
    return ""
