"""Files of contacts and of the black list: preview and import.

A file is read whole and every wrong line is named before anything is written. Importing is taken
whole or not at all (:mod:`bridge.store.directory.staging`), in steps between which the store serves
others.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final, NamedTuple, TypeVar

import structlog

from bridge.directory import fields
from bridge.directory.spreadsheet import SheetRecord, read_rows
from bridge.directory.vcard import read_cards
from bridge.model.contact import BlackListEntry, Blocks, Contact
from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.importing import Entry, Imported, import_contacts
from bridge.store.directory.staging import (
    CONTACTS,
    ImportFile,
    abandoned_imports,
    begin_import,
    commit_import,
    discard_step,
    merge_step,
    stage_black_list,
    stage_contacts,
)
from bridge.store.directory.versions import BLACK_LIST

log = structlog.get_logger()

T = TypeVar("T")

#: Columns of a file of contacts and of one of the black list; the first must be there.
CONTACT_COLUMNS: Final = (
    *("phone", "name", "group", "first_name", "last_name", "middle_name", "birthday", "id"),
    *("comments", "tags", "phone_other"),
)
BLACK_LIST_COLUMNS: Final = ("phone", "type", "comments")

#: Lines of one transaction: some milliseconds.
STEP: Final = 250
#: A file that nobody touches for so long was left behind (seconds).
ABANDONED_AFTER: Final = 60
_BETWEEN_GROUPS: Final = str.maketrans("|", ";")
#: Told after each step: lines done, lines in all.
Progress = Callable[[int, int], None]


class Lines(NamedTuple):
    """The lines of a file: good ones, and wrong ones with why."""

    good: list[Entry]
    wrong: list[tuple[int, str]]


def read_contacts(octets: bytes, region: str) -> Lines:
    """Reads a file of contacts, CSV or vCard.

    Raises Failure (bad parameter) where it is neither.
    """
    start = octets[:200].lstrip(b"\xef\xbb\xbf\xff\xfe\0 \r\n").replace(b"\0", b"")
    cards = start[:11].upper() == b"BEGIN:VCARD"
    records = read_cards(octets) if cards else read_rows(octets, CONTACT_COLUMNS)
    good: list[Entry] = []
    wrong: list[tuple[int, str]] = []
    line_of: dict[str, int] = {}
    for record in records:
        try:
            entry = _entry(record, region)
        except Failure as failure:
            wrong.append((record.line, failure.description))
            continue
        repeated = next((phone for phone in entry.contact.phones if phone in line_of), None)
        if repeated is not None:
            wrong.append((record.line, f"the same number as in line {line_of[repeated]}"))
            continue
        line_of.update(dict.fromkeys(entry.contact.phones, record.line))
        good.append(entry)
    return Lines(good, wrong)


def _entry(record: SheetRecord, region: str) -> Entry:
    written = record.fields.get
    contact = Contact(
        0,
        fields.phones(written("phone", ""), region),
        fields.text("name", written("name", "")),
        first_name=fields.text("first_name", written("first_name", "")),
        last_name=fields.text("last_name", written("last_name", "")),
        middle_name=fields.text("middle_name", written("middle_name", "")),
        birthday=fields.birthday(written("birthday", "")),
        client_id=fields.text("id", written("id", "")),
        comments=fields.text("comments", written("comments", ""), fields.MAX_COMMENTS),
        tags=fields.text("tags", written("tags", "")),
        phone_other=fields.text("phone_other", written("phone_other", "")),
    )
    if not contact.name:
        name = " ".join(filter(None, (contact.first_name, contact.last_name)))
        contact = contact._replace(name=name)
    groups = (written("group", "")).translate(_BETWEEN_GROUPS).split(";")
    return Entry(
        record.line, contact, tuple(fields.group_name(one) for one in groups if one.strip())
    )


def read_black_list(octets: bytes, region: str) -> tuple[list[BlackListEntry], Lines]:
    """Reads a file of the black list; the ids of its entries are the lines' numbers."""
    good: dict[str, BlackListEntry] = {}
    wrong: list[tuple[int, str]] = []
    for record in read_rows(octets, BLACK_LIST_COLUMNS):
        written = record.fields
        kind = written.get("type", "") or "0"
        try:
            if kind not in ("0", "1", "2"):
                raise Failure(Reason.BAD_PARAMETER, "type: 0 all, 1 bulk, 2 single messages")
            comment = fields.text("comments", written.get("comments", ""))
            for phone in fields.phones(written.get("phone", ""), region):
                good.setdefault(
                    phone, BlackListEntry(record.line, phone, Blocks(int(kind)), comment)
                )
        except Failure as failure:
            wrong.append((record.line, failure.description))
    numbered = [entry._replace(id=n) for n, entry in enumerate(good.values(), 1)]
    return numbered, Lines([], wrong)


