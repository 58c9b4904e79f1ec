"""A soak: the bridge under steady load of all kinds, and whether anything grows.

    python -m tests.benchmarks.soak [--minutes 10] [--rate 3000] [--engine sqlite|postgres]

Submits with receipts over five binds, mails with reports over four kept sessions, statuses by
webhook, retention, metrics scraped each second and the overview asked for every five. A line a
minute: rates, latency, memory, descriptors, the size of the database, what waits. For hours:
``--minutes 480``.
"""

from __future__ import annotations

import asyncio
import smtplib
import struct
import sys
import tempfile
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import asyncpg
import click
import httpx

from tests.benchmarks import peers
from tests.benchmarks.harness import cpu_seconds, resident_mb, run, running
from tests.benchmarks.smpp_load import submit_body
from tests.store.postgres.server import Server, binaries
from tests.support import free_port

BINDS, MAILERS = 5, 4
#: One mail for so many submits.
MAIL_EVERY = 50
SECRET = "benchmark-secret-0123456789"
TOKEN = "benchmark-token"
_HEADER = struct.Struct("!IIII")
_TICK = 0.02

CONFIG = """
[cascade]
base_url = "http://127.0.0.1:{api}"
authorization_key = "benchmark"
requests_per_second = 10000
burst = 10000
[store]
url = "{url}"
retain = "1m"
[smtp]
listen = ["127.0.0.1:{smtp}"]
[smpp]
listen = ["127.0.0.1:{smpp}"]
receipts_keep = "1m"
[admin]
listen = ["127.0.0.1:{admin}"]
socket = "{folder}/admin.sock"
token = "{token}"
[hooks]
listen = ["127.0.0.1:{hooks}"]
secret = "{secret}"
[reports]
smarthost = "127.0.0.1:{smarthost}"
keep = "1m"
[accounts.bench]
password = "bench"
sender = "Bench"
protocols = ["smtp", "smpp", "http"]
trusted_networks = ["127.0.0.1/32"]
"""


class Session(asyncio.Protocol):
    """A transceiver: submits when it is told to, answers receipts, notes how long answers took."""

    def __init__(self, body: bytes) -> None:
        self.bound = asyncio.get_running_loop().create_future()
        self.latencies: list[float] = []
        self.receipts = 0
        self.refused = 0
        self._body = body
        self._sent: dict[int, float] = {}
        self._sequence = 1
        self._buffer = b""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        transport.write(_pdu(9, 1, b"bench\0bench\0\0\x34\0\0\0"))

    def submit(self, count: int) -> None:
        now, pdus = time.perf_counter(), []
        for _ in range(count):
            self._sequence += 1
            self._sent[self._sequence] = now
            pdus.append(_pdu(4, self._sequence, self._body))
        self.transport.write(b"".join(pdus))

    def data_received(self, data: bytes) -> None:
        data, at, answers = self._buffer + data, 0, []
        now = time.perf_counter()
        while len(data) - at >= 16:
            length, command, status, sequence = _HEADER.unpack_from(data, at)
            if len(data) - at < length:
                break
            at += length
            if command == 0x80000004:
                self.latencies.append(now - self._sent.pop(sequence))
                self.refused += bool(status)
            elif command == 5:
                self.receipts += 1
                answers.append(_pdu(0x80000005, sequence, b"\0"))
            elif command == 0x15:
                answers.append(_pdu(0x80000015, sequence, b""))
            elif command == 0x80000009:
                self.bound.set_result(status)
        self._buffer = data[at:]
        if answers:
            self.transport.write(b"".join(answers))


def _pdu(command: int, sequence: int, body: bytes) -> bytes:
    return _HEADER.pack(16 + len(body), command, 0, sequence) + body


