"""The SQLite engine: one file, one daemon, one writing connection.

WAL with ``synchronous = FULL``: accepted messages survive a power cut. Reading has a read-only
connection of its own. A lock file keeps a second daemon out; SQLite before 3.51.3 can corrupt a WAL
with two writing connections, and this engine never has two.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import sqlite3
import time
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import ParamSpec, TypeVar

from bridge.model.failure import Failure
from bridge.model.message import Message, State, Stored
from bridge.model.notice import Incoming, Notice, Owed, Told
from bridge.store.directory.verb import Verb
from bridge.store.ended import Ended
from bridge.store.errors import StoreError, StoreInUse
from bridge.store.places import Places
from bridge.store.rows import to_message
from bridge.store.signals import StoreSignals
from bridge.store.sqlite import notices, parts, queue, statuses
from bridge.store.sqlite.accept import ACCEPT
from bridge.store.sqlite.aliases import ALSO_KNOWN_AS
from bridge.store.sqlite.attempts import BEGIN, FINISH
from bridge.store.sqlite.directory import run_within
from bridge.store.sqlite.notices import OWE
from bridge.store.sqlite.reading import MESSAGE, SqliteReading
from bridge.store.sqlite.retention import SqliteSweeper
from bridge.store.sqlite.schema import MIGRATED, MIGRATIONS
from bridge.store.sqlite.statuses import NOTE_STATUSES
from bridge.store.sqlite.verb import SqliteTurn, SqliteVerb
from bridge.store.sqlite.writer import CALL, SqliteWriter
from bridge.store.types import (
    Acceptance,
    Alias,
    Change,
    Gathered,
    Noted,
    Part,
    Repeats,
    Replacement,
    Status,
)
from bridge.store.unjoined import LAST_PART, last_short_id

T = TypeVar("T")
P = ParamSpec("P")
A = TypeVar("A")
Payload = TypeVar("Payload")

#: STRICT tables, the newest feature used, came with 3.37.
_OLDEST_SQLITE = (3, 37, 0)


def path_of(url: str) -> Path:
    """The file that ``sqlite:////absolute/path`` or ``sqlite:///relative/path`` names."""
    if not url.startswith("sqlite:///"):
        raise ValueError(f"no sqlite:///PATH address: {url}")
    return Path(url.removeprefix("sqlite:///"))


