"""Health: what is wrong with the process, what it lacks, and when the watchdog is not fed."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from bridge.admin.health import Health
from bridge.store import StoreError


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


class Store:
    """Writes at once, or not at all."""

    def __init__(self) -> None:
        self.writes = asyncio.Event()
        self.writes.set()
        self.wrote = asyncio.Event()
        self.error = ""

    async def write(self) -> None:
        await self.writes.wait()
        self.wrote.set()
        if self.error:
            raise StoreError(self.error)


@asynccontextmanager
async def running(health: Health) -> AsyncIterator[None]:
    task = asyncio.create_task(health.run())
    try:
        yield
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


async def test_a_stuck_event_loop_or_writer_is_not_alive() -> None:
    clock, store = Clock(), Store()
    health = Health(store.write, lambda: "", list, monotonic=clock)
    assert health.alive() == ""
    clock.now += 8
    assert health.alive() == "the event loop is 8 s late"
    store.writes.clear()
    async with running(health):
        clock.now += 30
        async with asyncio.timeout(30):
            while "loop" in health.alive():  # noqa: ASYNC110 - it beats twice a second
                await asyncio.sleep(0.05)
        assert health.alive() == "the store has not written for 38 s"


async def test_failed_checks_are_named_and_a_store_that_refuses_is_alive() -> None:
    store = Store()
    trouble = ""
    health = Health(store.write, lambda: trouble, lambda: ["upstream cascade is held: HTTP 401"])
    assert health.ready()[0] == "not serving"
    health.serving = True
    assert health.ready() == ["upstream cascade is held: HTTP 401"]
    store.error = "the disk is full"
    async with running(health), asyncio.timeout(30):
        await store.wrote.wait()
        await asyncio.sleep(0)
        assert health.ready()[0] == "store: the disk is full"
        assert health.alive() == ""
        trouble = "database or disk is full: /var/lib/x.db, 0.0 MB free"
        assert health.ready()[0] == f"store: {trouble}"


async def test_the_watchdog_is_fed_no_more_once_the_writer_hangs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock, store = Clock(), Store()
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        monkeypatch.setenv("WATCHDOG_USEC", "300000")
        health = Health(store.write, lambda: "", list, monotonic=clock)

        async def beaten() -> bytes:
            """Some beats later: what the manager was told meanwhile."""
            clock.now += 10
            said = b""
            async with asyncio.timeout(30):
                for _ in range(4):
                    clock.now += 1
                    await asyncio.sleep(0.5)
            with suppress(BlockingIOError):
                while True:
                    said += manager.recv(100)
            return said

        async with running(health):
            await store.wrote.wait()
            store.writes.clear()
            health._wrote_at = clock.now + 15  # it wrote until a moment ago
            assert b"WATCHDOG=1" in await beaten()
            clock.now += 30
            assert await beaten() == b""
            store.writes.set()
            assert b"WATCHDOG=1" in await beaten()
