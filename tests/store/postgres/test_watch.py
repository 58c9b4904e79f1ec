"""The watch: passes on signals of other nodes, renews the lease, and comes back after a loss."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from structlog.testing import capture_logs

from bridge.store.postgres import connection as pg
from bridge.store.postgres.lease import CHANNEL, OWED, SETTLED, Lease
from bridge.store.postgres.node_words import WORDS, pieces
from bridge.store.postgres.watch import Watch
from bridge.store.signals import StoreSignals
from tests.samples import NOW
from tests.store.postgres.nodes import Nodes


class Heard:
    """A watch of node 0, and all that it passes on."""

    def __init__(self, url: str, lease: Lease) -> None:
        self.all: list[object] = []
        self.renewed: list[float] = []
        self._more = asyncio.Event()
        signals = StoreSignals()
        signals.work.listen(lambda: self._hear("work"))
        signals.owed.listen(lambda queues: self._hear(("owed", queues)))
        signals.settled.listen(lambda ids: self._hear(("settled", list(ids))))
        signals.told.listen(self._hear)
        self.watch = Watch(
            url, lease, signals, lambda: self._hear("lost"), lambda at: self.renewed.append(at)
        )

    def _hear(self, signal: object) -> None:
        self.all.append(signal)
        self._more.set()

    async def until(self, signal: object) -> list[object]:
        """All signals up to this one."""
        async with asyncio.timeout(30):
            while signal not in self.all:
                self._more.clear()
                await self._more.wait()
        heard, self.all = self.all, []
        return heard


@pytest.fixture
async def lease(nodes: Nodes) -> Lease:
    await (await nodes.open()).close()
    lease = Lease(1.5, lambda: NOW)
    connection = await pg.connect(nodes.url)
    async with connection.transaction():
        await lease.claim(connection)
    await connection.close()
    return lease


@pytest.fixture
async def heard(nodes: Nodes, lease: Lease) -> AsyncIterator[Heard]:
    heard = Heard(nodes.url, lease)
    running = asyncio.create_task(heard.watch.run())
    await asyncio.wait_for(heard.watch.listening.wait(), 30)
    yield heard
    heard.watch.close()
    await asyncio.wait_for(running, 30)


async def notify(nodes: Nodes, channel: str, *payloads: str) -> None:
    for payload in payloads:
        await nodes.execute(f"SELECT pg_notify('{channel}', '{payload}')")


async def test_signals_of_other_nodes_are_passed_on_and_no_own_ones(
    nodes: Nodes, heard: Heard
) -> None:
    await notify(nodes, CHANNEL, "0", "7", "")
    await notify(nodes, OWED, "0", "7")
    # The node that accepted the messages is named, not the sender.
    await notify(nodes, SETTLED, "7 8 9", "0 5 6")
    await notify(nodes, WORDS, *pieces(0, "mine"), *pieces(7, "x" * 5000), *pieces(7, "last"))
    assert await heard.until("last") == [
        "work",
        "work",
        ("owed", None),
        ("settled", [5, 6]),
        "x" * 5000,
        "last",
    ]


async def test_after_a_loss_everything_is_signalled_that_may_have_been_missed(
    nodes: Nodes, heard: Heard
) -> None:
    with capture_logs() as logs:
        await nodes.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE application_name = 'cascade-bridge' AND datname = current_database()"
        )
        assert await heard.until(("owed", None)) == ["work", ("owed", None)]
    assert "store_watch_restored" in [line["event"] for line in logs]
    await notify(nodes, WORDS, *pieces(7, "again"))
    assert await heard.until("again") == ["again"]


async def test_each_renewal_gives_the_time_of_the_database(heard: Heard, lease: Lease) -> None:
    async with asyncio.timeout(30):
        while len(heard.renewed) < 2:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.01)
    assert heard.renewed == sorted(heard.renewed)
    assert abs(heard.renewed[0] - time.time()) < 60
    assert lease.is_certain


async def test_a_silent_node_is_taken_over_and_signalled(nodes: Nodes, heard: Heard) -> None:
    await nodes.execute("INSERT INTO node VALUES (7, gen_random_uuid(), 0, '-infinity')")
    assert ("owed", None) in await heard.until(("owed", None))
    assert [row["number"] for row in await nodes.execute("SELECT number FROM node")] == [0]


async def test_a_watch_ends_once_the_lease_is_lost(nodes: Nodes, lease: Lease) -> None:
    heard = Heard(nodes.url, lease)
    running = asyncio.create_task(heard.watch.run())
    await asyncio.wait_for(heard.watch.listening.wait(), 30)
    await nodes.execute("DELETE FROM node")
    assert (await heard.until("lost")).count("lost") == 1
    await asyncio.wait_for(running, 30)
