"""The one thread that writes to SQLite, with group commit.

What is asked for while a transaction is being written gathers and goes into the next one, so that
a busy store syncs the disk once for hundreds of messages and an idle one at once. Each group is
written with few statements of many rows (:mod:`bridge.store.sqlite.many_rows`).
"""

from __future__ import annotations

import asyncio
import queue
import sqlite3
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import orjson
import structlog

from bridge.model.message import State
from bridge.model.notice import Notice
from bridge.store.ended import Ended
from bridge.store.errors import StoreError, StoreFull
from bridge.store.rows import MESSAGE_COLUMNS, to_row
from bridge.store.sqlite import notices, parts, statuses
from bridge.store.sqlite.many_rows import INSERT_EVENT, cut, write_rows
from bridge.store.types import Acceptance, Change

log = structlog.get_logger()

#: How many requests one transaction takes; bounds its time, not the throughput.
MAX_GROUP = 2000
#: How long a group that must not be refused waits before it is tried again (seconds).
_RETRY_AFTER = 0.5
#: What "no room", "cannot be written to" and "somebody else is writing" look like: all pass, and
#: what must not be refused waits for it. Anything else is a fault of ours.
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

_INSERT_MESSAGE = f"INSERT INTO message ({', '.join(MESSAGE_COLUMNS)}) VALUES "  # noqa: S608
_UPDATE_SENT = (
    "WITH change (id, upstream_id, at, poll_at) AS (VALUES {rows}) "
    "UPDATE message SET state = 'sent', upstream_id = change.upstream_id, sent_at = change.at, "
    "changed_at = change.at, poll_at = change.poll_at FROM change WHERE message.id = change.id"
)
_UPDATE_OTHER = (
    "UPDATE message SET state = ?, upstream_id = ?, due_at = ?, attempts = ?, unknown = ?, "
    "failure = ?, cause = ?, changed_at = ? WHERE id = ?"
)
#: What is kept and written again when there was no room for it.
_KEPT = frozenset({"finish", "told"})


class Request:
    """Something to write, and the future that is resolved when it is durable."""

    __slots__ = ("answer", "future", "payload", "verb")

    def __init__(self, verb: str, payload: Any, future: asyncio.Future[Any]) -> None:
        self.verb = verb
        self.payload = payload
        self.future = future
        self.answer: Any = None


def _known(connection: sqlite3.Connection, keys: Sequence[bytes], now: int) -> dict[bytes, int]:
    """Which of the fingerprints are stored and still count, with their message's id."""
    known: dict[bytes, int] = {}
    for some, size in cut(keys):
        marks = ",".join("?" * size)
        find = f"SELECT key, message_id FROM fingerprint WHERE until > ? AND key IN ({marks})"  # noqa: S608
        missing = [None] * (size - len(some))
        known.update(connection.execute(find, (now, *some, *missing)))
    return known


