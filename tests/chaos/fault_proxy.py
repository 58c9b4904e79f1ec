"""A TCP proxy that passes, stalls, loses answers, refuses and cuts connections."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from enum import Enum

Ends = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class Way(Enum):
    """The treatment of octets and of new connections."""

    OPEN = "everything passes"
    STALLED = "nothing passes for now, nothing is lost"
    SILENT = "what the other side says waits, nothing is lost"
    DEAF = "what the other side says is lost"
    SHUT = "connections are cut, and new ones too"


class FaultProxy:
    """Listens on a loopback port; ``connect`` connects to the other side."""

    def __init__(self, connect: Callable[[], Awaitable[Ends]]) -> None:
        self._connect = connect
        self._way = Way.OPEN
        self._passing = asyncio.Event()
        self._passing.set()
        self._answering = asyncio.Event()
        self._answering.set()
        self._writers: set[asyncio.StreamWriter] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def start(self) -> None:
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        if self._server is not None:
            self._server.close()
        self.turn(Way.SHUT)

    def turn(self, way: Way) -> None:
        """Sets the mode. Connections that have lost data are closed when the mode ends."""
        if way is Way.SHUT or (self._way is Way.DEAF and way is not Way.DEAF):
            self.cut()
        self._way = way
        (self._passing.clear if way is Way.STALLED else self._passing.set)()
        (self._answering.clear if way is Way.SILENT else self._answering.set)()

    def cut(self) -> None:
        """Resets every connection."""
        for writer in self._writers:
            writer.transport.abort()

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        other: asyncio.StreamWriter | None = None
        try:
            await self._passing.wait()
            if self._way is Way.SHUT:
                return
            answers, other = await self._connect()
            self._writers.add(other)
            ways = {
                asyncio.create_task(self._pump(reader, other, answering=False)),
                asyncio.create_task(self._pump(answers, writer, answering=True)),
            }
            try:
                await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
            finally:
                for way in ways:
                    way.cancel()
        except OSError:
            pass
        finally:
            for end in (writer, other):
                if end is not None:
                    self._writers.discard(end)
                    await _close(end)

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, answering: bool
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65_536):
                await self._passing.wait()
                if answering:
                    await self._answering.wait()
                    if self._way is Way.DEAF:
                        continue
                writer.write(data)
                await writer.drain()


@asynccontextmanager
async def in_front_of(url: str) -> AsyncIterator[FaultProxy]:
    """A proxy for a server on a port of the loopback, of which this is the URL."""
    port = int(url.rpartition(":")[2])
    proxy = FaultProxy(lambda: asyncio.open_connection("127.0.0.1", port))
    await proxy.start()
    try:
        yield proxy
    finally:
        await proxy.close()


async def _close(writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError, asyncio.TimeoutError):
        writer.close()
        async with asyncio.timeout(1):
            await writer.wait_closed()
