"""CSV as spreadsheets write it: octets → rows by column names, and back.

The first row names the columns, in any order and in any of the languages below; unknown columns are
ignored, and so is a line ``sep=;`` before it. UTF-8, UTF-16 with a byte-order mark, windows-1251 or
windows-1250; commas, semicolons or tabs.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final, NamedTuple

from bridge.model.failure import Failure, Reason

#: Most characters of a field.
MAX_FIELD: Final = 10_000
_MARKS: Final = ((b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"), (b"\xef\xbb\xbf", "utf-8-sig"))

#: Our names of columns, and their other names in a first row (in small letters).
COLUMNS: Final[dict[str, str]] = {
    "phone": "phones, phone number, mobile, mobile phone, number, msisdn, tel, телефон, телефоны, "
    "телефони, номер, номер телефона, номер телефону, мобильный, мобільний, telefon, mobil, "
    "mobile number, cell, cell phone, мобильный телефон, мобільний телефон, телефон переносной, "
    "мобильный номер, мобільний номер, mobilní telefon",
    "name": "contact, display name, full name, название, назва, контакт, фио, піб, název",
    "group": "groups, grp, group code, group membership, categories, категории, группа, группы, "
    "група, групи, skupina",
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


#: Columns of an address book's export (Google's), of which there may be several.
_NUMBERED: Final = re.compile(r"phone \d+ - value")
#: The line by which spreadsheets are told the delimiter.
_SEP: Final = re.compile(r"sep=([,;\t])\r?\n", re.IGNORECASE)
_QUOTED: Final = re.compile('"[^"]*"')
#: First characters of a formula, and the one that keeps a text from being one.
_RISKY: Final = ("=", "@", "-", "\t", "\r", "'")
#: A text as a formula: it keeps a spreadsheet from taking a number for one.
_AS_FORMULA: Final = re.compile(r'="([^"]*)"')


#: Characters that tell the charset of a file; more would take longer.
_SAMPLE: Final = 100_000
_CYRILLIC: Final = re.compile("[\u0400-\u04ff]+")
_BESIDE_LATIN: Final = re.compile("[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]")


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
    told = _SEP.match(content)
    content = content[told.end() :] if told else content
    delimiter = told[1] if told else _delimiter(content)
    # Strict: an unpaired quotation mark would hide the rows below it.
    lines = csv.reader(io.StringIO(content, newline=""), delimiter=delimiter, strict=True)
    above = 1 if told else 0
    line = above + 1
    try:
        head = next((row for row in lines if any(cell.strip() for cell in row)), [])
        columns = [_column(cell, wanted) for cell in head]
        if wanted[0] not in columns:
            raise Failure(Reason.BAD_PARAMETER, f"the first row names no column {wanted[0]}")
        single = [name for name, cell in zip(columns, head, strict=True) if not _numbered(cell)]
        if repeated := {name for name in single if name and columns.count(name) > 1}:
            raise Failure(Reason.BAD_PARAMETER, f"two columns {min(repeated)}")
        line = above + lines.line_num + 1
        for row in lines:
            if any(cell.strip() for cell in row):
                fields: dict[str, str] = {}
                for name, cell in zip(columns, row, strict=False):
                    if name:
                        value = _unharmed(cell.strip())
                        fields[name] = ",".join(filter(None, (fields.get(name), value)))
                yield SheetRecord(line, fields)
            line = above + lines.line_num + 1
    except csv.Error as e:
        why = f"line {above + lines.line_num}: {e}"
        if "end of data" in str(e):
            why = f"line {line}: a quotation mark has no second one"
        raise Failure(Reason.BAD_PARAMETER, why) from None


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
    if cell[:1] in _RISKY or (cell[:1] == "+" and not cell[1:].isdigit()):
        return "'" + cell
    return cell


def _unharmed(cell: str) -> str:
    """A value without the signs that keep a spreadsheet from changing it."""
    if formula := _AS_FORMULA.fullmatch(cell):
        return formula[1]
    if cell[:1] == "'" and (cell[1:2] in (*_RISKY, "+") or cell[1:].isdigit()):
        return cell[1:]
    return cell


def _decoded(octets: bytes) -> str:
    for mark, charset in _MARKS:
        if octets.startswith(mark):
            return octets.decode(charset, "replace")
    try:
        return octets.decode("utf-8")
    except UnicodeDecodeError:
        return from_single_octets(octets)


def from_single_octets(octets: bytes) -> str:
    """Text in windows-1251, or in windows-1250 (Czech, Polish) if in the former most Cyrillic
    letters would stand beside Latin ones."""
    text = octets.decode("cp1251", "replace")
    sample = text[:_SAMPLE]
    if 2 * len(_BESIDE_LATIN.findall(sample)) > len(_CYRILLIC.findall(sample)):
        return octets.decode("cp1250", "replace")
    return text


def _delimiter(content: str) -> str:
    content = content.lstrip("\r\n")
    first = content[: content.find("\n")] if "\n" in content else content
    return max(",;\t", key=_QUOTED.sub("", first).count)


def _numbered(cell: str) -> bool:
    return _NUMBERED.fullmatch(" ".join(cell.lower().split())) is not None


def _column(cell: str, wanted: Sequence[str]) -> str:
    written = " ".join(cell.lower().split())
    if _NUMBERED.fullmatch(written):
        written = "phone"
    for name in (written, written.replace(" ", "_"), written.replace("_", " ")):
        for column in _MEANINGS.get(name, ()):
            if column in wanted:
                return column
    return ""
