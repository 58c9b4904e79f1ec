"""Keeps the lease and listens for signals, on a connection beside the writer's.

Renews this node's lease, takes over from nodes that are gone, and calls callbacks for the signals
of other nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence

import structlog

from bridge.store.errors import LeaseLost
from bridge.store.postgres.connection import ERRORS, PgConnection, connect
from bridge.store.postgres.lease import CHANNEL, OWED, SETTLED, Lease

log = structlog.get_logger()

#: The lease is renewed, and other leases are checked, three times in its length.
_PER_LEASE = 3


class Watch:
    """``work`` is called when messages may be available to this node, ``owed`` when notices may be,
    ``lost`` once, when other nodes have taken over, ``renewed`` with the database's time after each
    renewal, ``settled`` with messages of this node that another node has settled."""

    def __init__(
        self,
        url: str,
        lease: Lease,
        work: Callable[[], None],
        owed: Callable[[], None],
        lost: Callable[[], None],
        renewed: Callable[[float], None],
        settled: Callable[[Sequence[int]], None],
    ) -> None:
        self._url = url
        self._lease = lease
        self._on = {CHANNEL: work, OWED: owed}
        self._lost = lost
        self._renewed = renewed
        self._settled = settled
        self._closing = asyncio.Event()
        #: Set when this node has begun to listen.
        self.listening = asyncio.Event()

    def close(self) -> None:
        self._closing.set()

    async def run(self) -> None:
        """Works until :meth:`close`, or until the lease is lost."""
        every = self._lease.length / _PER_LEASE
        away = False
        while not self._closing.is_set():
            try:
                async with asyncio.timeout(every):
                    connection = await connect(self._url)
                try:
                    await self._watch(connection, every)
                finally:
                    connection.terminate()
                away = False
            except LeaseLost:
                log.error("store_lease_lost", node=self._lease.number)
                self._lost()
                return
            except ERRORS as error:
                if not away:
                    log.warning("store_not_watched", error=str(error) or type(error).__name__)
                away = True
                await self._rest(min(0.25, every))
            except Exception:
                # Go on: without a watch the lease would run out.
                log.exception("store_watch_broke")
                await self._rest(every)

    async def _watch(self, connection: PgConnection, every: float) -> None:
        """Works until the connection ends."""
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        for channel in self._on:
            await connection.add_listener(channel, self._heard)
        await connection.add_listener(SETTLED, self._heard_settled)
        if self.listening.is_set():
            log.info("store_watched_again")
            # Signals may have been missed before.
            self._all()
        self.listening.set()
        while not (ended.is_set() or self._closing.is_set()):
            async with asyncio.timeout(every):
                await self._lease.renew(connection)
            self._renewed(self._lease.renewed_at)
            if await self._lease.take_over(connection):
                log.warning("store_node_gone")
                self._all()
            await self._rest(every, ended)

    async def _rest(self, seconds: float, ended: asyncio.Event | None = None) -> None:
        """Waits for this time, or until the watch ends."""
        waits = [asyncio.ensure_future(event.wait()) for event in (self._closing, ended) if event]
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()

    def _heard(self, connection: PgConnection, pid: int, channel: str, payload: str) -> None:
        if payload != str(self._lease.number):
            self._on[channel]()

    def _heard_settled(
        self, connection: PgConnection, pid: int, channel: str, payload: str
    ) -> None:
        node, *ids = map(int, payload.split())
        if node == self._lease.number:
            self._settled(ids)

    def _all(self) -> None:
        for heard in self._on.values():
            heard()
