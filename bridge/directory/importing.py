"""Files of contacts, groups, templates and the black list: preview and import.

A preview lists every wrong line and counts the others by result. An import is all or nothing
(:mod:`bridge.store.directory.staging`), in small steps, so that the store can serve others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterable, Iterator
from functools import partial
from typing import Any, Final, NamedTuple, TypeVar

import structlog

from bridge.directory import fields
from bridge.directory.spreadsheet import SheetRecord, read_rows
from bridge.directory.vcard import read_cards
from bridge.model.contact import BlackListEntry, Contact, Group, Template
from bridge.model.failure import AlreadyThere, Failure, Reason
from bridge.store import Store, StoreError
from bridge.store.directory.importing import (
    NO_FLAG,
    Entry,
    Imported,
    Previewed,
    import_black_list,
    import_contacts,
    import_groups,
    import_templates,
)
from bridge.store.directory.staging import (
    CONTACTS,
    TEMPLATES,
    ImportFile,
    abandoned_imports,
    begin_import,
    commit_import,
    discard_step,
    merge_step,
    stage_black_list,
    stage_contacts,
    stage_groups,
    stage_templates,
)
from bridge.store.directory.verb import Verb
from bridge.store.directory.versions import BLACK_LIST, GROUPS
from bridge.store.outage import Outage
from bridge.store.small_steps import SmallSteps

log = structlog.get_logger()

T = TypeVar("T")

#: Columns of a file of contacts and of one of the black list; the first is required.
CONTACT_COLUMNS: Final = (
    *("phone", "name", "group", "first_name", "last_name", "middle_name", "birthday", "id"),
    *("comments", "tags", "phone_other"),
)
BLACK_LIST_COLUMNS: Final = ("phone", "type", "comments")
GROUP_COLUMNS: Final = ("name", "number", "hours", "max_parts")
TEMPLATE_COLUMNS: Final = ("name", "message", "format", "sender", "flag")

#: The time without progress after which a file counts as abandoned (seconds).
ABANDONED_AFTER: Final = 60
#: Pause before a failed step is tried again (seconds), and how often it is tried.
_AGAIN_AFTER: Final = 1.0
_TRIES: Final = 600
#: Longest time of reading without a pause; the pause is as long (seconds).
_READ_FOR: Final = 0.002
#: Called after each step: ``read`` or ``stored``, lines done, lines in total (0: unknown).
Progress = Callable[[str, int, int], None]


def _untold(phase: str, done: int, of: int) -> None:
    pass


class _KindVerbs(NamedTuple):
    """The store's verbs for the lines of a kind of file."""

    stage: Callable[..., Verb[None]]
    merge: Callable[..., Verb[Imported]]


#: The kinds of files.
_VERBS: Final = {
    CONTACTS: _KindVerbs(stage_contacts, import_contacts),
    GROUPS: _KindVerbs(stage_groups, import_groups),
    TEMPLATES: _KindVerbs(stage_templates, import_templates),
    BLACK_LIST: _KindVerbs(stage_black_list, import_black_list),
}


class WrongLine(NamedTuple):
    """A rejected line of a file, and the reason."""

    line: int
    why: str


#: The content of a file, line by line.
Lines = Iterator[T | WrongLine]


def contact_lines(octets: bytes, region: str) -> Lines[Entry]:
    """Reads a file of contacts, CSV or vCard.

    Raises Failure (bad parameter) for other files.
    """
    start = octets[:200].lstrip(b"\xef\xbb\xbf\xff\xfe\0 \r\n").replace(b"\0", b"")
    cards = start[:11].upper() == b"BEGIN:VCARD"
    line_of: dict[str, int] = {}
    for record in read_cards(octets) if cards else read_rows(octets, CONTACT_COLUMNS):
        try:
            entry = _entry(_with_phones(record, region) if cards else record, region)
        except Failure as failure:
            yield WrongLine(record.line, failure.description)
            continue
        repeated = next((phone for phone in entry.contact.phones if phone in line_of), None)
        if repeated is not None:
            yield _repeated(record.line, line_of[repeated])
            continue
        line_of.update(dict.fromkeys(entry.contact.phones, record.line))
        yield entry


