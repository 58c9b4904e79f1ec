"""Large directories: imports, a message to a large group, a black list of a million numbers, and
their effect on another account's submits."""

from __future__ import annotations

import asyncio
import os
import random
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import httpx

from bridge.directory.black_list import Entries
from bridge.model.contact import Blocks
from tests.benchmarks.harness import Served, bridge, cpu_seconds, resident_mb, run
from tests.benchmarks.relay_cases import Row
from tests.benchmarks.smpp_load import Paced
from tests.store.postgres.server import Server, binaries, execute

#: Another account, and the interval of its submits (seconds).
OTHER = '[accounts.other]\npassword = "other"\nsender = "Other"'
PACE = 0.02
#: Seconds of measurement without other work.
QUIET = 5.0
LIMIT = "requests_per_second = 10000\nburst = 10000\npoll = false"
#: Entries of the black list for each contact, and the part of the contacts that is in the group.
BLOCKED, IN_GROUP = 10, 0.5
#: Interval of checks for the end of a step (seconds).
_ASK_EVERY = 0.1


def directory(count: int, runs: int) -> Iterator[Row]:
    """``count`` contacts imported, half of them in a group that gets a message, and ten times as
    many blocked numbers, on each engine."""
    for _ in range(runs):
        with engines() as urls:
            for engine, url in urls.items():
                for part in (_people, _blocked):
                    yield from steps_of(part, engine, url, count)
    yield from _in_memory(count * BLOCKED)


@contextmanager
def engines() -> Iterator[dict[str, str]]:
    """The address of a store of each engine; empty: the file that is usual."""
    with ExitStack() as stack:
        urls = {"SQLite": ""}
        if (bin := binaries()) is not None:
            server = Server(bin)
            stack.callback(server.remove)
            server.start()
            asyncio.run(execute(server.url("postgres"), "CREATE DATABASE bench"))
            urls["PostgreSQL"] = server.url("bench")
        yield urls


def steps_of(part: Part, engine: str, url: str, count: int) -> Iterator[Row]:
    """Starts a bridge and measures the steps of ``part``."""
    with tempfile.TemporaryDirectory(prefix="cascade-bridge-") as name:
        socket = f"{name}/admin.sock"
        account = f'{OTHER}\n[admin]\nsocket = "{socket}"\nlisten = []'
        with bridge(Path(name), account=account, cascade=LIMIT, url=url) as served:
            steps = run(_measure(part, served, socket, count))
        for step in steps:
            yield step.says(engine)


class Step:
    """One operation, measured while another account submits."""

    def __init__(self, name: str, pid: int) -> None:
        self.name = name
        self.seconds = 0.0
        self.cpu = 0.0
        self.peak = resident_mb(pid)
        self.latencies: list[float] = []

    def says(self, engine: str) -> Row:
        p50, p99 = (1000 * _quantile(self.latencies, q) for q in (0.5, 0.99))
        return (
            f"{self.name}, {engine}",
            "",
            "",
            f"{self.seconds:.1f} s, CPU {self.cpu:.1f} s, {self.peak:.0f} MB; another account's "
            f"submits p50 {p50:.1f} ms, p99 {p99:.1f} ms",
        )


def _quantile(found: list[float], q: float) -> float:
    return sorted(found)[int(q * len(found))] if found else 0.0


