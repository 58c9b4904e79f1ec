"""Transactions outside the writer, on connections of the pool.

Decides what happens when the connection is lost: the database says whether the transaction was
committed, and one that was not runs again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Set
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TypeVar

from bridge.store.ended import Ended
from bridge.store.errors import StoreError
from bridge.store.postgres import connection as pg
from bridge.store.postgres.group import announce
from bridge.store.postgres.lease import Lease
from bridge.store.postgres.verb import PostgresTurn

T = TypeVar("T")
Connect = Callable[[], AbstractAsyncContextManager[pg.PgConnection]]

#: Pause before the database is asked again about a transaction (seconds).
_AGAIN = 0.1
_STATUS = "SELECT pg_xact_status($1::text::xid8)"
_END = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE backend_xid = $1::text::xid8::xid"
)


class Turns:
    """``writing`` gives a connection while the store takes writes, ``reading`` as long as it is
    open. ``owed`` is called with the queues that got notices."""

    def __init__(
        self,
        writing: Connect,
        reading: Connect,
        lease: Lease,
        clock: Callable[[], float],
        ended: Ended,
        owed: Callable[[Set[str]], None],
    ) -> None:
        self._writing = writing
        self._reading = reading
        self._lease = lease
        self._clock = clock
        self._ended = ended
        self._owed = owed

    @asynccontextmanager
    async def begin(self) -> AsyncIterator[PostgresTurn]:
        """One transaction that holds the lease; it signals its effects to other nodes and to the
        outbox here."""
        async with self._writing() as connection:
            turn = PostgresTurn(connection, self._lease.fence, int(self._clock()), self._ended)
            async with connection.transaction():
                turn.xid = await self._lease.hold(connection)
                yield turn
                await announce(turn)
        self._announce_here(turn)

    def _announce_here(self, turn: PostgresTurn) -> None:
        if turn.queues:
            self._owed(turn.queues)

    async def settled(self, verb: Callable[[PostgresTurn], Awaitable[T]]) -> T:
        """Runs a transaction, and again if its connection is lost. If the confirmation of the
        commit is lost, the database says whether it was committed."""
        until: float | None = None
        while True:
            turn: PostgresTurn | None = None
            done: list[T] = []
            try:
                async with self.begin() as turn:
                    done.append(await verb(turn))
                return done[0]
            except StoreError as error:
                lost = error.__cause__ and pg.trouble(error.__cause__) is pg.Trouble.LOST
                if turn is None or not lost:
                    raise
                until = until or asyncio.get_running_loop().time() + pg.PATIENCE
                if await self._is_committed(turn.xid, until) and done:
                    self._announce_here(turn)
                    return done[0]
                if asyncio.get_running_loop().time() > until:
                    raise
            await asyncio.sleep(_AGAIN)

    async def _is_committed(self, xid: str, until: float) -> bool:
        """Whether a transaction was committed. Ends it if it is still open: its connection is lost.

        Raises :class:`StoreError` if that is not known at the time ``until``.
        """
        while True:
            trouble: StoreError | None = None
            try:
                async with self._reading() as connection:
                    [[status]] = await connection.fetch(_STATUS, xid)
                    if status != "in progress":
                        return bool(status == "committed")
                    await connection.fetch(_END, xid)
            except StoreError as error:
                trouble = error
            if asyncio.get_running_loop().time() > until:
                raise StoreError("it may have been done", trouble) from trouble
            await asyncio.sleep(_AGAIN)
