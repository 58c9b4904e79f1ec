"""Submits with the store in PostgreSQL: what the bridge and the server spend, and what others in
the same database do to the rate: a transaction that stays open, long readers, killed connections,
no connection left."""

from __future__ import annotations

import asyncio
import contextlib
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import asyncpg

from tests.benchmarks import paths
from tests.benchmarks.harness import (
    Figures,
    Served,
    bridge,
    cpu_seconds,
    ended_children_seconds,
)
from tests.benchmarks.relay_cases import Row, row
from tests.store.postgres.server import Server, binaries, execute

#: Seconds between two kills of all connections of the bridge.
KILL_EVERY = 1.0
READERS = 5
_TABLES = "SELECT pg_total_relation_size('message') + pg_total_relation_size('attempt')"
_KILL = (
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
    "WHERE datname = 'bench' AND application_name LIKE 'cascade-bridge%'"
)


def postgres(count: int, runs: int) -> Iterator[Row]:
    """submit_sm to its answer, 10 binds × window 100, alone and beside each of the others."""
    bin = binaries()
    if bin is None:
        return
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as folder, ExitStack() as stack:
        server = Server(bin)
        stack.callback(server.remove)
        server.start()
        asyncio.run(execute(server.url("postgres"), "CREATE DATABASE bench"))
        url = server.url("bench")
        served = stack.enter_context(bridge(Path(folder), url=url, cascade="poll = false"))
        paths.smpp(served, min(count, 500), 10, 100)
        stored = min(count, 500)
        for says, others in PHASES.items():
            found, spent = [], 0.0
            for _ in range(runs):
                before = _server_cpu(server)
                with others(server):
                    found.append(_measure(served, count))
                spent += _server_cpu(server) - before
            stored += runs * count
            size = asyncio.run(_fetch(url, _TABLES)) / stored
            more = (
                f"{spent / runs / count * 1e6:.0f} µs in the server, {size:,.0f} octets a message"
            )
            yield row(f"submit_sm on PostgreSQL, {says}", found, more)


def _measure(served: Served, count: int) -> Figures:
    return paths.smpp(served, count, 10, 100)


def _server_cpu(server: Server) -> float:
    """What the server's processes have run so far, with those that have ended."""
    total = ended_children_seconds(server.processes()[0])
    for pid in server.processes():
        with contextlib.suppress(OSError):
            total += cpu_seconds(pid)
    return total


async def _fetch(url: str, sql: str) -> int:
    connection = await asyncpg.connect(url)
    try:
        return int(await connection.fetchval(sql))
    finally:
        await connection.close()


Others = Callable[[Server], contextlib.AbstractContextManager[None]]


@contextmanager
def _nobody(server: Server) -> Iterator[None]:
    yield


@contextmanager
def _open_transactions(server: Server, isolation: str, number: int) -> Iterator[None]:
    """So many connections that have begun a transaction, read every message, and stay so."""
    begun, done = threading.Event(), threading.Event()

    async def hold() -> None:
        connections = [await asyncpg.connect(server.url("bench")) for _ in range(number)]
        for connection in connections:
            await connection.execute(f"BEGIN ISOLATION LEVEL {isolation}")
            await connection.fetchval("SELECT count(*) FROM message")
        begun.set()
        await asyncio.to_thread(done.wait)
        for connection in connections:
            await connection.close()

    holder = threading.Thread(target=lambda: asyncio.run(hold()))
    holder.start()
    begun.wait()
    try:
        yield
    finally:
        done.set()
        holder.join()


@contextmanager
def _killer(server: Server) -> Iterator[None]:
    """Ends all connections of the bridge again and again."""
    done = threading.Event()

    def kill() -> None:
        while not done.wait(KILL_EVERY):
            asyncio.run(execute(server.url("postgres"), _KILL))

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        yield
    finally:
        done.set()
        killer.join()


@contextmanager
def _crowd(server: Server) -> Iterator[None]:
    """Takes every connection that the server has left."""
    begun, done = threading.Event(), threading.Event()

    async def take() -> None:
        taken: list[asyncpg.Connection[asyncpg.Record]] = []
        with contextlib.suppress(asyncpg.PostgresError):
            while True:
                taken.append(await asyncpg.connect(server.url("bench")))
        begun.set()
        await asyncio.to_thread(done.wait)
        for connection in taken:
            await connection.close()

    crowd = threading.Thread(target=lambda: asyncio.run(take()))
    crowd.start()
    begun.wait()
    try:
        yield
    finally:
        done.set()
        crowd.join()


PHASES: dict[str, Others] = {
    "alone": _nobody,
    "idle in transaction": lambda server: _open_transactions(server, "READ COMMITTED", 1),
    "long readers": lambda server: _open_transactions(server, "REPEATABLE READ", READERS),
    "connections killed": _killer,
    "no connection left": _crowd,
    "alone again": _nobody,
}

CASES = {"postgres": (20_000, postgres)}
