"""The proxy of a run: passed, delayed and lost data."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from tests.chaos.fault_proxy import Ends, FaultProxy, Way


class Echo:
    """Echoes its input, and records it."""

    def __init__(self) -> None:
        self.heard = b""
        self.came = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            self.heard += data
            writer.write(data)
            self.came.set()
        writer.close()


@pytest.fixture
async def echo() -> Echo:
    return Echo()


@pytest.fixture
async def proxy(echo: Echo) -> AsyncIterator[FaultProxy]:
    server = await asyncio.start_server(echo.serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    proxy = FaultProxy(lambda: asyncio.open_connection("127.0.0.1", port))
    await proxy.start()
    yield proxy
    await proxy.close()
    server.close()


async def connect(proxy: FaultProxy) -> Ends:
    return await asyncio.open_connection("127.0.0.1", proxy.port)


async def test_stalled_octets_come_later(proxy: FaultProxy) -> None:
    reader, writer = await connect(proxy)
    proxy.turn(Way.STALLED)
    writer.write(b"hello")
    waiting = asyncio.create_task(reader.readexactly(5))
    await asyncio.wait({waiting}, timeout=0.1)
    assert not waiting.done()
    proxy.turn(Way.OPEN)
    assert await waiting == b"hello"
    writer.close()


async def test_answers_wait_while_requests_arrive(proxy: FaultProxy, echo: Echo) -> None:
    reader, writer = await connect(proxy)
    proxy.turn(Way.SILENT)
    writer.write(b"hello")
    await asyncio.wait_for(echo.came.wait(), 30)
    waiting = asyncio.create_task(reader.readexactly(5))
    await asyncio.wait({waiting}, timeout=0.1)
    assert not waiting.done()
    proxy.turn(Way.OPEN)
    assert await waiting == b"hello"
    writer.close()


async def test_an_answer_that_is_lost_never_comes(proxy: FaultProxy, echo: Echo) -> None:
    reader, writer = await connect(proxy)
    proxy.turn(Way.DEAF)
    writer.write(b"hello")
    await asyncio.wait_for(echo.came.wait(), 30)
    proxy.turn(Way.OPEN)
    assert await _rest(reader) == b""
    assert echo.heard == b"hello"
    writer.close()


async def test_a_shut_proxy_lets_no_connection_through(proxy: FaultProxy) -> None:
    before = await connect(proxy)
    before[1].write(b"x")
    assert await before[0].readexactly(1) == b"x"
    proxy.turn(Way.SHUT)
    after = await connect(proxy)
    for reader, writer in (before, after):
        assert await _rest(reader) == b""
        writer.close()


async def _rest(reader: asyncio.StreamReader) -> bytes:
    """Reads until the connection ends, in any way."""
    try:
        async with asyncio.timeout(30):
            return await reader.read()
    except ConnectionResetError:
        return b""