class Mailer(threading.Thread):
    """Sends mails that ask for a report, at a pace, over one session."""

    def __init__(self, port: int, every: float) -> None:
        super().__init__(daemon=True)
        self.sent = 0
        self.ended = threading.Event()
        self._port, self._every = port, every

    def run(self) -> None:
        to, options = "380501234567@sms.example.com", ["NOTIFY=SUCCESS,FAILURE"]
        with smtplib.SMTP("127.0.0.1", self._port, timeout=60) as client:
            while not self.ended.wait(self._every):
                client.sendmail(
                    "a@example.com", [to], "Subject: x\n\nhello\n", rcpt_options=options
                )
                self.sent += 1


class Minute(NamedTuple):
    """What one minute showed; megabytes, milliseconds."""

    submits: float
    mails: float
    receipts: float
    p50: float
    p99: float
    cpu: float
    memory: float
    descriptors: int
    database: float
    waiting: int
    owed: int


HEAD = (
    *("min", "submits/s", "mails/s", "receipts/s", "p50 ms", "p99 ms"),
    *("core", "MB", "fds", "db MB", "waiting", "owed"),
)


@contextmanager
def _store(engine: str, folder: Path) -> Iterator[str]:
    """The URL of an empty store."""
    if engine == "sqlite":
        yield f"sqlite:///{folder}/bridge.db"
        return
    found = binaries()
    if found is None:
        raise click.ClickException("PostgreSQL is not installed")
    server = Server(found)
    server.start()
    try:
        yield server.url("postgres")
    finally:
        server.remove()


async def _size(url: str) -> float:
    if url.startswith("sqlite"):
        file = Path(url.removeprefix("sqlite:///"))
        return sum(one.stat().st_size for one in file.parent.glob(f"{file.name}*")) / 1e6
    connection = await asyncpg.connect(url)
    size = await connection.fetchval("SELECT pg_database_size(current_database())")
    await connection.close()
    return int(size) / 1e6


def descriptors(pid: int) -> int:
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))


async def _standing(client: httpx.AsyncClient) -> tuple[int, int]:
    """How many messages wait, and how many notices are owed."""
    text = (await client.get("/metrics")).text
    found = {"queue_messages": 0, "notices_owed": 0}
    for line in text.splitlines():
        name = line.partition("{")[0].removeprefix("cascade_bridge_")
        if name in found:
            found[name] += int(float(line.rpartition(" ")[2]))
    return found["queue_messages"], found["notices_owed"]


@asynccontextmanager
async def _watched(admin: int) -> AsyncIterator[httpx.AsyncClient]:
    """Scrapes the metrics each second and looks at the console every five."""
    headers = {"Authorization": f"Bearer {TOKEN}"}
    async with httpx.AsyncClient(
        base_url=f"http://127.0.0.1:{admin}", headers=headers, timeout=60
    ) as client:

        async def watch() -> None:
            turn = 0
            while True:
                await client.get("/metrics")
                if turn % 5 == 0:
                    await client.get("/api/v1/overview")
                turn += 1
                await asyncio.sleep(1)

        task = asyncio.create_task(watch())
        try:
            yield client
        finally:
            task.cancel()


async def _load(sessions: list[Session], rate: float) -> None:
    """Submits at this rate over all sessions, for ever."""
    began, given = time.perf_counter(), 0
    turn = 0
    while True:
        await asyncio.sleep(_TICK)
        due = int((time.perf_counter() - began) * rate) - given
        if due > 0:
            sessions[turn % len(sessions)].submit(due)
            given += due
        turn += 1