def _with_phones(record: SheetRecord, region: str) -> SheetRecord:
    """A card without its numbers that are no phones, such as service codes: they are kept beside
    them. One without any phone stays as it is, and is wrong."""
    phones: list[str] = []
    others = list(filter(None, (record.fields.get("phone_other"),)))
    for number in record.fields.get("phone", "").split(","):
        try:
            phones += fields.phones(number, region)
        except Failure:
            others.append(number)
    if not phones:
        return record
    found = {"phone": ",".join(phones), "phone_other": ",".join(others)}
    if record.fields.get("name") in phones:
        found["name"] = ""  # a card must have a name
    return record._replace(fields=record.fields | found)


def _repeated(line: int, first: int) -> WrongLine:
    return WrongLine(line, f"the same number as in line {first}")


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
    if "name" not in record.fields:
        name = " ".join(filter(None, (contact.first_name, contact.last_name)))
        contact = contact._replace(name=name)
    groups = fields.split_groups(written("group", ""))
    return Entry(record.line, contact, tuple(map(fields.group_name, groups)))


def contact_cells(contact: Contact, groups: Iterable[str]) -> tuple[str, ...]:
    """The row of a contact, with the names of its groups, as :func:`contact_lines` reads it."""
    return (
        ",".join(contact.phones),
        contact.name,
        fields.joined_groups(groups),
        *(contact.first_name, contact.last_name, contact.middle_name, contact.birthday),
        *(contact.client_id, contact.comments, contact.tags, contact.phone_other),
    )


def black_list_lines(octets: bytes, region: str) -> Lines[BlackListEntry]:
    """Reads a file of the black list; the ids of its entries are their positions.

    Raises Failure (bad parameter) where it is no such table.
    """
    # A million numbers as strings would take twice the memory.
    line_of: dict[int, int] = {}
    for record in read_rows(octets, BLACK_LIST_COLUMNS):
        try:
            blocks = fields.blocks(record.fields.get("type", ""))
            comment = fields.text("comments", record.fields.get("comments", ""))
            for phone in fields.phones(record.fields.get("phone", ""), region):
                first = line_of.setdefault(int(phone), record.line)
                if first != record.line:
                    yield _repeated(record.line, first)
                else:
                    yield BlackListEntry(len(line_of), phone, blocks, comment)
        except Failure as failure:
            yield WrongLine(record.line, failure.description)


def group_lines(octets: bytes) -> Lines[Group]:
    """Reads a file of groups; their ids are the line numbers.

    Raises Failure (bad parameter) where it is no such table.
    """
    line_of: dict[str, int] = {}
    for record in read_rows(octets, GROUP_COLUMNS):
        written = record.fields.get
        try:
            name = fields.group_name(written("name", ""))
            first = line_of.setdefault(name.casefold(), record.line)
            if first != record.line:
                yield WrongLine(record.line, f"the same name as in line {first}")
                continue
            number = fields.group_number(written("number", ""))
            hours = fields.hours(written("hours", ""))
            yield Group(record.line, name, number, 0, hours, fields.parts(written("max_parts", "")))
        except Failure as failure:
            yield WrongLine(record.line, failure.description)


def template_lines(octets: bytes) -> Lines[Template]:
    """Reads a file of templates; their ids are the line numbers. Empty fields change nothing.

    Raises Failure (bad parameter) where it is no such table.
    """
    line_of: dict[str, int] = {}
    for record in read_rows(octets, TEMPLATE_COLUMNS):
        written = record.fields.get
        try:
            name, message = fields.text("name", written("name", "")), written("message", "")
            if not name or not message:
                raise Failure(Reason.BAD_PARAMETER, f"{'message' if name else 'name'} missing")
            first = line_of.setdefault(name.casefold(), record.line)
            if first != record.line:
                yield WrongLine(record.line, f"the same name as in line {first}")
                continue
            form = fields.template_format(written("format", ""))
            sender = fields.text("sender", written("sender", ""), 15)
            given = written("flag", "")
            flag = int(given == "1") if given else NO_FLAG
            yield Template(record.line, name, message, form, sender, flag)
        except Failure as failure:
            yield WrongLine(record.line, failure.description)


