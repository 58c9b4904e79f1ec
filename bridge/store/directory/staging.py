"""Files of contacts or of the black list: taken whole or not at all, in small transactions.

The lines of a file are staged, and one small transaction commits it. From then on it will be merged
into the directory, step by step, by this process or, after a crash, by the next one. A file that
was not committed leaves nothing behind.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from bridge.model.contact import BlackListEntry, Contact
from bridge.store.directory.importing import Entry, Imported, import_contacts
from bridge.store.directory.verb import Statement, Verb
from bridge.store.directory.versions import BLACK_LIST, next_version

CONTACTS: Final = "contacts"


class ImportFile(NamedTuple):
    """A file that is not merged yet."""

    id: int
    account: str
    kind: str
    committed: bool


def begin_import(account: str, kind: str, now: int) -> Verb[ImportFile]:
    """Begins a file; its lines follow (:func:`stage_contacts`, :func:`stage_black_list`)."""
    [[id]] = yield Statement(
        "INSERT INTO import_file (account, kind, committed, touched_at) VALUES (?, ?, 0, ?) "
        "RETURNING id",
        (account, kind, now),
    )
    return ImportFile(int(id), account, kind, False)


def stage_contacts(import_id: int, entries: Sequence[Entry], now: int) -> Verb[None]:
    """Stores some lines of a file of contacts."""
    rows = [
        (entry.line, json.dumps([entry.contact, entry.groups], ensure_ascii=False))
        for entry in entries
    ]
    yield from _stage(import_id, rows, now)


def stage_black_list(import_id: int, entries: Sequence[BlackListEntry], now: int) -> Verb[None]:
    """Stores some lines of a file of the black list; their ids are the lines' numbers."""
    rows = [(entry.id, json.dumps(entry[1:], ensure_ascii=False)) for entry in entries]
    yield from _stage(import_id, rows, now)


def _stage(import_id: int, rows: Sequence[tuple[int, str]], now: int) -> Verb[None]:
    yield Statement(
        "INSERT INTO import_line (import_id, line, fields) VALUES (?, ?, ?)",
        many=[(import_id, line, fields) for line, fields in rows],
    )
    yield Statement("UPDATE import_file SET touched_at = ? WHERE id = ?", (now, import_id))


def commit_import(import_id: int, now: int) -> Verb[None]:
    """From here on the file counts."""
    yield Statement(
        "UPDATE import_file SET committed = 1, touched_at = ? WHERE id = ?", (now, import_id)
    )


def merge_step(file: ImportFile, limit: int, now: int) -> Verb[Imported | None]:
    """Merges the next lines of a committed file; None where none are left, and it is forgotten."""
    rows = yield Statement(
        "SELECT line, fields FROM import_line WHERE import_id = ? ORDER BY line LIMIT ?",
        (file.id, limit),
    )
    if not rows:
        if file.kind == BLACK_LIST:
            # A version without its change: every node reads the whole list again.
            yield from next_version(file.account, BLACK_LIST)
        yield Statement("DELETE FROM import_file WHERE id = ?", (file.id,))
        return None
    read = [(int(line), json.loads(fields)) for line, fields in rows]
    if file.kind == CONTACTS:
        done = yield from import_contacts(
            file.account, [_entry(line, fields) for line, fields in read], dry_run=False
        )
    else:
        yield Statement(
            "INSERT INTO black_list (account, phone, blocks, comment) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (account, phone) DO UPDATE SET blocks = excluded.blocks, "
            "comment = excluded.comment",
            many=[(file.account, *fields) for _, fields in read],
        )
        done = Imported(len(read), 0, 0, (), ())
    yield Statement(
        "DELETE FROM import_line WHERE import_id = ? AND line <= ?", (file.id, read[-1][0])
    )
    yield Statement("UPDATE import_file SET touched_at = ? WHERE id = ?", (now, file.id))
    return done


def _entry(line: int, fields: list[list[object]]) -> Entry:
    contact, groups = fields
    values = [tuple(value) if isinstance(value, list) else value for value in contact]
    return Entry(line, Contact._make(values), tuple(str(name) for name in groups))


def discard_step(import_id: int, limit: int) -> Verb[bool]:
    """Deletes some lines of a file that was not committed; False where none are left."""
    rows = yield Statement(
        "SELECT line FROM import_line WHERE import_id = ? ORDER BY line LIMIT ?", (import_id, limit)
    )
    if rows:
        yield Statement(
            "DELETE FROM import_line WHERE import_id = ? AND line <= ?", (import_id, rows[-1][0])
        )
        return True
    yield Statement("DELETE FROM import_file WHERE id = ?", (import_id,))
    return False


def abandoned_imports(before: int, now: int) -> Verb[list[ImportFile]]:
    """Files that nobody has touched since ``before`` (Unix time); they are the caller's now."""
    rows = yield Statement(
        "UPDATE import_file SET touched_at = ? WHERE touched_at < ? "
        "RETURNING id, account, kind, committed",
        (now, before),
    )
    return [
        ImportFile(int(id), account, kind, bool(c))
        for id, account, kind, c in sorted(map(tuple, rows))
    ]