async def _soak(ports: dict[str, int], pid: int, url: str, rate: float, minutes: int) -> None:
    loop = asyncio.get_running_loop()
    body = bytearray(submit_body("380501234567", b"Your code is 1234."))
    # registered_delivery stands behind esm_class, protocol, priority and the two empty times.
    body[body.index(b"380501234567\0") + 18] = 1
    sessions = [
        (await loop.create_connection(lambda: Session(bytes(body)), "127.0.0.1", ports["smpp"]))[1]
        for _ in range(BINDS)
    ]
    for session in sessions:
        assert await session.bound == 0
    mailers = [Mailer(ports["smtp"], MAILERS * MAIL_EVERY / rate) for _ in range(MAILERS)]
    for mailer in mailers:
        mailer.start()
    load = asyncio.create_task(_load(sessions, rate))
    found: list[Minute] = []
    async with _watched(ports["admin"]) as client:
        for number in range(1, minutes + 1):
            mails, receipts = sum(m.sent for m in mailers), sum(s.receipts for s in sessions)
            cpu, began = cpu_seconds(pid), time.perf_counter()
            await asyncio.sleep(60)
            took = time.perf_counter() - began
            latencies = sorted(one for s in sessions for one in s.latencies)
            for session in sessions:
                session.latencies.clear()
            waiting, owed = await _standing(client)
            minute = Minute(
                len(latencies) / took,
                (sum(m.sent for m in mailers) - mails) / took,
                (sum(s.receipts for s in sessions) - receipts) / took,
                1000 * latencies[len(latencies) // 2],
                1000 * latencies[int(0.99 * len(latencies))],
                (cpu_seconds(pid) - cpu) / took,
                resident_mb(pid),
                descriptors(pid),
                await _size(url),
                waiting,
                owed,
            )
            found.append(minute)
            _print((str(number), *(_shown(value) for value in minute)))
    load.cancel()
    for mailer in mailers:
        mailer.ended.set()
    for mailer in mailers:
        await asyncio.to_thread(mailer.join)
    refused = sum(session.refused for session in sessions)
    for session in sessions:
        session.transport.close()
    first, last = found[min(2, len(found) - 1)], found[-1]
    click.echo(
        f"refused {refused}; from minute {min(3, len(found))} to {len(found)}: "
        f"memory {first.memory:.0f} → {last.memory:.0f} MB, "
        f"descriptors {first.descriptors} → {last.descriptors}, "
        f"database {first.database:.0f} → {last.database:.0f} MB, "
        f"p50 {first.p50:.1f} → {last.p50:.1f} ms"
    )


def _shown(value: float) -> str:
    return f"{value:,d}" if isinstance(value, int) else f"{value:,.{1 if value < 100 else 0}f}"


def _print(cells: tuple[str, ...]) -> None:
    click.echo("".join(f"{cell:>11}" if at else f"{cell:>4}" for at, cell in enumerate(cells)))


@click.command()
@click.option("--minutes", type=click.IntRange(1, 10_000), default=10, show_default=True)
@click.option("--rate", type=float, default=3000.0, show_default=True, help="Submits a second.")
@click.option("--engine", type=click.Choice(["sqlite", "postgres"]), default="sqlite")
def main(minutes: int, rate: float, engine: str) -> None:
    """Load the bridge steadily and print what grows."""
    names = ("api", "smtp", "smpp", "admin", "hooks")
    ports = {name: free_port() for name in names}
    hook = f"http://127.0.0.1:{ports['hooks']}/hooks/cascade/{SECRET}/status"
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as name, ExitStack() as stack:
        folder = Path(name)
        url = stack.enter_context(_store(engine, folder))
        smarthost = stack.enter_context(peers.aiosmtpd(folder))
        config = folder / "bridge.toml"
        values = {"folder": folder, "url": url, "token": TOKEN, "secret": SECRET}
        config.write_text(CONFIG.format(**ports, **values, smarthost=smarthost.port))
        sandbox = [sys.executable, "-m", "bridge.cli", "sandbox", "--hook-batch", "100"]
        sandbox += ["--listen", f"127.0.0.1:{ports['api']}", "--hook-url", hook]
        stack.enter_context(running(sandbox, ports["api"], folder / "sandbox.log"))
        serve = [sys.executable, "-m", "bridge.cli", "serve", "--config", str(config)]
        process = stack.enter_context(running(serve, ports["smtp"], folder / "bridge.log"))
        click.echo(f"{engine}, {rate:,.0f} submits and {rate / MAIL_EVERY:,.0f} mails a second")
        _print(HEAD)
        run(_soak(ports, process.pid, url, rate, minutes))


if __name__ == "__main__":
    main()