class SqliteStore(SqliteReading):
    """The engine for one node; :class:`bridge.store.Store` describes its verbs."""

    node = 0
    #: All writes wait for each other: a step takes about three milliseconds.
    step_rows = 250

    def __init__(self, path: Path, *, clock: Callable[[], float] = time.time) -> None:
        super().__init__(path)
        self._clock = clock
        #: Asked several times a message, so it is the clock itself.
        self.time = clock
        # Only ``owed`` is sent: there are no other nodes.
        self.signals = StoreSignals()
        self.last_id = 0
        self.last_short_id = 0
        self._sweeper = SqliteSweeper()
        self._places = Places()
        self._claims = notices.Claims()
        self._lock: int | None = None
        self._writer: SqliteWriter | None = None
        #: Belongs to the writer's thread, except for :meth:`Ended.look`.
        self._ended = Ended()
        self._early = statuses.SqliteEarly()

    def may_tell(self) -> bool:
        return True

    # --- opening and closing ---------------------------------------------------------------

    async def open(self) -> None:
        if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
            raise StoreError(f"SQLite {sqlite3.sqlite_version} is too old; 3.37 or later is needed")
        try:
            self._lock = _lock(self._path)
            await self._read(self._prepare)
        except OSError as error:
            raise StoreError(f"{error.filename or self._path}: {error.strerror}") from None
        loop = asyncio.get_running_loop()
        self._writer = SqliteWriter(
            self._path,
            self._connect,
            loop,
            self.signals.owed.send,
            self._ended,
            self._clock,
        )

    def _connect(self) -> sqlite3.Connection:
        # No other program should write; one that does must not block this one for long.
        # Every kind of statement is prepared for several numbers of rows.
        connection = sqlite3.connect(
            self._path, timeout=1.0, isolation_level=None, cached_statements=256
        )
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute("PRAGMA secure_delete = ON")
        connection.execute("PRAGMA foreign_keys = ON")
        # Statement journals need no file.
        connection.execute("PRAGMA temp_store = MEMORY")
        connection.execute("PRAGMA cache_size = -32768")
        connection.execute("PRAGMA journal_size_limit = 67108864")
        # Checkpoint after 32 MB of log, so that pages changed often are written back once.
        connection.execute("PRAGMA wal_autocheckpoint = 8000")
        return connection

    def _prepare(self) -> None:
        """Creates or migrates the file, and opens the connection for reading."""
        # Texts and numbers are private. SQLite gives the WAL the same mode.
        os.close(os.open(self._path, os.O_CREAT | os.O_RDWR, 0o640))
        connection = self._connect()
        try:
            version = connection.execute("PRAGMA user_version").fetchone()[0]
            self._check_version(version)
            if version == 0:
                # These cannot be changed later without rewriting the file.
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            connection.execute("PRAGMA journal_mode = WAL")
            for step in range(version, len(MIGRATIONS)):
                connection.executescript(
                    f"BEGIN IMMEDIATE; {MIGRATIONS[step]}; PRAGMA user_version = {step + 1};"
                    + MIGRATED
                )
            greatest = "SELECT max(coalesce(max(id), 0), {}) FROM {}"
            last = 0
            for table in ("message", "submission", "alias", "attempt", "part", "incoming"):
                last = connection.execute(greatest.format(last, table)).fetchone()[0]
            # The notice is the only record of an expired part.
            last = connection.execute(f"SELECT max({last}, ({LAST_PART}))").fetchone()[0]
            self.last_id = last
            self.last_short_id = connection.execute(last_short_id(self.node)).fetchone()[0]
            # No receiver is bound any more.
            connection.execute(
                "UPDATE receiver SET bound = 0, since = ? WHERE bound", (int(self._clock()),)
            )
            # No process works on accepted send-outs and imports any more.
            connection.execute("UPDATE import_file SET touched_at = 0 WHERE committed")
        finally:
            connection.close()
        self._reading = self._read_only()
        self._reading.execute("SELECT count(*) FROM migration").fetchone()

    async def close(self) -> None:
        wrote = self._writer is not None
        if self._writer is not None:
            await self._writer.close()
            self._writer = None
        if self._reading is not None:
            await self._read(self._reading.close)
            self._reading = None
        if wrote:
            await self._read(self._remove_log)
        self._closed = True
        self._reader.shutdown()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _remove_log(self) -> None:
        """Writes the log back into the file and removes it, with what was deleted meanwhile. SQLite
        does so when the last connection that may write is closed."""
        with suppress(sqlite3.Error):  # a full disk: the log stays
            connection = self._connect()
            connection.execute("SELECT count(*) FROM migration").fetchone()
            connection.close()

    # --- on the path of a message ----------------------------------------------------------

    def accept(self, acceptance: Acceptance) -> asyncio.Future[Repeats]:
        return self._ask(ACCEPT, acceptance)

    def also_known_as(self, aliases: Sequence[Alias]) -> asyncio.Future[None]:
        return self._ask(ALSO_KNOWN_AS, aliases)

    def begin(self, attempt_id: int, messages: Sequence[Message]) -> asyncio.Future[Set[int]]:
        return self._ask(BEGIN, (attempt_id, [message.id for message in messages]))

    def finish(self, attempt_id: int, changes: Sequence[Change]) -> asyncio.Future[None]:
        return self._ask(FINISH, (attempt_id, changes))

    def add_part(self, part: Part, since: int) -> asyncio.Future[Gathered]:
        return self._ask(parts.ADD_PART, (part, since))

    def _ask(self, verb: SqliteVerb[Payload, A], payload: Payload) -> asyncio.Future[A]:
        if self._writer is None:
            raise StoreError("the store is not open")
        return self._writer.ask(verb, payload)

    def _call(self, function: Callable[[SqliteTurn], A]) -> asyncio.Future[A]:
        """Runs rare work in a transaction of the writer, in turn with everything else."""
        return self._ask(CALL, function)

    # --- other verbs -----------------------------------------------------------------------

    async def interrupted(self) -> dict[int, list[Message]]:
        def read() -> dict[int, list[Message]]:
            attempts: dict[int, list[Message]] = {}
            # Attempts of this run have later ids.
            before = "SELECT id FROM attempt WHERE id <= ? ORDER BY id"
            for (attempt,) in self._query(before, (self.last_id,)):
                rows = self._query(
                    f"SELECT {MESSAGE} FROM message WHERE state = 'accepted' AND id IN "  # noqa: S608
                    "(SELECT value FROM attempt, json_each(message_ids) WHERE attempt.id = ?)",
                    (attempt,),
                )
                attempts[attempt] = [to_message(row) for row in rows]
            return attempts

        return await self._read(read)

    async def move(
        self, message_ids: Sequence[int], to: State, *, unposted: bool = False
    ) -> list[int]:
        return await self._call(lambda turn: queue.move(turn, message_ids, to, unposted=unposted))

    async def replace(self, replacement: Replacement) -> bool:
        return await self._call(lambda turn: queue.replace(turn, replacement))

    async def expired_parts(self, before: int, limit: int) -> list[Part]:
        return await self._call(lambda turn: parts.expire(turn, before, limit))

    async def set_hold(self, scope: str, name: str, held: bool) -> None:
        sql = (
            "INSERT OR IGNORE INTO hold (scope, name) VALUES (?, ?)"
            if held
            else "DELETE FROM hold WHERE scope = ? AND name = ?"
        )
        await self._call(lambda turn: turn.connection.execute(sql, (scope, name)))

    async def sweep(self, before: int, text_before: int, limit: int) -> int:
        return await self._call(lambda turn: self._sweeper.sweep(turn, before, text_before, limit))

    async def nodes(self) -> int:
        return 1

    async def node_numbers(self) -> list[int]:
        return [self.node]

    async def tell_nodes(self, words: str) -> None:
        """There are no others."""

    @property
    def trouble(self) -> str:
        return "" if self._writer is None else self._writer.trouble

    async def forget_fingerprints(self, now: int) -> None:
        def some(turn: SqliteTurn) -> int:
            if self.trouble:
                # What changes nothing succeeds on a full disk too: this writes a page.
                turn.connection.execute("UPDATE migration SET at = at WHERE version = 1")
            return turn.connection.execute(
                "DELETE FROM fingerprint WHERE key IN "
                "(SELECT key FROM fingerprint WHERE until <= ? ORDER BY until LIMIT 1000)",
                (now,),
            ).rowcount

        while await self._call(some):
            pass

    async def change(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        # If a group fails, its requests run again one by one: the verb starts from the beginning.
        answer = await self._call(lambda turn: run_within(turn.connection, verb(*args, **kwargs)))
        if isinstance(answer, Failure):
            raise answer
        return answer

    async def take_place(self, account: str, most: int) -> bool:
        return await self._places.take(account, most)

    async def give_back_place(self, account: str) -> None:
        await self._places.give_back(account)

    # --- statuses and messages from phones ---------------------------------------------------

    def note_statuses(self, statuses: Sequence[Status]) -> asyncio.Future[Sequence[Noted]]:
        return self._ask(NOTE_STATUSES, statuses)

    async def match_early(self, now: int, before: int) -> int:
        if not await self._rows("SELECT 1 FROM early_status LIMIT 1"):
            return 0
        look, match = self._ended.look(now), self._early.match
        over = await self._rows(statuses.ENDED_LATELY) if look else ()
        return await self._call(lambda turn: match(turn, before, over))

    async def to_poll(self, now: int, limit: int) -> list[Stored]:
        return await self._call(lambda turn: statuses.to_poll(turn, now, limit))

    def take_incoming(
        self, incoming: Sequence[tuple[Incoming, Sequence[str]]]
    ) -> asyncio.Future[Sequence[bool]]:
        return self._ask(notices.TAKE_INCOMING, incoming)

    # --- notices -----------------------------------------------------------------------------

    def owe(self, notices: Sequence[Notice]) -> asyncio.Future[None]:
        return self._ask(OWE, notices)

    def claim_notices(self, queue: str, now: int, limit: int) -> asyncio.Future[Sequence[Owed]]:
        if self._reading is None:
            raise StoreError("the store is not open")
        loop = asyncio.get_running_loop()
        claimed: asyncio.Future[Sequence[Owed]] = loop.create_future()
        reading, others = self._reading, self._claims.of(queue)

        def read() -> list[Owed]:
            return notices.due(reading, queue, now, limit, others)

        def done(found: asyncio.Future[list[Owed]]) -> None:
            error = found.exception()
            if claimed.done():
                return
            if error is None:
                claimed.set_result(self._claims.take(queue, found.result()))
            else:
                claimed.set_exception(StoreError(str(error)))

        loop.run_in_executor(self._reader, read).add_done_callback(done)
        return claimed

    def told(self, told: Sequence[Told]) -> asyncio.Future[None]:
        writing: asyncio.Future[None] = self._ask(notices.TOLD, told)

        def done(_: asyncio.Future[None]) -> None:
            if not writing.cancelled() and writing.exception() is None:
                self._claims.end(told)

        writing.add_done_callback(done)
        return writing

    async def expire_notices(self, mails_before: int, before: int, limit: int) -> int:
        return await self._call(lambda turn: notices.expire(turn, mails_before, before, limit))

    async def note_receivers(self, account: str, bound: bool) -> None:
        sql = "INSERT OR REPLACE INTO receiver (account, node, bound, since) VALUES (?, 0, ?, ?)"
        row = (account, int(bound), int(self._clock()))
        await self._call(lambda turn: turn.connection.execute(sql, row))


def _lock(path: Path) -> int:
    """Takes the lock file beside the store; raises :class:`StoreInUse` with the holder's pid."""
    name = path.with_name(path.name + ".lock")
    lock = os.open(name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o640)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode(errors="replace").strip()
        os.close(lock)
        raise StoreInUse(
            f"{path} is in use by another cascade-bridge" + (f" (pid {holder})" if holder else "")
        ) from None
    os.truncate(lock, 0)
    os.write(lock, f"{os.getpid()}\n".encode())
    return lock
