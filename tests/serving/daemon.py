"""The bridge as a process, as an administrator runs it."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from bridge.config.settings import Endpoint, parse_endpoint


class AnyBridge(ABC):
    """A running bridge and its log: a process (:class:`Bridge`), or in the tests' own
    (:mod:`tests.running`)."""

    def __init__(self, config: Path) -> None:
        self.config = config
        self.events: list[dict[str, Any]] = []
        self._grown = asyncio.Event()

    def _log(self, line: bytes) -> None:
        """Takes a line of the log."""
        try:
            event = json.loads(line)
        except ValueError:
            event = {"event": "not json", "line": line.decode()}
        self.events.append(event)

    async def event(self, name: str, **fields: Any) -> dict[str, Any]:
        """Waits for the first event of this name with these fields."""

        def found() -> dict[str, Any] | None:
            for event in self.events:
                if event["event"] == name and fields.items() <= event.items():
                    return event
            return None

        async with asyncio.timeout(60):
            while (event := found()) is None:
                assert self.events[-1:] != [{"event": "end of log"}], self.events
                self._grown.clear()
                await self._grown.wait()
        return event

    async def ready(self) -> tuple[Endpoint, Endpoint]:
        """The addresses of the first SMTP and the first SMPP listener."""
        event = await self.event("ready")
        return parse_endpoint(event["smtp"][0]), parse_endpoint(event["smpp"][0])

    async def api(self) -> str:
        """The URL of its API."""
        event = await self.event("ready")
        return f"http://{event['admin'][0]}"

    @abstractmethod
    async def command(self, *arguments: str, input: str = "") -> tuple[int, str]:
        """Runs a command for this daemon; returns its exit code and output."""

    @abstractmethod
    async def terminate(self) -> int:
        """Stops it as SIGTERM does; returns the exit code."""


class Bridge(AnyBridge):
    """A running ``cascade-bridge serve`` and its log."""

    def __init__(self, process: asyncio.subprocess.Process, config: Path) -> None:
        super().__init__(config)
        self.process = process
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        assert self.process.stderr is not None
        async for line in self.process.stderr:
            self._log(line)
            self._grown.set()
        self.events.append({"event": "end of log"})
        self._grown.set()

    async def command(self, *arguments: str, input: str = "") -> tuple[int, str]:
        config = ("--config", str(self.config))
        return await run(sys.executable, "-m", "bridge.cli", *arguments, *config, input=input)

    async def terminate(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        return await self.ended()

    async def kill(self) -> None:
        self.process.kill()
        await self.ended()

    async def ended(self) -> int:
        async with asyncio.timeout(60):
            code = await self.process.wait()
            await self._reader
        return code


#: The tokens of the daemon's API.
OPERATE, VIEW = "operate-token", "view-token"


def write_config(
    folder: Path, api: str, more: str = "", account: str = "", smpp_port: int = 0
) -> Path:
    """A configuration with the account ``crm``; ``account`` are further lines of it, ``more`` of
    ``[smtp]``."""
    path = folder / "bridge.toml"
    path.write_text(f"""
        [cascade]
        base_url = "{api}"
        authorization_key = "test-key"
        [store]
        url = "sqlite:///{folder}/bridge.db"
        [smtp]
        listen = ["127.0.0.1:0"]
        {more}
        [smpp]
        listen = ["127.0.0.1:{smpp_port}"]
        [admin]
        socket = "{folder}/admin.sock"
        listen = ["127.0.0.1:0"]
        token = "{OPERATE}"
        view_token = "{VIEW}"
        [accounts.crm]
        password = "secret12"
        sender = "Shop"
        {account}
    """)
    return path


@asynccontextmanager
async def serving(config: Path, **environment: str) -> AsyncIterator[Bridge]:
    """``cascade-bridge serve`` with a configuration; killed at the end if it still runs."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "bridge.cli",
        "serve",
        "--config",
        str(config),
        stderr=asyncio.subprocess.PIPE,
        env=os.environ | environment,
    )
    bridge = Bridge(process, config)
    try:
        yield bridge
    finally:
        if process.returncode is None:
            process.kill()
        await bridge.ended()


async def run(*command: str, input: str = "", within: float = 60) -> tuple[int, str]:
    """Runs a program to its end; returns its exit code and output."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    async with asyncio.timeout(within):
        output, _ = await process.communicate(input.encode())
    assert process.returncode is not None
    return process.returncode, output.decode(errors="replace")
