"""The reading verbs of the SQLite engine; usable while a daemon has the store open.

They use a read-only connection in a thread of its own.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import orjson

from bridge.model.ids import first_id
from bridge.model.message import Message, Stored
from bridge.model.notice import Incoming, Notice, UnjoinedPart
from bridge.store.directory.verb import Verb
from bridge.store.errors import SchemaTooNew, StoreError
from bridge.store.rows import (
    INCOMING,
    MESSAGE_COLUMNS,
    NOTICE,
    STORED,
    to_message,
    to_notice,
    to_stored,
)
from bridge.store.sqlite.backup import back_up
from bridge.store.sqlite.directory import run
from bridge.store.sqlite.queue import WAITING
from bridge.store.sqlite.schema import MIGRATIONS
from bridge.store.types import Alias, AnsweredIncoming, Event, Lane, Receivers, Story
from bridge.store.unjoined import END, GROUP, part_of

T = TypeVar("T")
P = ParamSpec("P")

MESSAGE = ", ".join(MESSAGE_COLUMNS)
_STORED = ", ".join(STORED)


class SqliteReading:
    """The verbs that change nothing; :class:`bridge.store.Store` describes them."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._reading: sqlite3.Connection | None = None
        self._reader = ThreadPoolExecutor(1, thread_name_prefix="store-reader")
        self._closed = False

    async def open_reading(self) -> None:
        await self._read(self._open_reading)

    def _open_reading(self) -> None:
        if not os.access(self._path, os.R_OK):
            try:
                there = self._path.exists()
            except PermissionError:
                there = True  # in a folder that this user may not enter
            words = "may not be read by this user: use sudo" if there else "does not exist"
            raise StoreError(f"{self._path} {words}")
        self._reading = self._read_only()
        [(version,)] = self._query("PRAGMA user_version")
        self._check_version(version)
        if version < len(MIGRATIONS):
            raise StoreError(f"{self._path} was written by an earlier version: start the daemon")

    def _read_only(self) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self._path.resolve().as_uri()}?mode=ro",
            uri=True,
            isolation_level=None,
            check_same_thread=False,
        )

    async def look_up(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        def read() -> T:
            if self._reading is None:
                raise StoreError("the store is not open")
            return run(self._reading, verb(*args, **kwargs))

        return await self._read(read)

    def _check_version(self, version: int) -> None:
        if version > len(MIGRATIONS):
            raise SchemaTooNew(
                f"a later version wrote {self._path}: it has schema version {version}; "
                f"this program knows versions up to {len(MIGRATIONS)}"
            )

    async def backup(self, to: Path) -> None:
        def copy() -> None:
            # A connection of its own: the copy takes long, and other reads go on meanwhile.
            source = self._read_only()
            try:
                back_up(source, to)
            except (OSError, sqlite3.Error) as error:
                raise StoreError(f"{to}: {error}") from error
            finally:
                source.close()

        await asyncio.get_running_loop().run_in_executor(None, copy)

    async def lanes(self) -> list[Lane]:
        # Skips from lane to lane in the index, however many messages wait in each.
        found: list[Lane] = []
        step = (
            "SELECT account, level, route FROM message INDEXED BY message_waiting "
            "WHERE state = 'accepted' AND (account, level, route) > (?, ?, ?) "
            "ORDER BY account, level, route LIMIT 1"
        )

        def read() -> list[Lane]:
            last: tuple[str, int, str] = ("", -1, "")
            while rows := self._query(step, last):
                last = rows[0]
                found.append(Lane(*last))
            return found

        return await self._read(read)

    async def waiting(
        self, lane: Lane, now: int, limit: int, after: tuple[int, int] = (0, 0)
    ) -> list[Message]:
        def read() -> list[Message]:
            rows = self._query(WAITING, (*lane, now, *after, limit))
            return [to_message(row) for row in rows]

        return await self._read(read)

    async def next_due(self, now: int) -> int | None:
        def read(lanes: Sequence[Lane]) -> int | None:
            due = [
                rows[0][0]
                for lane in lanes
                if (
                    rows := self._query(
                        "SELECT min(due_at) FROM message INDEXED BY message_waiting "
                        "WHERE state = 'accepted' AND account = ? AND level = ? AND route = ? "
                        "AND due_at > ?",
                        (*lane, now),
                    )
                )
                and rows[0][0] is not None
            ]
            return min(due, default=None)

        lanes = await self.lanes()
        return await self._read(lambda: read(lanes))

    async def waiting_for(self, account: str, phone: str) -> list[Stored]:
        rows = await self._rows(
            f"SELECT {_STORED} FROM message WHERE state = 'accepted' AND account = ?1 "  # noqa: S608
            f"AND phone = ?2 UNION ALL SELECT {_STORED} FROM message WHERE state = 'held' "
            "AND account = ?1 AND phone = ?2",
            (account, phone),
        )
        return [to_stored(row) for row in rows]

    async def overdue(self, now: int, limit: int) -> list[Stored]:
        # The first query reads only its index; held messages are few.
        rows = await self._rows(
            f"SELECT {_STORED} FROM message WHERE id IN ("  # noqa: S608
            "SELECT id FROM message INDEXED BY message_waiting "
            "WHERE state = 'accepted' AND expires_at <= ?1 LIMIT ?2"
            ") UNION ALL "
            f"SELECT {_STORED} FROM message WHERE state = 'held' AND expires_at <= ?1 LIMIT ?2",
            (now, limit),
        )
        return [to_stored(row) for row in rows]

    async def backlog(self) -> int:
        rows = await self._rows("SELECT count(*) FROM message WHERE state = 'accepted'")
        return int(rows[0][0])

    async def message(self, message_id: int) -> Stored | None:
        rows = await self._rows(
            f"SELECT {_STORED} FROM message WHERE id IN "  # noqa: S608
            "(?1, (SELECT message_id FROM alias WHERE alias.id = ?1))",
            (message_id,),
        )
        return to_stored(rows[0]) if rows else None

    async def messages(self, message_ids: Sequence[int]) -> list[Stored]:
        rows = await self._rows(
            f"SELECT {_STORED} FROM message "  # noqa: S608
            "WHERE id IN (SELECT value FROM json_each(?)) ORDER BY id",
            (orjson.dumps(list(message_ids)).decode(),),
        )
        return [to_stored(row) for row in rows]

    async def submission(self, submission_id: int) -> list[Stored]:
        rows = await self._rows(
            f"SELECT {_STORED} FROM message WHERE (id = ?1 AND submission_id = id) "  # noqa: S608
            "OR (submission_id IN (?1, (SELECT message_id FROM alias WHERE alias.id = ?1)) "
            "AND submission_id <> id) ORDER BY id",
            (submission_id,),
        )
        return [to_stored(row) for row in rows]

    async def unjoined(self, part_id: int) -> UnjoinedPart | None:
        group = await self._rows(GROUP.format(id="?"), (part_id,))
        end = f"SELECT {', '.join(NOTICE)} {END.format(id='?')}"
        notices = await self._rows(end, (part_id,))
        return part_of(part_id, group, to_notice(notices[-1]) if notices else None)

    async def holds(self) -> set[tuple[str, str]]:
        return {(scope, name) for scope, name in await self._rows("SELECT scope, name FROM hold")}

    async def story(self, message_id: int) -> Story | None:
        stored = await self.message(message_id)
        if stored is None:
            return None
        id = stored.message.id
        aliases = "SELECT id, message_id, receipts FROM alias WHERE message_id = ? ORDER BY id"
        events = "SELECT at, what, detail FROM event WHERE message_id = ? ORDER BY id"
        begun = (
            "SELECT max(begun_at) FROM attempt, json_each(message_ids) AS one WHERE one.value = ?"
        )
        return Story(
            stored,
            tuple(Alias(*row) for row in await self._rows(aliases, (id,))),
            tuple(Event(*row) for row in await self._rows(events, (id,))),
            await self._notices(id),
            (await self._rows(begun, (id,)))[0][0] or 0,
            (await self._rows("SELECT poll_at FROM message WHERE id = ?", (id,)))[0][0],
        )

    async def find(self, text: str, limit: int, since: int = 0) -> list[Stored]:
        rows = await self._rows(
            f"SELECT {_STORED} FROM message WHERE id >= ?2 AND ?1 <> '' "  # noqa: S608
            "AND (phone = ?1 OR reference = ?1 OR upstream_id = ?1) ORDER BY id DESC LIMIT ?3",
            (text, first_id(since), limit),
        )
        return [to_stored(row) for row in rows]

    async def from_phones(self, text: str, limit: int, since: int = 0) -> list[AnsweredIncoming]:
        found = await self._rows(
            f"SELECT {', '.join(INCOMING)} FROM incoming WHERE id >= ?2 "  # noqa: S608
            "AND (phone = ?1 OR uid = ?1 OR CAST(id AS TEXT) = ?1) ORDER BY id DESC LIMIT ?3",
            (text, first_id(since), limit),
        )
        return [AnsweredIncoming(Incoming(*row), await self._notices(row[0])) for row in found]

    async def _notices(self, about: int) -> tuple[Notice, ...]:
        sql = f"SELECT {', '.join(NOTICE)} FROM notice WHERE about = ? ORDER BY id"  # noqa: S608
        return tuple(map(to_notice, await self._rows(sql, (about,))))

    async def receivers(self, account: str) -> list[Receivers]:
        rows = await self._rows(
            "SELECT node, bound, since FROM receiver WHERE account = ?", (account,)
        )
        return [Receivers(node, bool(bound), since) for node, bound, since in rows]

    async def _read(self, read: Callable[[], T]) -> T:
        """Runs ``read`` in the reading thread; raises :class:`StoreError`."""
        if self._closed:
            raise StoreError("the store is not open")
        try:
            return await asyncio.get_running_loop().run_in_executor(self._reader, read)
        except sqlite3.Error as error:
            raise StoreError(f"{self._path}: {error}") from error

    def _query(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        if self._reading is None:
            raise StoreError("the store is not open")
        return self._reading.execute(sql, parameters).fetchall()

    async def _rows(self, sql: str, parameters: Sequence[object] = ()) -> list[Any]:
        return await self._read(lambda: self._query(sql, parameters))
