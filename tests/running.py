"""A bridge in the process of the tests: it starts and answers commands in a few milliseconds.

It is the whole program, with its listeners, store and control socket; only signals and the end of
the process are missing. Tests of those start :func:`tests.serving.daemon.serving`.
"""

from __future__ import annotations

import asyncio
import gc
import io
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from bridge import cli, log
from bridge.app import Addresses, App
from bridge.config import load
from tests.serving.daemon import AnyBridge


class Running(AnyBridge):
    """A running bridge; ``addresses`` are those of its listeners, ``app`` is the program."""

    def __init__(self, config: Path) -> None:
        super().__init__(config)
        self._settings = load(config)
        self._lines = _Log(self)
        self._loop = asyncio.get_running_loop()
        self._end: asyncio.Task[None] | None = None
        self.app = App(self._settings, lambda: load(config))
        self.addresses: Addresses

    def take(self, line: bytes) -> None:
        """Takes a line of the log, from any thread."""
        self._log(line)
        self._loop.call_soon_threadsafe(self._grown.set)

    async def start(self) -> None:
        log.configure(self._settings.log, stream=self._lines)
        ready: asyncio.Future[Addresses] = self._loop.create_future()
        self._end = asyncio.create_task(self.app.run(ready.set_result))
        # A start that fails ends the task.
        self._end.add_done_callback(lambda _: ready.cancel())
        async with asyncio.timeout(60):
            try:
                self.addresses = await ready
            except asyncio.CancelledError:
                await self._end
                raise

    async def command(self, *arguments: str, input: str = "") -> tuple[int, str]:
        level = log.level()
        try:
            return await execute(*arguments, "--config", str(self.config), input=input)
        finally:
            if arguments[:2] == ("accounts", "test"):
                # As a process of its own it would configure its own log.
                log.configure(self._settings.log, stream=self._lines)
                log.set_level(level)

    async def terminate(self) -> int:
        self.app.stop()
        return await self.ended()

    async def ended(self) -> int:
        """Waits until it has stopped."""
        assert self._end is not None
        async with asyncio.timeout(60):
            await self._end
        return 0


class _Log(io.BytesIO):
    """The stream to which it writes its log."""

    def __init__(self, bridge: Running) -> None:
        super().__init__()
        self._bridge = bridge

    def write(self, octets: Any) -> int:
        for line in bytes(octets).splitlines():
            self._bridge.take(line)
        return len(octets)


@asynccontextmanager
async def running(config: Path) -> AsyncIterator[Running]:
    """A bridge with this configuration; stopped at the end if it still runs."""
    bridge = Running(config)
    collecting = gc.get_threshold()
    try:
        await bridge.start()
        yield bridge
    finally:
        await bridge.terminate()
        # The daemon sets both for its long life.
        gc.unfreeze()
        gc.set_threshold(*collecting)
        log.set_level("info")


async def execute(*arguments: str, input: str = "") -> tuple[int, str]:
    """Runs a command in a thread; returns its exit code and output."""

    def execute() -> tuple[int, str]:
        with CliRunner().isolation(input=input) as (_, _, output):
            code = cli.run(list(arguments))
            return code, output.getvalue().decode(errors="replace")

    return await asyncio.to_thread(execute)