class Importer:
    """Imports files of all accounts. Belongs to one event loop; call :meth:`resume`
    periodically."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock

    async def preview(
        self, account: str, kind: str, lines: Lines[Any], progress: Progress = _untold
    ) -> Imported:
        """The result that :meth:`take` would have. Raises Failure and StoreError."""
        wrong: list[tuple[int, str]] = []
        steps: list[Imported] = []
        done = 0
        merge = _VERBS[kind].merge
        if kind == CONTACTS:
            merge = partial(merge, previewed=Previewed())
        async for some in _pieces(lines, wrong, self._store.step_rows):
            steps.append(await self._store.look_up(merge, account, some, dry_run=True))
            done += len(some)
            progress("read", done, 0)
        return _together(steps, wrong)

    async def take(
        self, account: str, kind: str, lines: Lines[Any], progress: Progress = _untold
    ) -> Imported:
        """Imports the valid lines of a file of this kind; returns the result by line.

        Raises Failure and StoreError before the file is committed; then nothing is imported:
        :meth:`resume` drops the staged lines.
        """
        wrong: list[tuple[int, str]] = []
        file = await self._store.change(begin_import, account, kind, self._now())
        count = 0
        steps = SmallSteps(self._store)
        async for some in _pieces(lines, wrong, steps.size):
            await steps.take(self._store.change(_VERBS[kind].stage, file.id, some, self._now()))
            count += len(some)
            progress("read", count, 0)
        await self._store.change(commit_import, file.id, self._now())
        return _together(await self._merge(file, count, progress), wrong)

    async def resume(self) -> None:
        """Imports files that a process committed before it ended, and drops its other files."""
        now = self._now()
        for file in await self._store.change(
            abandoned_imports, tuple(_VERBS), now - ABANDONED_AFTER, now
        ):
            if file.committed:
                log.info("import_resumed", account=file.account, kind=file.kind)
                await self._merge(file, 0, _untold)
            else:
                log.warning("import_dropped", account=file.account, kind=file.kind)
                steps = SmallSteps(self._store)
                while await steps.take(self._store.change(discard_step, file.id, steps.size)):
                    pass

    async def _merge(self, file: ImportFile, count: int, progress: Progress) -> list[Imported]:
        """Imports a committed file to its end, even if the store is away for some minutes."""
        results: list[Imported] = []
        done, last = 0, -1
        steps = SmallSteps(self._store)
        outage, failed = Outage("import_delayed", account=file.account, kind=file.kind), 0
        while True:
            try:
                merged = await steps.take(
                    self._store.change(merge_step, file, steps.size, self._now(), last)
                )
            except (StoreError, AlreadyThere) as error:
                # AlreadyThere: another call has made the same group in this moment.
                failed += 1
                if failed >= _TRIES:
                    raise  # other files wait; :meth:`resume` goes on with this one
                if isinstance(error, StoreError):
                    outage.failed(error)
                await asyncio.sleep(_AGAIN_AFTER)
                continue
            outage.over()
            failed = 0
            if merged is None:
                return results
            result, last = merged
            results.append(result)
            done += result.added + result.changed + result.unchanged + len(result.wrong)
            progress("stored", done, count)

    def _now(self) -> int:
        return int(self._clock())


async def _pieces(
    lines: Lines[T], wrong: list[tuple[int, str]], size: int
) -> AsyncIterator[list[T]]:
    """The valid lines, in pieces of this size; reading pauses for other work of the loop."""
    some: list[T] = []
    pause_at = time.monotonic() + _READ_FOR
    for line in lines:
        if isinstance(line, WrongLine):
            wrong.append((line.line, line.why))
        else:
            some.append(line)
        if len(some) >= size:
            yield some
            some = []
        elif time.monotonic() < pause_at:
            continue
        await asyncio.sleep(_READ_FOR)
        pause_at = time.monotonic() + _READ_FOR
    if some:
        yield some


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