class Writer:
    """Owns the writing connection; every method but the constructor's caller runs in its thread.

    ``connect`` makes the connection, in the thread that will use it. ``owed`` is called in the loop
    with the queues in which notices were put.
    """

    def __init__(
        self,
        connect: Callable[[], sqlite3.Connection],
        loop: asyncio.AbstractEventLoop,
        owed: Callable[[set[str]], None],
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._connect = connect
        self._loop = loop
        self._owed = owed
        #: Belongs to the thread, as whatever is asked to run there.
        self.ended = Ended()
        #: Of the transaction that is being written: where notices were put.
        self._queues: set[str] = set()
        self._clock = clock
        self._requests: queue.SimpleQueue[Request | None] = queue.SimpleQueue()
        self._failing = False
        self._thread = threading.Thread(target=self._run, name="store-writer")
        self._thread.start()

    def ask(self, verb: str, payload: Any) -> asyncio.Future[Any]:
        """From the loop: the future is resolved there when the request is durable."""
        future = self._loop.create_future()
        self._requests.put(Request(verb, payload, future))
        return future

    async def close(self) -> None:
        self._requests.put(None)
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
                self._resolve(waiting, StoreFull("the store was closed before there was room"))
        finally:
            connection.close()

    def _gather(self, waiting: list[Request]) -> tuple[list[Request], bool]:
        """What is to be written next, the earlier first; and whether it is the last."""
        group = list(waiting)
        try:
            request = self._requests.get(timeout=_RETRY_AFTER if waiting else None)
            while request is not None:
                group.append(request)
                if len(group) >= MAX_GROUP:
                    return group, False
                request = self._requests.get_nowait()
        except queue.Empty:
            return group, False
        return group, True

    def _write(self, connection: sqlite3.Connection, group: list[Request]) -> list[Request]:
        """Writes the group in one transaction; returns the requests to be tried again."""
        try:
            self._transaction(connection, group)
        except Exception as error:
            code = (getattr(error, "sqlite_errorcode", None) or 0) & 0xFF
            full = code in _PASSING_CODES
            if not full and len(group) > 1:
                # One of them is at fault: alone, it takes none of the others with it.
                log.error("store_group_failed", error=str(error), requests=len(group))
                return [request for one in group for request in self._write(connection, [one])]
            if not self._failing or not full:
                known = isinstance(error, sqlite3.Error)
                log.error("store_write_failed", error=str(error), full=full, exc_info=not known)
            self._failing = full
            refused = [r for r in group if r.verb not in _KEPT or not full]
            failure = StoreFull if full else StoreError
            self._resolve(refused, failure(str(error)))
            return [r for r in group if r.verb in _KEPT and full]
        if self._failing:
            self._failing = False
            log.info("store_recovered")
        self._resolve(group, None)
        return []

    def _resolve(self, group: list[Request], error: StoreError | None) -> None:
        queues = self._queues if error is None else set()

        def resolve() -> None:
            if queues:
                self._owed(queues)
            for request in group:
                if not request.future.done():
                    if error is None:
                        request.future.set_result(request.answer)
                    else:
                        request.future.set_exception(error)

        self._loop.call_soon_threadsafe(resolve)

    def _transaction(self, connection: sqlite3.Connection, group: list[Request]) -> None:
        connection.execute("BEGIN IMMEDIATE")
        self._queues = set()
        try:
            verbs: dict[str, list[Request]] = {}
            for request in group:
                verbs.setdefault(request.verb, []).append(request)
            for verb, requests in verbs.items():
                getattr(self, f"_{verb}")(connection, requests)
            connection.execute("COMMIT")
        except BaseException:
            # A failed COMMIT may have rolled back by itself (SQLite, "Response To Errors").
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise

    def _accept(self, connection: sqlite3.Connection, requests: list[Request]) -> None:
        now = int(self._clock())
        keys = [f.key for request in requests for f in request.payload.fingerprints]
        known = _known(connection, keys, now) if keys else {}
        messages: list[tuple[Any, ...]] = []
        submissions: list[tuple[Any, ...]] = []
        fingerprints: list[tuple[Any, ...]] = []
        aliases: list[tuple[Any, ...]] = []
        owed: list[Notice] = []
        for request in requests:
            acceptance: Acceptance = request.payload
            repeats = {f.key: known[f.key] for f in acceptance.fingerprints if f.key in known}
            repeated = {f.message_id for f in acceptance.fingerprints if f.key in known}
            for f in acceptance.fingerprints:
                if f.message_id not in repeated:
                    known[f.key] = f.message_id
                    fingerprints.append((f.key, f.message_id, f.until))
            request.answer = repeats
            new = [to_row(m) for m in acceptance.messages if m.id not in repeated]
            messages += new
            aliases += [alias for alias in acceptance.aliases if alias.message_id not in repeated]
            if acceptance.notices:
                owed += [notice for notice in acceptance.notices if notice.about not in repeated]
            if acceptance.parts is not None:
                part_id = acceptance.aliases[0].id if acceptance.aliases else 0
                parts.finish(connection, acceptance.parts, acceptance.messages[0].id, part_id)
            if len(acceptance.messages) > 1 and new:
                first_message = acceptance.messages[0]
                submissions.append((first_message.submission_id, first_message.account, len(new)))
        write_rows(connection, _INSERT_MESSAGE, messages)
        write_rows(
            connection, "INSERT INTO submission (id, account, messages) VALUES ", submissions
        )
        write_rows(connection, "INSERT INTO alias (id, message_id, receipts) VALUES ", aliases)
        write_rows(
            connection,
            "INSERT OR REPLACE INTO fingerprint (key, message_id, until) VALUES ",
            fingerprints,
        )
        self._queues |= notices.owe(connection, owed)

    def _begin(self, connection: sqlite3.Connection, requests: list[Request]) -> None:
        now = int(self._clock())
        for request in requests:
            # There is no other node that could have taken one of them away.
            request.answer = frozenset()
        rows = [(attempt, now, orjson.dumps(ids).decode()) for attempt, ids in _payloads(requests)]
        write_rows(connection, "INSERT INTO attempt (id, begun_at, message_ids) VALUES ", rows)

    def _finish(self, connection: sqlite3.Connection, requests: list[Request]) -> None:
        now = int(self._clock())
        sent: list[tuple[Any, ...]] = []
        other: list[tuple[Any, ...]] = []
        events: list[tuple[Any, ...]] = []
        notify: list[tuple[int, State, int]] = []
        attempts: list[tuple[int]] = []
        for attempt, changes in _payloads(requests):
            if attempt:
                attempts.append((attempt,))
            change: Change
            for change in changes:
                if change.notify:
                    notify.append((change.message_id, change.state, change.heard))
                if change.state is State.SENT:
                    sent.append((change.message_id, change.upstream_id, now, change.poll_at))
                else:
                    words = change.cause or change.failure
                    events.append((change.message_id, now, change.state._value_, words))
                    other.append(
                        (
                            change.state._value_,
                            change.upstream_id,
                            change.due_at,
                            change.attempts,
                            change.unknown,
                            change.failure,
                            change.cause,
                            now,
                            change.message_id,
                        )
                    )
        write_rows(connection, _UPDATE_SENT, sent)
        if other:
            connection.executemany(_UPDATE_OTHER, other)
            write_rows(connection, INSERT_EVENT, events)
        if notify:
            self._queues |= notices.owe_states(connection, notify, now)
        if attempts:
            connection.executemany("DELETE FROM attempt WHERE id = ?", attempts)

    # --- what comes back ---------------------------------------------------------------------

    def _statuses(self, connection: sqlite3.Connection, requests: list[Request]) -> None:
        """The words of all requests at once."""
        noted, queues = statuses.note(
            connection,
            [status for request in requests for status in request.payload],
            self.ended,
        )
        self._queues |= queues
        start = 0
        for request in requests:
            end = start + len(request.payload)
            request.answer = noted[start:end]
            start = end

    def _incoming(self, connection: sqlite3.Connection, requests: list[Request]) -> None:
        for request in requests:
            request.answer, owed = notices.take(connection, request.payload)
            self._queues |= notices.owe(connection, owed)

    def _owe(self, connection: sqlite3.Connection, requests: list[Request]) -> None:
        owed = [notice for request in requests for notice in request.payload]
        self._queues |= notices.owe(connection, owed)

    def _told(self, connection: sqlite3.Connection, requests: list[Request]) -> None:
        told = [one for request in requests for one in request.payload]
        notices.tell(connection, told, int(self._clock()))

    def _owing(self, connection: sqlite3.Connection, requests: list[Request]) -> None:
        """Rare work that may owe something: a function that tells its answer and the queues."""
        for request in requests:
            request.answer, queues = request.payload(connection)
            self._queues |= queues

    def _call(self, connection: sqlite3.Connection, requests: list[Request]) -> None:
        """Rare work: a function of the connection, in the same order as everything else."""
        for request in requests:
            request.answer = request.payload(connection)


def _payloads(requests: list[Request]) -> list[Any]:
    return [request.payload for request in requests]
