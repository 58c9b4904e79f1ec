"""The one thread that writes to SQLite, with group commit.

Requests that come while a transaction is being written go together into the next one: a busy store
syncs the disk once for hundreds of messages, an idle one writes at once. Each group is written with
few statements of many rows (:mod:`bridge.store.sqlite.many_rows`).
"""

from __future__ import annotations

import asyncio
import queue
import shutil
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import structlog

from bridge.model.measures import STORE_COMMIT_ROWS, STORE_COMMIT_SECONDS, STORE_FAILURES
from bridge.store.ended import Ended
from bridge.store.errors import StoreError, StoreFull
from bridge.store.requests import WriteRequest
from bridge.store.sqlite.verb import SqliteTurn, SqliteVerb

log = structlog.get_logger()

#: From so many requests on a transaction takes no more; limits its duration, not the throughput.
MAX_GROUP = 2000
#: Pause before a group that must not be refused is written again (seconds).
_RETRY_AFTER = 0.5
#: The disk has room again when no write has failed for so long (seconds): on a full one a small
#: write may succeed between two that do not.
_CALM = 5.0
#: Errors for "no room", "cannot be written to" and "another program is writing". They are
#: temporary; requests that must not be refused wait. Any other error is a bug.
_PASSING_CODES = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
    }
)

T = TypeVar("T")
P = TypeVar("P")
A = TypeVar("A")

Request = WriteRequest[SqliteVerb[Any, Any], Any, Any]


def _call(turn: SqliteTurn, functions: Sequence[Callable[[SqliteTurn], Any]]) -> list[Any]:
    return [function(turn) for function in functions]


def _write_verbs(turn: SqliteTurn, verbs: dict[SqliteVerb[Any, Any], list[Request]]) -> None:
    """Writes the requests of each verb together, the verb that came first before the others."""
    for verb, requests in verbs.items():
        answers = verb.write(turn, [request.payload for request in requests])
        for request, answer in zip(requests, answers, strict=True):
            request.answer = answer


#: Rare work: a function of the transaction, in turn with everything else.
CALL: SqliteVerb[Callable[[SqliteTurn], Any], Any] = SqliteVerb(_call)


