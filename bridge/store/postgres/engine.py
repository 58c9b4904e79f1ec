"""The PostgreSQL engine: one database, up to 64 nodes.

A node has a number by a lease, owns the messages that it has in memory, and gets signals from other
nodes when messages become available. A write is confirmed after its commit; other nodes take over
the messages of a node that died.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Sequence, Set
from contextlib import asynccontextmanager
from typing import ParamSpec, TypeVar

import structlog

from bridge.model.message import Message, State, Stored
from bridge.model.notice import Incoming, Notice, Owed, Told
from bridge.store.directory.verb import Verb
from bridge.store.ended import Ended
from bridge.store.errors import StoreError
from bridge.store.postgres import connection as pg
from bridge.store.postgres.accept import ACCEPT
from bridge.store.postgres.aliases import ALSO_KNOWN_AS
from bridge.store.postgres.attempts import BEGIN, FINISH, left_behind
from bridge.store.postgres.clock import DatabaseClock
from bridge.store.postgres.directory import run
from bridge.store.postgres.lease import Lease
from bridge.store.postgres.node_words import WORDS, pieces
from bridge.store.postgres.notices import CLAIM, OWE, TAKE_INCOMING, TOLD, expire
from bridge.store.postgres.own_attempts import OwnAttempts
from bridge.store.postgres.parts import ADD_PART, expire_parts
from bridge.store.postgres.places import SharedPlaces
from bridge.store.postgres.queue import claim, lanes, move, next_due, replace
from bridge.store.postgres.reading import IDLE, STORED, PostgresReading, shown, stored
from bridge.store.postgres.retention import PostgresSweeper, forget_fingerprints
from bridge.store.postgres.schema import LAST_ID, LOCK, migrate
from bridge.store.postgres.statuses import NOTE_STATUSES, PostgresEarly, to_poll
from bridge.store.postgres.turns import Turns
from bridge.store.postgres.verb import PostgresTurn, PostgresVerb
from bridge.store.postgres.watch import Watch
from bridge.store.postgres.writer import PostgresWriter
from bridge.store.signals import StoreSignals
from bridge.store.types import (
    Acceptance,
    Alias,
    Change,
    Gathered,
    Lane,
    Noted,
    Part,
    Repeats,
    Replacement,
    Status,
)
from bridge.store.unjoined import last_short_id

T = TypeVar("T")
P = ParamSpec("P")
A = TypeVar("A")
Payload = TypeVar("Payload")

log = structlog.get_logger()

#: How long a node may be silent before other nodes take over (seconds).
LEASE = 15.0
#: How long opening may wait for another node that is changing the schema (seconds).
_OPEN_WITHIN = 300.0
#: How long closing may take beyond what the writer needs (seconds).
_CLOSE_WITHIN = 5.0


class PostgresStore(PostgresReading):
    """The engine for several nodes; :class:`bridge.store.Store` describes its verbs and signals.

    ``clock`` gives Unix time; by default it is the clock of the database, with which this machine's
    clock is compared. ``lease`` is in seconds.
    """

    #: A step of rare work has a connection of its own, and holds up nobody; more rows save round
    #: trips.
    step_rows = 1000

    def __init__(
        self,
        url: str,
        *,
        clock: Callable[[], float] | None = None,
        machine_clock: Callable[[], float] = time.time,
        lease: float = LEASE,
    ) -> None:
        super().__init__(url, lease)
        self._database_clock = DatabaseClock(machine_clock)
        clock = self._clock = clock or self._database_clock
        self._lease = Lease(lease, clock)
        self.signals = StoreSignals()
        self.last_id = 0
        self.last_short_id = 0
        self._writer: PostgresWriter | None = None
        self._watch: Watch | None = None
        self._tasks: list[asyncio.Task[None]] = []
        self._sweeper = PostgresSweeper()
        self._ended = Ended()
        self._early = PostgresEarly()
        self._attempts = OwnAttempts()
        self._places = SharedPlaces(url, self._lease)
        self._turns = Turns(
            self._writing, self._connection, self._lease, clock, self._ended, self.signals.owed.send
        )

    @property
    def node(self) -> int:
        return self._lease.number

    def time(self) -> float:
        return self._clock()

    def may_tell(self) -> bool:
        return self._lease.is_certain

    # --- opening and closing ---------------------------------------------------------------

    async def open(self) -> None:
        try:
            connection = await pg.connect(self._url)
            try:
                await self._prepare(connection)
            except BaseException:
                connection.terminate()
                raise
            self._pool = await pg.connect_pool(self._url)
        except pg.ERRORS as error:
            raise StoreError(f"{shown(self._url)}: {error}") from None
        self._writer = PostgresWriter(
            self._url, connection, self._lease, self.signals.owed.send, self._ended, self._clock
        )
        self._watch = Watch(
            self._url,
            self._lease,
            self.signals,
            self._lost,
            self._database_clock.set,
        )
        self._tasks = [
            asyncio.create_task(self._writer.run(), name="store-writer"),
            asyncio.create_task(self._watch.run(), name="store-watch"),
        ]
        try:
            async with asyncio.timeout(pg.PATIENCE):
                await self._watch.listening.wait()
        except TimeoutError:
            await self.close()
            raise StoreError(f"{shown(self._url)}: no second connection could be made") from None
        log.info("store_opened", store=shown(self._url), node=self.node)

    async def _prepare(self, connection: pg.PgConnection) -> None:
        """Brings the schema up to date and takes a node number, one node at a time."""
        async with connection.transaction():
            await connection.execute(f"SET LOCAL lock_timeout = '{_OPEN_WITHIN:.0f}s'")
            await connection.execute("SELECT pg_advisory_xact_lock($1)", LOCK, timeout=_OPEN_WITHIN)
            now = await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
            self._database_clock.set(now)
            self._database_clock.check()
            await migrate(connection)
            await self._lease.claim(connection)
            self.last_id = await connection.fetchval(LAST_ID)
            self.last_short_id = await connection.fetchval(last_short_id(self.node))

    async def close(self) -> None:
        if self._writer is not None and self._watch is not None:
            self._writer.close()
            await self._tasks[0]
            self._watch.close()
            await self._tasks[1]
            await self._places.close()
            self._writer = self._watch = None
            try:
                async with asyncio.timeout(_CLOSE_WITHIN):
                    async with self._connection() as connection:
                        await self._lease.release(connection)
            except (*pg.ERRORS, StoreError) as error:
                # The lease runs out by itself.
                log.warning("store_lease_not_released", error=str(error) or type(error).__name__)
                self._terminate()
        await self._close_pool()

    async def _close_pool(self) -> None:
        if self._pool is not None:
            try:
                async with asyncio.timeout(_CLOSE_WITHIN):
                    await self._pool.close()
            except pg.ERRORS:
                self._pool.terminate()
            self._pool = None

    def _lost(self) -> None:
        if self._writer is not None:
            self._writer.fence_off()
        self.signals.lost.send()

    # --- on the path of a message ----------------------------------------------------------

    def accept(self, acceptance: Acceptance) -> asyncio.Future[Repeats]:
        accepted = self._ask(ACCEPT, acceptance)
        if acceptance.attempt:
            self._attempts.begin(acceptance.attempt, accepted)
        return accepted

    def also_known_as(self, aliases: Sequence[Alias]) -> asyncio.Future[None]:
        return self._ask(ALSO_KNOWN_AS, aliases)

    def begin(self, attempt_id: int, messages: Sequence[Message]) -> asyncio.Future[Set[int]]:
        begun = self._ask(BEGIN, (attempt_id, [message.id for message in messages]))
        self._attempts.begin(attempt_id, begun)
        return begun

    def finish(self, attempt_id: int, changes: Sequence[Change]) -> asyncio.Future[None]:
        finished = self._ask(FINISH, (attempt_id, changes))
        if attempt_id:
            self._attempts.end(attempt_id, finished)
        return finished

    def add_part(self, part: Part, since: int) -> asyncio.Future[Gathered]:
        return self._ask(ADD_PART, (part, since))

    def _ask(self, verb: PostgresVerb[Payload, A], payload: Payload) -> asyncio.Future[A]:
        return self._open_writer().ask(verb, payload)

    def _open_writer(self) -> PostgresWriter:
        if self._writer is None:
            raise StoreError("the store is not open")
        return self._writer

    # --- waiting messages --------------------------------------------------------------------

    async def interrupted(self) -> dict[int, list[Message]]:
        # Known before the query: an attempt may end during it.
        known = self._attempts.known()
        async with self._writing() as connection:
            await self._lease.take_over(connection)
            attempts = await left_behind(
                # Attempts begun here meanwhile are not interrupted.
                connection,
                self.node,
                lambda id: id in known or id in self._attempts,
            )
        self._attempts.resume(attempts)
        return attempts

    async def lanes(self) -> list[Lane]:
        async with self._connection() as connection:
            return await lanes(connection, self.node)

    async def waiting(
        self, lane: Lane, now: int, limit: int, after: tuple[int, int] = (0, 0)
    ) -> list[Message]:
        async with self._turns.begin() as turn:
            return await claim(turn, lane, now, limit, after)

    async def next_due(self, now: int) -> int | None:
        async with self._connection() as connection:
            return await next_due(connection, self.node, now)

    async def overdue(self, now: int, limit: int) -> list[Stored]:
        # Other nodes expire the messages that they have in memory.
        rows = await self._rows(
            f"(SELECT {STORED} FROM message WHERE expires_at <= $1 AND {IDLE} "  # noqa: S608
            "ORDER BY expires_at LIMIT $2) UNION ALL "
            f"(SELECT {STORED} FROM message WHERE expires_at <= $1 "
            "AND state = 'accepted' AND owner = $3 LIMIT $2) LIMIT $2",
            now,
            limit,
            self.node,
        )
        return stored(rows)

    async def move(
        self, message_ids: Sequence[int], to: State, *, unposted: bool = False
    ) -> list[int]:
        return await self._turns.settled(
            lambda turn: move(turn, message_ids, to, unposted=unposted)
        )

    async def replace(self, replacement: Replacement) -> bool:
        return await self._turns.settled(lambda turn: replace(turn, replacement))

    async def set_hold(self, scope: str, name: str, held: bool) -> None:
        sql = (
            "INSERT INTO hold (scope, name) VALUES ($1, $2) ON CONFLICT DO NOTHING"
            if held
            else "DELETE FROM hold WHERE scope = $1 AND name = $2"
        )

        async def set_hold(turn: PostgresTurn) -> None:
            await turn.connection.execute(sql, scope, name)
            turn.is_work = True

        await self._turns.settled(set_hold)

    async def expired_parts(self, before: int, limit: int) -> list[Part]:
        async with self._turns.begin() as turn:
            return await expire_parts(turn, before, limit)

    async def sweep(self, before: int, text_before: int, limit: int) -> int:
        async with self._turns.begin() as turn:
            return await self._sweeper.sweep(turn, before, text_before, limit)

    async def tell_nodes(self, words: str) -> None:
        async with self._writing() as connection:
            await connection.execute(
                "SELECT pg_notify($1, piece) FROM unnest($2::text[]) AS said (piece)",
                WORDS,
                pieces(self.node, words),
            )

    @property
    def trouble(self) -> str:
        return "" if self._writer is None else self._writer.trouble

    async def forget_fingerprints(self, now: int) -> None:
        async with self._writing() as connection:
            await forget_fingerprints(connection, now)

    async def change(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        return await self._turns.settled(lambda turn: run(turn.connection, verb(*args, **kwargs)))

    async def take_place(self, account: str, most: int) -> bool:
        return await self._places.take(account, most)

    async def give_back_place(self, account: str) -> None:
        await self._places.give_back(account)

    # --- statuses and messages from phones ---------------------------------------------------

    def note_statuses(self, statuses: Sequence[Status]) -> asyncio.Future[Sequence[Noted]]:
        return self._ask(NOTE_STATUSES, statuses)

    async def match_early(self, now: int, before: int) -> int:
        async with self._turns.begin() as turn:
            return await self._early.match(turn, now, before)

    async def to_poll(self, now: int, limit: int) -> list[Stored]:
        async with self._turns.begin() as turn:
            return await to_poll(turn.connection, now, limit)

    def take_incoming(
        self, incoming: Sequence[tuple[Incoming, Sequence[str]]]
    ) -> asyncio.Future[Sequence[bool]]:
        return self._ask(TAKE_INCOMING, incoming)

    # --- notices -----------------------------------------------------------------------------

    def owe(self, notices: Sequence[Notice]) -> asyncio.Future[None]:
        return self._ask(OWE, notices)

    def claim_notices(self, queue: str, now: int, limit: int) -> asyncio.Future[Sequence[Owed]]:
        return self._ask(CLAIM, (queue, now, limit))

    def told(self, told: Sequence[Told]) -> asyncio.Future[None]:
        return self._ask(TOLD, told)

    async def expire_notices(self, mails_before: int, before: int, limit: int) -> int:
        async with self._turns.begin() as turn:
            return await expire(turn, mails_before, before, limit)

    async def note_receivers(self, account: str, bound: bool) -> None:
        async with self._turns.begin() as turn:
            await turn.connection.execute(
                "INSERT INTO receiver (account, node, bound, since) VALUES ($1, $2, $3, $4) "
                "ON CONFLICT (account, node) DO UPDATE "
                "SET bound = excluded.bound, since = excluded.since",
                account,
                self.node,
                bound,
                int(self._clock()),
            )

    # --- connections -------------------------------------------------------------------------

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[pg.PgConnection]:
        """A connection of the pool; its transactions must hold the lease."""
        self._open_writer()
        async with self._connection() as connection:
            yield connection
