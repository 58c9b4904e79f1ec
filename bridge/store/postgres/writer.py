"""The one connection for writes on the path of a message, with group commit.

Requests that come while a group is being written go together into the next one. Decides about
errors: if the database refuses or is away, new messages are refused, and results of messages are
kept and written again. If the connection is lost, the writer finds out whether the group was stored
before it answers.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Set
from functools import partial
from typing import Any, TypeVar

import structlog

from bridge.model.measures import STORE_COMMIT_ROWS, STORE_COMMIT_SECONDS, STORE_FAILURES
from bridge.store.ended import Ended
from bridge.store.errors import LeaseLost, StoreError, StoreFull
from bridge.store.postgres.connection import (
    ERRORS,
    PgConnection,
    Trouble,
    connect,
    store_error,
    trouble,
)
from bridge.store.postgres.group import Request, write
from bridge.store.postgres.lease import Lease
from bridge.store.postgres.notices import CLAIM, GIVE_BACK, TOLD, give_back_all
from bridge.store.postgres.verb import PostgresTurn, PostgresVerb
from bridge.store.requests import WriteRequest

P = TypeVar("P")
A = TypeVar("A")

log = structlog.get_logger()

#: Most requests of one transaction; limits its duration, not the throughput.
MAX_GROUP = 2000
#: Pause before requests that must not be refused are written again (seconds).
RETRY_AFTER = 0.5
#: The database has room again when no write has failed for so long (seconds): on a full disk a
#: small write may succeed between two that do not.
CALM = 5.0
#: How long a client waits for the fate of its message after a lost connection, and how long the end
#: of the daemon waits for a database that is away (seconds).
UNSURE_WITHIN = 5.0
#: How often a group is written again at once after a deadlock or lock conflict.
_BUSY_TRIES = 5


class PostgresWriter:
    """Belongs to the event loop that :meth:`run` runs in.

    ``owed`` is called with the queues that got notices.
    """

    def __init__(
        self,
        url: str,
        connection: PgConnection,
        lease: Lease,
        owed: Callable[[Set[str]], None],
        ended: Ended,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._url = url
        self._connection: PgConnection | None = connection
        self._lease = lease
        self._owed = owed
        self._ended = ended
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._requests: deque[Request] = deque()
        self._asked = asyncio.Event()
        self._closing = False
        self._failing = False
        self._failed_at = 0.0
        self._trouble = ""
        #: Makes the error of a refused request while only results are taken: the database is away,
        #: or the lease is lost. One error for all would keep the frames of everyone who raised it.
        self._refusal: Callable[[], StoreError] | None = None
        #: Refused while it was unknown whether they were stored: to be removed again.
        self._disowned: list[Request] = []
        #: Being written when the connection was lost: stored or not.
        self._unsure: set[Request] = set()
        #: The notices that are being told here.
        self._telling: set[int] = set()

    def ask(self, verb: PostgresVerb[P, A], payload: P) -> asyncio.Future[A]:
        """The future is resolved when the request is durable."""
        future: asyncio.Future[A] = self._loop.create_future()
        refusal = self._refusal
        if refusal is not None and (not verb.kept or refusal is LeaseLost):
            future.set_exception(refusal())
        else:
            self._requests.append(WriteRequest(verb, payload, future))
            self._asked.set()
        return future

    @property
    def trouble(self) -> str:
        """Why a write failed a moment ago; empty if none did."""
        return self._trouble if self._loop.time() - self._failed_at < 2 * CALM else ""

    def close(self) -> None:
        """Lets :meth:`run` return when it has written all requests."""
        self._closing = True
        self._asked.set()

    def fence_off(self) -> None:
        """The lease is lost: no more writes."""
        self._refusal = LeaseLost
        self._refuse(self._requests, LeaseLost)
        self._requests.clear()

    # --- life cycle ------------------------------------------------------------------------

    async def run(self) -> None:
        again: list[Request] = []
        refused = False
        while True:
            if self._connection is None:
                again, refused = await self._reconnect(again), False
                if self._connection is None:
                    break
            if not self._requests and (refused or not again):
                if self._closing:
                    break
                await self._wait(RETRY_AFTER if again else None)
            group = again
            size = sum(map(_size, group))
            while self._requests and size < MAX_GROUP:
                group.append(self._requests.popleft())
                size += _size(group[-1])
            again = await self._write(group) if group else []
            refused = bool(again)
        self._refusal = self._refusal or partial(StoreError, "the store is not open")
        closed = partial(StoreFull, "the store was closed before there was room")
        self._refuse([*again, *self._requests], closed)
        if self._connection is not None:
            await _close(self._connection)

    async def _wait(self, seconds: float | None) -> None:
        """Waits for a request, or for this time."""
        self._asked.clear()
        if seconds is None:  # as nearly always, and a time limit costs more than the wait
            await self._asked.wait()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._asked.wait()
        except TimeoutError:
            pass

    async def _write(self, group: list[Request]) -> list[Request]:
        """Writes the group in one transaction; returns the requests to be tried again."""
        error: Exception
        connection = self._connection
        assert connection is not None
        for _ in range(_BUSY_TRIES):
            turn = PostgresTurn(connection, self._lease.fence, int(self._clock()), self._ended)
            began = time.perf_counter()
            try:
                await write(turn, group)
            except ERRORS as failed:
                error, kind = failed, trouble(failed)
            except LeaseLost:
                self.fence_off()
                self._refuse(group, LeaseLost)
                return []
            except Exception as failed:  # the callers must get an answer
                log.exception("store_writer_failed")
                error, kind = failed, Trouble.FAULT
            else:
                if self._failing and self._loop.time() - self._failed_at >= CALM:
                    self._failing = False
                    log.info("store_recovered")
                STORE_COMMIT_SECONDS.observe(time.perf_counter() - began)
                STORE_COMMIT_ROWS.observe(len(group))
                if turn.queues:
                    self._owed(turn.queues)
                self._resolve(group)
                return []
            if kind is not Trouble.BUSY:
                break
        if kind is Trouble.LOST or connection.is_closed():
            log.error("store_connection_lost", error=str(error), requests=len(group))
            connection.terminate()
            self._connection = None
            self._unsure.update(group)
            return group
        return await self._refused(group, kind, error)

    async def _refused(
        self, group: list[Request], kind: Trouble, error: Exception
    ) -> list[Request]:
        """Handles an error after which nothing of a group is stored."""
        fault = kind is Trouble.FAULT
        if fault and len(group) > 1:
            # One request is faulty: write each alone, so that the others succeed.
            log.error("store_group_failed", error=str(error), requests=len(group))
            again: list[Request] = []
            for request in group:
                again += [request] if self._connection is None else await self._write([request])
            return again
        if not self._failing or fault:
            log.error("store_write_failed", error=str(error), full=not fault)
        self._failing = self._failing or not fault
        self._failed_at, self._trouble = self._loop.time(), str(error)
        STORE_FAILURES.add()
        kept = [request for request in group if request.verb.kept and not fault]
        self._refuse(
            [request for request in group if fault or not request.verb.kept],
            lambda: store_error(error) if isinstance(error, ERRORS) else StoreError(repr(error)),
        )
        return kept

    def _resolve(self, group: Iterable[Request]) -> None:
        for request in group:
            if request.verb is CLAIM:
                self._claimed(request)
            elif request.verb is TOLD:
                self._telling.difference_update(told.notice_id for told in request.payload)
            request.resolve()

    def _claimed(self, request: Request) -> None:
        ids = [owed.notice.id for owed in request.answer or ()]
        if not request.future.done():
            self._telling.update(ids)
        elif ids:
            # The caller has been cancelled meanwhile.
            given = self.ask(GIVE_BACK, ids)
            given.add_done_callback(lambda done: done.cancelled() or done.exception())

    def _refuse(self, group: Iterable[Request], error: Callable[[], StoreError]) -> None:
        for request in group:
            if not request.future.done():
                request.future.set_exception(error())

    # --- without a connection --------------------------------------------------------------

    async def _reconnect(self, again: list[Request]) -> list[Request]:
        """Waits for a new connection, or for the end (closing, or the lease is lost); returns the
        requests that are still to be written."""
        began = self._loop.time()
        wait = 0.02
        while True:
            left = began + UNSURE_WITHIN - self._loop.time()
            if left <= 0 or self._closing:
                # Until then new requests wait: most connections are back in a moment.
                self._refusal = self._refusal or partial(
                    StoreFull, "the database cannot be reached"
                )
            again += self._requests
            self._requests.clear()
            if left <= 0:
                again = self._give_up(again)
                if self._closing:
                    return again
            try:
                async with asyncio.timeout(max(left, UNSURE_WITHIN / 2)):
                    connection, again = await self._restore(again)
            except LeaseLost:
                self.fence_off()
                self._refuse(again, LeaseLost)
                self._closing = True
                return []
            except Exception as failed:  # the callers must get an answer in time
                log.debug("store_reconnect_failed", error=str(failed), exc_info=_unknown(failed))
                await asyncio.sleep(wait)
                wait = min(2 * wait, RETRY_AFTER)
                continue
            self._connection = connection
            self._refusal = None
            log.info("store_reconnected", requests=len(again))
            return again

    async def _restore(self, again: list[Request]) -> tuple[PgConnection, list[Request]]:
        """A connection with the right to write, and the requests still to be written."""
        connection = await connect(self._url)
        try:
            await self._lease.pass_on(connection)
            return connection, await self._settle(connection, again)
        except BaseException:
            connection.terminate()
            raise

    def _give_up(self, group: list[Request]) -> list[Request]:
        """Refuses, after some time, all requests that may be refused; returns the others."""
        kept = [request for request in group if request.verb.kept]
        refused = [request for request in group if not request.verb.kept]
        self._disowned += [request for request in refused if request in self._unsure]
        self._refuse(refused, partial(StoreFull, "the database cannot be reached"))
        return kept

    async def _settle(self, connection: PgConnection, group: list[Request]) -> list[Request]:
        """Answers the requests that prove to be stored, removes refused ones that were stored;
        returns the others.

        The old connection cannot write any more, so that missing rows will not come later.
        """
        for verb, some in _by_verb(self._disowned).items():
            if verb.take_back is not None:
                payloads = [request.payload for request in some]
                await verb.take_back(connection, payloads, self._lease.number)
        self._unsure.difference_update(self._disowned)
        self._disowned.clear()
        # Notices of a claim without an answer are not being told.
        await give_back_all(connection, self._lease.number, but=self._telling)
        settled: set[Request] = set()
        # Refused requests have left nothing: they are decided again.
        refused = [request for request in group if isinstance(request.answer, StoreError)]
        self._unsure.difference_update(refused)
        unsure = [request for request in group if request in self._unsure]
        for verb, some in _by_verb(unsure).items():
            if verb.recover is not None:
                asked = [(request.payload, request.answer) for request in some]
                for n, answer in (await verb.recover(connection, asked)).items():
                    some[n].answer = answer
                    settled.add(some[n])
        self._resolve([request for request in unsure if request in settled])
        self._unsure.clear()
        again = [request for request in group if request not in settled]
        for request in again:
            request.answer = None
        return again


def _by_verb(requests: Iterable[Request]) -> dict[PostgresVerb[Any, Any], list[Request]]:
    by_verb: dict[PostgresVerb[Any, Any], list[Request]] = {}
    for request in requests:
        by_verb.setdefault(request.verb, []).append(request)
    return by_verb


def _size(request: Request) -> int:
    """The approximate number of rows that a request writes."""
    return request.verb.weight(request.payload)


def _unknown(error: Exception) -> bool:
    """Whether the error is unexpected, so that its traceback is logged."""
    return not isinstance(error, ERRORS)


async def _close(connection: PgConnection) -> None:
    try:
        await connection.close(timeout=UNSURE_WITHIN)
    except ERRORS:
        connection.terminate()
