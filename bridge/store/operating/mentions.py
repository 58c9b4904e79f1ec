"""Mentions of a phone number in records about something else: other contacts, comments, lines of
files that are being imported, commands by SMS.

A number in free text has any form that the region of its account allows. The database finds the
texts that may have it, by its last digits; here is decided, and the number is cut out.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final, NamedTuple

from bridge.model.failure import Failure
from bridge.model.phone import NON_GEOGRAPHIC, normalise
from bridge.store.directory.contacts import FIELDS, UPDATE_CONTACT, contacts_of, search_text
from bridge.store.directory.contacts import values_of as values_of_contact
from bridge.store.directory.staging import CONTACTS, SEND_OUT
from bridge.store.directory.verb import Statement, Verb, marks
from bridge.store.directory.versions import BLACK_LIST
from bridge.store.rows import to_message

#: Digits by which the database finds texts. They are the end of every form of a number.
_LAST: Final = 6
#: Most groups of digits in one number.
_GROUPS: Final = 8
_SEPARATOR: Final = (
    r"[\s.()/\-\u2010-\u2012\u00ad\u200b\u200e\u200f\u202a-\u202e\u2060\u2066-\u2069\ufeff]"
)
_RUN: Final = re.compile(rf"\+?\d(?:(?:{_SEPARATOR}|\+)*\d)*")
_DIGITS: Final = re.compile(r"\+?\d+")
_EMPTY: Final = re.compile(r"\(\s*\)|\+(?!\d)")
_SEPARATORS: Final = re.compile(r"(?<!\s)\s*([,;|])(?:\s*[,;|])+")


class Numbers:
    """Phones (E.164) as they are found in texts, also in their national forms.

    ``regions`` are those of the accounts: 0441234567 is not the same number for an account in
    another country. Where a text has no account that is known, any of these forms counts.
    """

    def __init__(self, phones: Iterable[str], regions: Mapping[str, str]) -> None:
        self.phones = frozenset(phones)
        self._of_account = {account: (region,) for account, region in regions.items()}
        self._regions = tuple(sorted(set(regions.values()))) or (NON_GEOGRAPHIC,)
        self._ends = tuple({phone[-_LAST:] for phone in self.phones})

    @property
    def patterns(self) -> tuple[str, ...]:
        """The patterns of LIKE for texts that may name a phone."""
        return tuple(f"%{'%'.join(end)}%" for end in self._ends)

    def may_be_in(self, *columns: str) -> tuple[str, tuple[str, ...]]:
        """The condition for rows of which one of these columns may name a phone, with its
        arguments."""
        terms = [f"{column} LIKE ?" for column in columns for _ in self._ends]
        return f"({' OR '.join(terms)})", self.patterns * len(columns)

    def named_in(self, text: str, account: str) -> bool:
        """Whether a text of the account names one of the phones."""
        return next(self._found(text, account), None) is not None

    def cut(self, text: str, account: str) -> str:
        """The text without the phones; the same text if it names none."""
        found = list(self._found(text, account))
        for start, end in reversed(found):
            if text[start - 1 : start] == "(" and ")" in text[start:end]:
                start -= 1
            text = text[:start] + text[end:]
        if found:
            text = _SEPARATORS.sub(r"\1", _EMPTY.sub("", text))
            text = " ".join(text.split()).strip(" ,;|")
        return text

    def _found(self, text: str, account: str) -> Iterator[tuple[int, int]]:
        regions = self._of_account.get(account, self._regions)
        for run in _RUN.finditer(text):
            groups = [found.span() for found in _DIGITS.finditer(text, *run.span())]
            at = 0
            while at < len(groups):
                start = groups[at][0]
                last = min(at + _GROUPS, len(groups))
                for n in range(last, at, -1):
                    if self._is_one(text[start : groups[n - 1][1]], regions):
                        yield start, groups[n - 1][1]
                        at = n - 1
                        break
                at += 1

    def _is_one(self, written: str, regions: Iterable[str]) -> bool:
        digits = "".join(char for char in written if char.isdigit())
        if not digits.endswith(self._ends):
            return False
        for region in regions:
            with suppress(Failure):
                if normalise(written, region) in self.phones:
                    return True
        return False


class Mentions(NamedTuple):
    """Records that name a phone: ids of contacts and of entries of the black list, staged lines by
    file and line. They are changed. ``elsewhere`` are records in which only their owner can replace
    it: names of groups, templates, names of send-outs."""

    contacts: list[int]
    comments: list[int]
    lines: list[tuple[int, int]]
    elsewhere: tuple[str, ...]

    @property
    def total(self) -> int:
        return len(self.contacts) + len(self.comments) + len(self.lines)


# --- find ---------------------------------------------------------------------------------------


def staged_lines(numbers: Numbers) -> Verb[tuple[list[tuple[int, int]], int]]:
    """The lines of imported files that name a phone, and the number of messages to them that
    send-outs are still to make."""
    where, args = numbers.may_be_in("fields")
    rows = yield Statement(
        "SELECT import_id, line, kind, account, fields FROM import_line "  # noqa: S608
        f"JOIN import_file ON import_file.id = import_id WHERE {where} ORDER BY import_id, line",
        args,
    )
    lines: list[tuple[int, int]] = []
    left = 0
    for id, line, kind, account, fields in rows:
        if kind == SEND_OUT:
            left += json.loads(fields)[0] in numbers.phones
        elif _without(kind, account, fields, numbers) != fields:
            lines.append((int(id), int(line)))
    heads = yield Statement(
        "SELECT head FROM import_file WHERE kind = ? AND head <> ''", (SEND_OUT,)
    )
    # A send-out by SMS has the phone that asked for it.
    peers = [to_message(json.loads(head)["message"]).peer for [head] in heads]
    return lines, left + sum(peer in numbers.phones for peer in peers)


def elsewhere(numbers: Numbers) -> Verb[tuple[str, ...]]:
    """Records that name a phone and that are not changed."""
    found: list[str] = []
    for word, table, columns in (
        ("group", "contact_group", ("name",)),
        ("template", "template", ("name", "message")),
        ("send-out", "send_out", ("name", "reference")),
    ):
        where, args = numbers.may_be_in(*columns)
        rows = yield Statement(
            f"SELECT account, {', '.join(columns)} FROM {table} "  # noqa: S608
            f"WHERE {where} ORDER BY account, name",
            args,
        )
        found += [
            f"{word} {name} of {account}"
            for account, name, *others in rows
            if any(numbers.named_in(value, account) for value in (name, *others))
        ]
    return tuple(found)


# --- cut ----------------------------------------------------------------------------------------


def cut_from_contacts(ids: Sequence[int], numbers: Numbers) -> Verb[None]:
    """Cuts the phones from the fields of contacts."""
    rows = yield Statement(
        f"SELECT id, account FROM contact WHERE id IN ({marks(ids)})",  # noqa: S608
        tuple(ids),
    )
    accounts = {int(id): account for id, account in rows}
    for contact in (yield from contacts_of("", ids)):
        account = accounts[contact.id]
        changes: dict[str, Any] = {
            name: numbers.cut(getattr(contact, name), account) for name in FIELDS
        }
        new = contact._replace(**changes)
        if new != contact:
            yield Statement(UPDATE_CONTACT, (*values_of_contact(new), search_text(new), new.id))


def cut_from_comments(ids: Sequence[int], numbers: Numbers) -> Verb[None]:
    """Cuts the phones from comments of the black list."""
    rows = yield Statement(
        f"SELECT comment, account, id FROM black_list WHERE id IN ({marks(ids)})",  # noqa: S608
        tuple(ids),
    )
    changed = [(numbers.cut(comment, account), id) for comment, account, id in rows]
    yield Statement("UPDATE black_list SET comment = ? WHERE id = ?", many=changed)


def cut_from_lines(lines: Sequence[tuple[int, int]], numbers: Numbers) -> Verb[None]:
    """Deletes staged contacts with one of the phones, and cuts them from other lines."""
    for place in lines:
        rows = yield Statement(
            "SELECT kind, account, fields FROM import_line "
            "JOIN import_file ON import_file.id = import_id WHERE import_id = ? AND line = ?",
            place,
        )
        for kind, account, fields in rows:
            if left := _without(kind, account, fields, numbers):
                sql = "UPDATE import_line SET fields = ? WHERE import_id = ? AND line = ?"
                yield Statement(sql, (left, *place))
            else:
                sql = "DELETE FROM import_line WHERE import_id = ? AND line = ?"
                yield Statement(sql, place)


def _without(kind: str, account: str, fields: str, numbers: Numbers) -> str:
    """A staged line without the phones; empty if nothing of it may stay."""
    values: list[Any] = json.loads(fields)
    if kind == CONTACTS:
        contact, groups = values
        phones = contact[1]
        if numbers.phones & set(phones):
            return ""
        new: list[Any] = [[_cut(value, account, numbers) for value in contact], groups]
    elif kind == BLACK_LIST:
        phone, *others = values
        new = [phone, *(_cut(value, account, numbers) for value in others)]
    else:
        return fields
    return fields if new == values else json.dumps(new, ensure_ascii=False)


def _cut(value: object, account: str, numbers: Numbers) -> object:
    return numbers.cut(value, account) if isinstance(value, str) else value
