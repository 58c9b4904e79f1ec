"""Keeps the lease and listens for signals, on a connection beside the writer's.

Renews this node's lease, takes over from nodes that are gone, and passes on the signals of other
nodes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import structlog

from bridge.store.errors import LeaseLost
from bridge.store.postgres.connection import ERRORS, PgConnection, connect
from bridge.store.postgres.lease import CHANNEL, OWED, SETTLED, Lease
from bridge.store.postgres.node_words import WORDS, Hearing
from bridge.store.signals import StoreSignals

log = structlog.get_logger()

#: The lease is renewed, and other leases are checked, three times in its length.
_PER_LEASE = 3


class Watch:
    """Passes on what other nodes announce as ``signals``. ``lost`` is called once, when other nodes
    have taken over, ``renewed`` with the database's time after each renewal of the lease."""

    def __init__(
        self,
        url: str,
        lease: Lease,
        signals: StoreSignals,
        lost: Callable[[], None],
        renewed: Callable[[float], None],
    ) -> None:
        self._url = url
        self._lease = lease
        self._signals = signals
        self._lost = lost
        self._renewed = renewed
        self._words = Hearing()
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
                    log.warning("store_watch_lost", error=str(error) or type(error).__name__)
                away = True
                await self._rest(min(0.25, every))
            except Exception:
                # Go on: without a watch the lease would run out.
                log.exception("store_watch_failed")
                await self._rest(every)

    async def _watch(self, connection: PgConnection, every: float) -> None:
        """Works until the connection ends."""
        ended = asyncio.Event()
        connection.add_termination_listener(lambda _: ended.set())
        for channel in (CHANNEL, OWED, SETTLED, WORDS):
            await connection.add_listener(channel, self._heard)
        if self.listening.is_set():
            log.info("store_watch_restored")
            # Signals may have been missed before.
            self._send_all()
        self.listening.set()
        while not (ended.is_set() or self._closing.is_set()):
            async with asyncio.timeout(every):
                await self._lease.renew(connection)
            self._renewed(self._lease.renewed_at)
            if gone := await self._lease.take_over(connection):
                log.warning("store_node_gone", nodes=gone)
                self._send_all()
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
        node, _, rest = payload.partition(" ")
        own = node == str(self._lease.number)
        if channel == SETTLED:  # the node that accepted these messages; elsewhere the sender
            if own:
                self._signals.settled.send([int(id) for id in rest.split()])
        elif not own:
            if channel == CHANNEL:
                self._signals.work.send()
            elif channel == WORDS:
                if (words := self._words.hear(payload)) is not None:
                    self._signals.told.send(words)
            else:
                self._signals.owed.send(None)

    def _send_all(self) -> None:
        self._signals.work.send()
        self._signals.owed.send(None)
