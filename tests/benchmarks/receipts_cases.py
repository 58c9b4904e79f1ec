"""Receipts owed to an account that was away: their rate after its bind, their cost, and their
effect on another client's submits."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import struct
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from bridge.model.ids import Ids
from bridge.model.message import Receipts
from bridge.model.notice import Kind, receivers_of
from bridge.store.engines import engine_of
from bridge.store.rows import MESSAGE_COLUMNS, to_row
from tests.benchmarks.harness import Figures, bridge, cpu_seconds, run
from tests.benchmarks.relay_cases import Row, row
from tests.benchmarks.smpp_load import Paced
from tests.samples import message

WINDOW = 100
#: Another account, and the interval of its submits (seconds).
OTHER = '[accounts.other]\npassword = "other"\nsender = "Other"'
PACE = 0.02
#: Seconds of measurement without receipts.
QUIET = 5.0
#: High enough that the API's rate is not measured.
LIMIT = "requests_per_second = 10000\nburst = 10000\npoll = false"

_HEADER = struct.Struct("!IIII")
_BIND_RECEIVER, _DELIVER_SM, _ENQUIRE_LINK = 1, 5, 0x15
_RESPONSE = 0x80000000


def receipts(count: int, runs: int) -> Iterator[Row]:
    """One receiver with a window of a hundred; the messages' final states are in the store."""
    rates: list[Figures] = []
    quiet: list[float] = []
    busy: list[float] = []
    for _ in range(runs):
        with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as name:
            folder = Path(name)
            fill(folder / "bridge.db", count)
            with bridge(folder, account=f"receive_window = {WINDOW}\n{OTHER}", cascade=LIMIT) as on:
                before, during, took, cpu = run(_measure(on.smpp, count, on.pid))
                rates.append(Figures(count, took, cpu))
                quiet += before
                busy += during
            with contextlib.closing(sqlite3.connect(folder / "bridge.db")) as connection:
                sql = "SELECT count(*), max(tries) FROM notice WHERE ended_at > 0"
                assert connection.execute(sql).fetchone() == (count, 1)
    yield row(f"receipts, one receiver, window {WINDOW}", rates)
    for words, found in (("before", quiet), ("meanwhile", busy)):
        p50, p99 = (1000 * sorted(found)[int(q * len(found))] for q in (0.5, 0.99))
        cells = f"p50 {p50:.1f} ms, p99 {p99:.1f} ms of {len(found)}"
        yield f"another client's submit {words}", "", "", cells


def fill(path: Path, count: int) -> None:
    """A store with this number of messages that were delivered while their account was away."""

    async def create() -> None:
        engine = engine_of(f"sqlite:///{path}")
        await engine.open()
        await engine.close()

    asyncio.run(create())
    at = int(time.time()) - 3600
    ids = Ids(0, 0, lambda: at)
    numbers = [ids.next() for _ in range(count)]
    columns = (*MESSAGE_COLUMNS, "state", "upstream_id", "sent_at", "status", "changed_at")
    times = {"due_at": at, "accepted_at": at, "expires_at": at + 86400}
    wishes = Receipts.SUCCESS | Receipts.FAILURE
    queue = receivers_of("bench")
    with contextlib.closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous = OFF")
        connection.executemany(
            f"INSERT INTO message ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})",
            (
                (
                    *to_row(message(id, account="bench", receipts=wishes, **times)),
                    *("delivered", f"up-{id}", at, "delivered", at + 5),
                )
                for id in numbers
            ),
        )
        connection.executemany(
            "INSERT INTO notice (queue, account, kind, about, known_as, at, due_at, state) "
            "VALUES (?, 'bench', ?, ?, ?, ?, ?, 'delivered')",
            ((queue, Kind.STATE.value, id, id, at + 5, at + 5) for id in numbers),
        )


async def _measure(
    port: int, count: int, pid: int
) -> tuple[list[float], list[float], float, float]:
    """Latencies before and during, the seconds from the bind to the last, and the CPU time."""
    receiver = Receiver(count)
    loop = asyncio.get_running_loop()
    async with Paced(port, 1, PACE, account="other") as paced:
        await asyncio.sleep(QUIET)
        before, paced.latencies = paced.latencies, []
        cpu, began = cpu_seconds(pid), time.perf_counter()
        transport, _ = await loop.create_connection(lambda: receiver, "127.0.0.1", port)
        async with asyncio.timeout(300):
            await receiver.done
        took, cpu = receiver.ended - began, cpu_seconds(pid) - cpu
        transport.close()
        return before, paced.latencies, took, cpu


class Receiver(asyncio.Protocol):
    """Binds and answers all requests; ``done`` after ``count`` of them."""

    def __init__(self, count: int) -> None:
        self.done = asyncio.get_running_loop().create_future()
        self.ended = 0.0
        self.numbers: list[bytes] = []
        self._left = count
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        body = b"bench\0bench\0\0\x34\0\0\0"
        transport.write(_HEADER.pack(16 + len(body), _BIND_RECEIVER, 0, 1) + body)

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data
        at, answers = 0, []
        while len(data) - at >= 16:
            length, command, status, sequence = _HEADER.unpack_from(data, at)
            if len(data) - at < length:
                break
            if command == _DELIVER_SM:
                answers.append(_HEADER.pack(17, command | _RESPONSE, 0, sequence) + b"\0")
                self._left -= 1
            elif command == _ENQUIRE_LINK:
                answers.append(_HEADER.pack(16, command | _RESPONSE, 0, sequence))
            else:
                assert not status, f"bind status {status:#x}"
            at += length
        self._buffer = data[at:]
        if answers:
            self._transport.write(b"".join(answers))
        if not self._left and not self.done.done():
            self.ended = time.perf_counter()
            self.done.set_result(None)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.done.done():
            self.done.set_exception(exc or ConnectionError("closed by the bridge"))


CASES: dict[str, tuple[int, Callable[[int, int], Iterator[Row]]]] = {
    "receipts": (100_000, receipts),
}