class Bench:
    """A client of the API, and another account that submits meanwhile."""

    def __init__(self, served: Served, api: httpx.AsyncClient, paced: Paced) -> None:
        self.steps_of = served
        self.api = api
        self._paced = paced
        self.steps: list[Step] = []

    async def step(self, name: str, doing: Coroutine[Any, Any, None]) -> None:
        pid = self.steps_of.pid
        found = Step(name, pid)
        self._paced.latencies = []
        began, cpu = time.perf_counter(), cpu_seconds(pid)
        watched = asyncio.create_task(_watch(found, pid))
        await doing
        found.seconds, found.cpu = time.perf_counter() - began, cpu_seconds(pid) - cpu
        watched.cancel()
        found.latencies = self._paced.latencies
        self.steps.append(found)

    async def count(self, path: str, **asked: Any) -> int:
        """What a verb that changes the queue answers."""
        answer = await self.api.post(path, json=asked)
        return int(answer.raise_for_status().json()["count"])

    async def send(self) -> None:
        posted = {"to": "everybody", "text": "hello", "account": "bench"}
        (await self.api.post("/messages", json=posted)).raise_for_status()

    async def arrive(self, messages: int) -> None:
        while True:
            others = sum(len(step.latencies) for step in self.steps) + len(self._paced.latencies)
            if await asyncio.to_thread(self.steps_of.taken) - others >= messages:
                return
            await asyncio.sleep(_ASK_EVERY)

    async def import_file(self, kind: str, file: bytes) -> None:
        document = {"kind": kind, "file": b64encode(file).decode()}
        answer = await self.api.post("/accounts/bench/imports", json=document)
        run = answer.raise_for_status().json()
        while run["phase"] != "finished":
            await asyncio.sleep(_ASK_EVERY)
            run = (await self.api.get(f"/accounts/bench/imports/{run['id']}")).json()
        assert not run["failed"], run
        assert not run["wrong"], run


Part = Callable[[Bench, int], Coroutine[Any, Any, None]]


async def _people(bench: Bench, count: int) -> None:
    members = int(count * IN_GROUP)
    await bench.step("nothing else", asyncio.sleep(QUIET))
    file = contacts(count)
    await bench.step(f"import of {count:,} contacts", bench.import_file("contacts", file))
    await bench.step("the same file again", bench.import_file("contacts", file))
    await bench.step(f"a message to a group of {members:,}", bench.send())
    await bench.step("its messages go out", bench.arrive(members))


async def _blocked(bench: Bench, count: int) -> None:
    blocked = count * BLOCKED
    await bench.step("nothing else", asyncio.sleep(QUIET))
    file = numbers(blocked)
    await bench.step(f"import of {blocked:,} numbers", bench.import_file("black_list", file))
    await bench.step("nothing else, after it", asyncio.sleep(QUIET))


async def _measure(part: Part, served: Served, socket: str, count: int) -> list[Step]:
    transport = httpx.AsyncHTTPTransport(uds=socket)
    async with (
        httpx.AsyncClient(transport=transport, base_url="http://bridge/api/v1", timeout=120) as api,
        Paced(served.smpp, 1, PACE, account="other") as paced,
    ):
        bench = Bench(served, api, paced)
        await part(bench, count)
        return bench.steps


async def _watch(step: Step, pid: int) -> None:
    while True:
        step.peak = max(step.peak, resident_mb(pid))
        await asyncio.sleep(_ASK_EVERY)


def contacts(count: int) -> bytes:
    """A file as a spreadsheet writes it; the first half is in a group."""
    rows = (
        f"+38050{n:07};Name {n};Family;{'Everybody' if n < count * IN_GROUP else ''};note {n}"
        for n in range(count)
    )
    return "\r\n".join(("phone;first name;last name;group;comments", *rows)).encode()


def numbers(count: int) -> bytes:
    """Numbers that no contact has."""
    return "\r\n".join(("phone,type", *(f"+38067{n:07},1" for n in range(count)))).encode()


def _in_memory(count: int) -> Iterator[Row]:
    """The memory of an entry, and the time of a lookup."""
    before = resident_mb(os.getpid())
    entries = Entries()
    for n in range(count):
        entries.put(f"+38067{n:07}", Blocks.BULK)
    octets = (resident_mb(os.getpid()) - before) * 1024 * 1024 / count
    looked = [f"+38067{random.randrange(2 * count):07}" for _ in range(100_000)]
    began = time.perf_counter()
    for phone in looked:
        entries.block(phone, bulk=True)
    each = (time.perf_counter() - began) / len(looked) * 1e6
    yield (
        f"black list of {count:,} in memory",
        "",
        "",
        f"{octets:.0f} octets an entry, {each:.2f} µs a look",
    )


CASES: dict[str, tuple[int, Callable[[int, int], Iterator[Row]]]] = {
    "directory": (100_000, directory),
}
