"""Durably stored webhooks per second, and the cost of a status."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import cast
from uuid import UUID

import orjson

from bridge.model.ids import Ids
from bridge.model.message import Receipts
from bridge.store.engines import engine_of
from bridge.store.rows import MESSAGE_COLUMNS, to_row
from tests.benchmarks.harness import Figures, await_port, bridge, cpu_seconds, run
from tests.benchmarks.relay_cases import Row, row
from tests.samples import message
from tests.support import free_port

SECRET = "benchmark-secret-0123456789"
#: (kept connections, statuses in one request)
LOADS = ((10, 1), (50, 1), (200, 1), (10, 100))


def hooks(count: int, runs: int) -> Iterator[Row]:
    """Each status ends another message, whose requested receipt is stored too."""
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as name:
        folder = Path(name)
        ids = iter(fill(folder / "bridge.db", (count * runs + 100) * len(LOADS)))
        port = free_port()
        table = f'[hooks]\nlisten = ["127.0.0.1:{port}"]\nsecret = "{SECRET}"'
        with bridge(folder, account=table, cascade="poll = false") as served:
            await_port(port, served.process)
            for connections, size in LOADS:
                found = []
                run(post(port, 100, connections, size, ids))
                for _ in range(runs):
                    cpu, began = cpu_seconds(served.pid), time.perf_counter()
                    run(post(port, count, connections, size, ids))
                    took = time.perf_counter() - began
                    found.append(Figures(count, took, cpu_seconds(served.pid) - cpu))
                words = "1 status" if size == 1 else f"{size} statuses"
                yield row(f"webhooks of {words}, {connections} connections", found)
        with contextlib.closing(sqlite3.connect(folder / "bridge.db")) as connection:
            sql = "SELECT count(*) FROM message m JOIN notice ON about = m.id WHERE m.state = ?"
            [(kept,)] = connection.execute(sql, ("delivered",))
        assert kept == (count * runs + 100) * len(LOADS), kept


def fill(path: Path, count: int) -> list[str]:
    """A store with this number of sent messages; returns their upstream ids."""

    async def create() -> None:
        engine = engine_of(f"sqlite:///{path}")
        await engine.open()
        await engine.close()

    asyncio.run(create())
    now = int(time.time())
    ids = Ids(0, 0, lambda: now - 3600)
    columns = (*MESSAGE_COLUMNS, "state", "upstream_id", "sent_at", "poll_at")
    marks = ", ".join("?" * len(columns))
    upstream_ids = [str(UUID(int=(n * 2654435761 % 2**32) << 96 | n)) for n in range(count)]
    times = {"due_at": now - 3600, "accepted_at": now - 3600, "expires_at": now + 86400}
    wishes = Receipts.SUCCESS | Receipts.FAILURE
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany(
            f"INSERT INTO message ({', '.join(columns)}) VALUES ({marks})",
            (
                (
                    *to_row(message(ids.next(), account="bench", receipts=wishes, **times)),
                    *("sent", upstream_id, now - 3600, now + 90000),
                )
                for upstream_id in upstream_ids
            ),
        )
    return upstream_ids


async def post(port: int, count: int, connections: int, size: int, ids: Iterator[str]) -> None:
    requests = [_request([next(ids) for _ in range(size)]) for _ in range(count // size)]
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group:
        for n in range(connections):
            done = loop.create_future()

            def client(
                mine: Sequence[bytes] = requests[n::connections],
                done: asyncio.Future[None] = done,
            ) -> _Client:
                return _Client(iter(mine), done)

            await loop.create_connection(client, "127.0.0.1", port)
            group.create_task(_wait(done))


async def _wait(done: asyncio.Future[None]) -> None:
    async with asyncio.timeout(300):
        await done


def _request(ids: list[str]) -> bytes:
    statuses = [
        {
            "messageId": id,
            "deliverystatus": "delivered",
            "timestamp": "2026-11-22T10:00:00Z",
            "cost": 0.35,
        }
        for id in ids
    ]
    body = orjson.dumps(statuses[0] if len(ids) == 1 else statuses)
    head = (
        f"POST /hooks/cascade/{SECRET}/status HTTP/1.1\r\nHost: bridge.example.com\r\n"
        "User-Agent: benchmark\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class _Client(asyncio.Protocol):
    """Posts requests one after the other on a kept connection; every answer must be 200."""

    def __init__(self, requests: Iterator[bytes], done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._done = done
        self._write: Callable[[bytes], None] = lambda data: None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the base class.
        self._write = cast(asyncio.Transport, transport).write
        self._next()

    def data_received(self, data: bytes) -> None:
        # The answer comes in one piece: it has no body.
        if not (data.startswith(b"HTTP/1.1 200 ") and data.endswith(b"\r\n\r\n")):
            self._done.set_exception(RuntimeError(data.decode(errors="replace")))
            return
        self._next()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(RuntimeError("the bridge hung up"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self._write(request)
        elif not self._done.done():
            self._done.set_result(None)


#: As in :mod:`tests.benchmarks.relay_cases`.
CASES: dict[str, tuple[int, Callable[[int, int], Iterator[Row]]]] = {"hooks": (20_000, hooks)}
