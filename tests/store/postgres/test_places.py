"""Places of accounts over several nodes."""

from __future__ import annotations

import asyncio
import subprocess
import sys

from bridge.store.postgres.engine import PostgresStore
from tests.store.postgres.nodes import Nodes

MOST = 14
_LOCKS = "SELECT pid FROM pg_locks WHERE locktype = 'advisory'"

#: A node that takes all places of an account and waits for its end.
_BUSY = f"""
import asyncio, sys
from bridge.store.postgres.engine import PostgresStore

async def main():
    store = PostgresStore(sys.argv[1])
    await store.open()
    print([await store.take_place("crm", {MOST}) for _ in range({MOST})].count(True), flush=True)
    await asyncio.sleep(60)

asyncio.run(main())
"""


async def take(store: PostgresStore, count: int) -> int:
    """How many of so many calls got a place."""
    return sum(await asyncio.gather(*(store.take_place("crm", MOST) for _ in range(count))))


async def alone(store: PostgresStore, *, is_alone: bool = True) -> None:
    """Waits until a node knows whether it is alone."""
    async with asyncio.timeout(30):
        while store._lease.is_alone is not is_alone:  # noqa: ASYNC110 - no event tells it
            await asyncio.sleep(0.01)


async def two(nodes: Nodes) -> tuple[PostgresStore, PostgresStore]:
    """Two nodes that know of each other."""
    first, second = await nodes.open(lease=3), await nodes.open(lease=3)
    await alone(first, is_alone=False)
    return first, second


async def test_they_are_counted_over_nodes(nodes: Nodes) -> None:
    first, second = await two(nodes)
    taken = await asyncio.gather(take(first, 10), take(second, 10))
    assert sum(taken) == MOST
    assert not await first.take_place("crm", MOST)
    assert not await second.take_place("crm", MOST)
    for store, count in zip((first, second), taken, strict=True):
        for _ in range(count):
            await store.give_back_place("crm")
    assert await nodes.execute(_LOCKS) == []
    assert await take(second, 20) == MOST
    assert await take(first, 1) == 0


async def test_a_node_alone_asks_no_database(nodes: Nodes) -> None:
    store = await nodes.open(lease=3)
    await alone(store)
    assert await take(store, 20) == MOST
    assert await nodes.execute(_LOCKS) == []


async def test_calls_from_before_another_node_came_are_given_back(nodes: Nodes) -> None:
    first = await nodes.open(lease=3)
    await alone(first)
    assert await take(first, 4) == 4
    second = await nodes.open(lease=3)
    await alone(first, is_alone=False)
    assert await take(first, 3) == 3
    for _ in range(7):
        await first.give_back_place("crm")
    assert await take(second, 20) == MOST


async def test_the_places_of_a_lost_session_are_free(nodes: Nodes) -> None:
    first, second = await two(nodes)
    assert await take(first, 10) == 10
    await nodes.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({_LOCKS} LIMIT 1) AS lost")
    assert await take(second, 10) == 10
    await first.give_back_place("crm")
    assert await take(first, 4) == 4
    assert await take(second, 1) == 0


async def test_the_places_of_a_killed_node_are_free(nodes: Nodes) -> None:
    store = await nodes.open(lease=3)
    process = subprocess.Popen(  # noqa: ASYNC220 - starts in no time
        [sys.executable, "-c", _BUSY, nodes.url], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        line = b""
        while line.strip() != b"14":
            line = await asyncio.to_thread(process.stdout.readline)
            assert line, "it ended"
        await alone(store, is_alone=False)
        assert not await store.take_place("crm", MOST)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    async with asyncio.timeout(30):
        while not await store.take_place("crm", MOST):  # noqa: ASYNC110 - the server tells nobody
            await asyncio.sleep(0.01)
    assert await take(store, 20) == MOST - 1