class Importer:
    """Imports files of all accounts. Belongs to one event loop; :meth:`resume` it now and then."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def preview(self, account: str, lines: Lines) -> Imported:
        """What :meth:`contacts` would do."""
        steps = [
            await self._store.look_up(import_contacts, account, some, dry_run=True)
            for some in _steps(lines.good)
        ]
        return _together(steps, lines.wrong)

    async def contacts(
        self, account: str, lines: Lines, progress: Progress = lambda done, of: None
    ) -> Imported:
        """Imports the good lines of a file of contacts; tells what became of each line."""
        file = await self._store.change(begin_import, account, CONTACTS, self._now())
        for some in _steps(lines.good):
            await self._store.change(stage_contacts, file.id, some, self._now())
        return await self._commit(file, len(lines.good), lines.wrong, progress)

    async def black_list(
        self,
        account: str,
        entries: Sequence[BlackListEntry],
        progress: Progress = lambda done, of: None,
    ) -> Imported:
        """Imports entries of the black list."""
        file = await self._store.change(begin_import, account, BLACK_LIST, self._now())
        for some in _steps(entries):
            await self._store.change(stage_black_list, file.id, some, self._now())
        return await self._commit(file, len(entries), (), progress)

    async def resume(self) -> None:
        """Merges files that a process which is gone had committed, and drops its others."""
        now = self._now()
        for file in await self._store.change(
            abandoned_imports, (CONTACTS, BLACK_LIST), now - ABANDONED_AFTER, now
        ):
            if file.committed:
                log.info("import_resumed", account=file.account, kind=file.kind)
                await self._merge(file, 0, lambda done, of: None)
            else:
                log.warning("import_dropped", account=file.account, kind=file.kind)
                while await self._store.change(discard_step, file.id, STEP):
                    pass

    async def _commit(
        self, file: ImportFile, count: int, wrong: Iterable[tuple[int, str]], progress: Progress
    ) -> Imported:
        await self._store.change(commit_import, file.id, self._now())
        steps = await self._merge(file, count, progress)
        return _together(steps, wrong)

    async def _merge(self, file: ImportFile, count: int, progress: Progress) -> list[Imported]:
        steps: list[Imported] = []
        done = 0
        while step := await self._store.change(merge_step, file, STEP, self._now()):
            steps.append(step)
            done += step.added + step.changed + step.unchanged + len(step.wrong)
            progress(done, count)
        return steps

    def _now(self) -> int:
        return int(self._clock())


def _steps(values: Sequence[T]) -> Iterator[Sequence[T]]:
    for start in range(0, len(values), STEP):
        yield values[start : start + STEP]


def _together(steps: Iterable[Imported], wrong: Iterable[tuple[int, str]]) -> Imported:
    added = changed = unchanged = 0
    groups: dict[str, str] = {}
    lines = list(wrong)
    for step in steps:
        added += step.added
        changed += step.changed
        unchanged += step.unchanged
        for name in step.groups:
            groups.setdefault(name.casefold(), name)
        lines += step.wrong
    return Imported(added, changed, unchanged, tuple(groups.values()), tuple(sorted(lines)))