class SqliteWriter:
    """Owns the writing connection; every method but the constructor's caller runs in its thread.

    ``path`` is the file. ``connect`` makes the connection, in the thread that will use it. ``owed``
    is called in the loop with the queues that got notices.
    """

    def __init__(
        self,
        path: Path,
        connect: Callable[[], sqlite3.Connection],
        loop: asyncio.AbstractEventLoop,
        owed: Callable[[set[str]], None],
        ended: Ended,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._path = path
        self._connect = connect
        self._loop = loop
        self._owed = owed
        #: Belongs to the writer's thread.
        self._ended = ended
        self._clock = clock
        #: What was asked for in this turn of the loop.
        self._asked: list[Request] = []
        #: What was asked for in each turn; ``None`` is the end.
        self._turns: queue.SimpleQueue[list[Request] | None] = queue.SimpleQueue()
        self._failing = False
        self._failed_at = 0.0
        #: Why the last write failed; empty once writes succeed again.
        self.trouble = ""
        # After a fault elsewhere the process must end: what is not committed was not confirmed.
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def ask(self, verb: SqliteVerb[P, A], payload: P) -> asyncio.Future[A]:
        """Called in the loop; the future is resolved there when the request is durable."""
        future: asyncio.Future[A] = self._loop.create_future()
        if not self._asked:
            self._loop.call_soon(self._hand_over)
        self._asked.append(WriteRequest(verb, payload, future))
        return future

    def _hand_over(self) -> None:
        """Wakes the thread once for all that was asked for in a turn of the loop, and at its end:
        earlier the thread would only wait for the interpreter lock."""
        if self._asked:
            self._turns.put(self._asked)
            self._asked = []

    async def close(self) -> None:
        self._hand_over()
        self._turns.put(None)
        await self._loop.run_in_executor(None, self._thread.join)

    # --- in the thread ---------------------------------------------------------------------

    def _run(self) -> None:
        connection = self._connect()
        try:
            waiting: list[Request] = []  # must not be refused; the disk had no room
            closing = False
            while not closing:
                group, closing = self._gather(waiting)
                waiting = self._write(connection, group) if group else []
            if waiting:
                closed = partial(StoreFull, "the store was closed before there was room")
                self._resolve(waiting, closed, set())
        finally:
            connection.close()

    def _gather(self, waiting: list[Request]) -> tuple[list[Request], bool]:
        """The requests to write next, the earlier first, and whether they are the last."""
        group = list(waiting)
        try:
            asked = self._turns.get(timeout=_RETRY_AFTER if waiting else None)
            while asked is not None:
                group += asked
                if len(group) >= MAX_GROUP:
                    return group, False
                asked = self._turns.get_nowait()
        except queue.Empty:
            return group, False
        return group, True

    def _write(self, connection: sqlite3.Connection, group: list[Request]) -> list[Request]:
        """Writes the group in one transaction; returns the requests to be tried again."""
        began, changes = time.perf_counter(), connection.total_changes
        try:
            queues = self._transaction(connection, group)
        except Exception as error:  # the callers must get an answer
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            full = code in _PASSING_CODES
            if not full and len(group) > 1:
                # One request is faulty: write each alone, so that the others succeed.
                log.error("store_group_failed", error=str(error), requests=len(group))
                return [request for one in group for request in self._write(connection, [one])]
            said = f"{error}: {_room(self._path)}" if full else str(error)
            if not self._failing or not full:
                known = isinstance(error, sqlite3.Error)
                log.error("store_write_failed", error=said, full=full, exc_info=not known)
            self._failing = self._failing or full
            self._failed_at, self.trouble = time.monotonic(), said
            STORE_FAILURES.add()
            refused = [r for r in group if not (r.verb.kept and full)]
            failure = StoreFull if full else StoreError
            self._resolve(refused, partial(failure, said), set())
            return [r for r in group if r.verb.kept and full]
        written = connection.total_changes - changes
        if self.trouble and written and time.monotonic() - self._failed_at >= _CALM:
            if self._failing:
                log.info("store_recovered")
            self._failing, self.trouble = False, ""
        STORE_COMMIT_SECONDS.observe(time.perf_counter() - began)
        STORE_COMMIT_ROWS.observe(written)
        self._resolve(group, None, queues)
        return []

    def _resolve(
        self, group: list[Request], error: Callable[[], StoreError] | None, queues: set[str]
    ) -> None:
        def resolve() -> None:
            if queues:
                self._owed(queues)
            for request in group:
                if error is None:
                    request.resolve()
                elif not request.future.done():
                    request.future.set_exception(error())

        self._loop.call_soon_threadsafe(resolve)

    def _transaction(self, connection: sqlite3.Connection, group: list[Request]) -> set[str]:
        """Writes the group; returns the queues that got notices."""
        turn = SqliteTurn(connection, int(self._clock()), self._ended)
        connection.execute("BEGIN IMMEDIATE")
        try:
            verbs: dict[SqliteVerb[Any, Any], list[Request]] = {}
            for request in group:
                if request.verb is CALL and CALL in verbs and len(verbs) > 1:
                    # Not before what was asked for earlier: a message whose attempt has begun must
                    # not be cancelled.
                    _write_verbs(turn, verbs)
                    verbs = {}
                verbs.setdefault(request.verb, []).append(request)
            _write_verbs(turn, verbs)
            connection.execute("COMMIT")
        except BaseException:
            # A failed COMMIT may have rolled back by itself (SQLite, "Response To Errors").
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return turn.queues


def _room(path: Path) -> str:
    """The file, and how much room there is for it."""
    try:
        free = shutil.disk_usage(path.parent).free
    except OSError as error:
        return f"{path}: {error.strerror}"
    return f"{path}, {free / 1024 / 1024:,.1f} MB free"
