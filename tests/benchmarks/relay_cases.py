"""Relay and store: durable accepts on each engine, throughput with a slow API, and the cost of a
message with few and with a million waiting messages."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from bridge.model.ids import Ids
from bridge.store.engines import engine_of
from bridge.store.postgres.connection import connect
from bridge.store.rows import MESSAGE_COLUMNS, to_row
from tests.benchmarks import paths
from tests.benchmarks.harness import Figures, bridge, cpu_seconds, resident_mb
from tests.benchmarks.smpp_load import Load
from tests.samples import message
from tests.store.postgres.server import Server, binaries, execute

#: The rows of a case: name and cells.
Row = tuple[str, ...]
HEAD = ("case", "per s", "CPU µs", "")
OUTSTANDING = 1000


def relay(count: int, runs: int) -> Iterator[Row]:
    """Messages per second that reach the API, with clients answered "queued", by the API's
    delay."""
    for delay in (0.0, 0.05, 0.5):
        with (
            tempfile.TemporaryDirectory(prefix="cascade-bridge-") as folder,
            bridge(
                Path(folder), delay=delay, account='answer = "queued"', cascade="poll = false"
            ) as served,
        ):
            found = []
            for _ in range(runs):
                taken, cpu = served.taken(), cpu_seconds(served.pid)
                began = time.perf_counter()
                asyncio.run(Load(served.smpp, count, 10, 100, paths.BODIES).run())
                while served.taken() - taken < count:
                    time.sleep(0.02)
                took = time.perf_counter() - began
                found.append(Figures(count, took, cpu_seconds(served.pid) - cpu))
            yield row(f"relay, API answers in {delay * 1000:.0f} ms", found)


def backlog(count: int, runs: int) -> Iterator[Row]:
    """submit_sm with a thousand and with a million waiting messages of others, and the start with
    them, on each engine."""
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as name, ExitStack() as stack:
        urls = {"SQLite": ("", "")}
        if (bin := binaries()) is not None:
            server = Server(bin)
            stack.callback(server.remove)
            server.start()
            for database in ("few", "many"):
                asyncio.run(execute(server.url("postgres"), f"CREATE DATABASE {database}"))
            urls["PostgreSQL"] = server.url("few"), server.url("many")
        for engine, (few, many) in urls.items():
            for waiting, url in ((1_000, few), (1_000_000, many)):
                folder = Path(name, f"{engine}-{waiting}")
                folder.mkdir()
                yield _with_waiting(engine, waiting, url, folder, count, runs)


def _with_waiting(engine: str, waiting: int, url: str, folder: Path, count: int, runs: int) -> Row:
    if url:
        asyncio.run(fill_postgres(url, waiting))
    else:
        fill(folder / "bridge.db", waiting)
    os.sync()  # or the first commit would wait until all of that is on the disk
    other = '[accounts.other]\npassword = "other"\nsender = "Other"'
    limit = "backlog_limit = 2_000_000"
    began = time.perf_counter()
    with bridge(folder, account=other, store=limit, cascade="poll = false", url=url) as served:
        asyncio.run(Load(served.smpp, 1, 1, 1, paths.BODIES).run())
        first, cpu = time.perf_counter() - began, cpu_seconds(served.pid)
        found = [paths.smpp(served, count, 10, 100) for _ in range(runs)]
        memory = resident_mb(served.pid)
    return row(
        f"submit_sm, {waiting:,} wait, {engine}",
        found,
        f"{memory:.0f} MB, first answer {first:.1f} s after the start, {cpu:.2f} s of CPU",
    )


def fill(path: Path, count: int) -> None:
    """A store with this number of waiting messages of a held account."""

    async def create() -> None:
        engine = engine_of(f"sqlite:///{path}")
        await engine.open()
        await engine.set_hold("account", "other", True)
        await engine.close()

    asyncio.run(create())
    marks = ", ".join("?" * len(MESSAGE_COLUMNS))
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany(
            f"INSERT INTO message ({', '.join(MESSAGE_COLUMNS)}) VALUES ({marks})",
            _waiting(count),
        )


async def fill_postgres(url: str, count: int) -> None:
    """As :func:`fill`, in a database."""
    engine = engine_of(url)
    await engine.open()
    await engine.set_hold("account", "other", True)
    await engine.close()
    connection = await connect(url)
    rows = _waiting(count)
    while some := list(islice(rows, 20_000)):
        await connection.copy_records_to_table("message", records=some, columns=MESSAGE_COLUMNS)
    await connection.execute("VACUUM ANALYZE message", timeout=600)  # as autovacuum would
    await connection.close()


def _waiting(count: int) -> Iterator[tuple[Any, ...]]:
    now = int(time.time())
    ids = Ids(0, 0, lambda: now - 3600)
    for n in range(count):
        yield to_row(
            message(
                ids.next(),
                account="other",
                phone=f"+38067{n:07}",
                due_at=now - 3600,
                accepted_at=now - 3600,
                expires_at=now + 86400,
            )
        )


def row(name: str, found: list[Figures], more: str = "") -> Row:
    rate = median(figures.rate for figures in found)
    cpu = median(figures.cpu_us for figures in found)
    return (name, f"{rate:,.0f}", f"{cpu:,.0f}", more)


#: Name → the measurement, and its default number of messages.
CASES: dict[str, tuple[int, Callable[[int, int], Iterator[Row]]]] = {
    "relay": (20_000, relay),
    "backlog": (20_000, backlog),
}
