"""The HTTP server: limits, arrival of requests, closing."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from bridge.net.asgi import (
    BodyTooLarge,
    Receive,
    Scope,
    Send,
    TooManyBodies,
    read_body,
    respond,
    skip_body,
)
from bridge.net.http_server import Limits, WebServer
from tests.support import make_certificate

MAX_BODY = 1000


class Echo:
    """Answers with the number of received bytes, after ``pause``."""

    def __init__(self) -> None:
        self.pause = asyncio.Event()
        self.pause.set()
        self.asked = asyncio.Event()
        self.gone = 0
        self.count = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/unread":
            await respond(send, 403)
            return
        if scope["path"] == "/skipped":
            whole = await skip_body(scope, receive, MAX_BODY)
            await respond(send, 404, () if whole else ((b"connection", b"close"),))
            return
        try:
            body = await read_body(scope, receive, MAX_BODY)
        except BodyTooLarge:
            await respond(send, 413, ((b"connection", b"close"),), b"too large")
            return
        except TooManyBodies:
            await respond(send, 503)
            return
        except ConnectionResetError:
            self.gone += 1
            return
        self.asked.set()
        self.count += 1
        await self.pause.wait()
        await respond(send, 200, body=b"%d" % len(body))


class Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def answer(self) -> tuple[int, bytes]:
        async with asyncio.timeout(30):
            head = await self.reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
            return int(head.split()[1]), await self.reader.readexactly(length)

    async def ask(self, body: bytes = b"x", path: str = "/") -> tuple[int, bytes]:
        self.writer.write(head(len(body), path) + body)
        return await self.answer()

    async def ended(self) -> bytes:
        """The input up to the end of the connection."""
        try:
            async with asyncio.timeout(30):
                return await self.reader.read()
        except ConnectionError:
            return b""


def head(length: int, path: str = "/") -> bytes:
    return f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode()


class Web:
    def __init__(
        self, server: WebServer, port: int, echo: Echo, told: list[tuple[str, int, str]]
    ) -> None:
        self.server, self.port, self.echo, self.told = server, port, echo, told
        self._writers: list[asyncio.StreamWriter] = []

    async def connect(self, **options: Any) -> Client:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, **options)
        self._writers.append(writer)
        return Client(reader, writer)

    async def until_asked(self, requests: int) -> None:
        """Until so many requests have come whole."""
        async with asyncio.timeout(30):
            while self.echo.count < requests:  # noqa: ASYNC110 - a number
                await asyncio.sleep(0.01)

    def hang_up(self) -> None:
        for writer in self._writers:
            writer.close()


@asynccontextmanager
async def web(context: ssl.SSLContext | None = None, **limits: Any) -> AsyncIterator[Web]:
    echo = Echo()
    told: list[tuple[str, int, str]] = []
    server = WebServer(
        echo,
        Limits(max_body=MAX_BODY, **limits),
        context,
        lambda *refused: told.append(refused),
    )
    running = Web(server, await server.start("127.0.0.1", 0), echo, told)
    try:
        yield running
    finally:
        running.hang_up()
        await server.close()


async def test_requests_before_the_clients_close_are_answered() -> None:
    async with web() as running:
        running.echo.pause.clear()
        client = await running.connect()
        client.writer.write(head(1) + b"x" + head(2) + b"xy")
        client.writer.write_eof()
        await running.echo.asked.wait()
        # After another request on another connection, the end has been noticed.
        running.echo.asked.clear()
        other = await running.connect()
        other.writer.write(head(3) + b"xyz")
        await running.echo.asked.wait()
        running.echo.pause.set()
        assert [await client.answer() for _ in range(2)] == [(200, b"1"), (200, b"2")]
        assert await client.ended() == b""


async def test_a_connection_is_kept_for_many_requests() -> None:
    async with web(request_within=60.0) as running:
        client = await running.connect()
        for size in (0, 1, MAX_BODY):
            assert await client.ask(b"x" * size) == (200, b"%d" % size)
        assert len(running.server.connections) == 1


async def test_requests_may_come_before_the_answers() -> None:
    async with web(request_within=60.0) as running:
        client = await running.connect()
        client.writer.write((head(3) + b"abc") * 5)
        for _ in range(5):
            assert await client.answer() == (200, b"3")


async def test_a_body_in_chunks() -> None:
    async with web() as running:
        client = await running.connect()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.writer.write(b"3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n")
        assert await client.answer() == (200, b"5")


@pytest.mark.parametrize("size", [MAX_BODY + 1, 3 * MAX_BODY, 100 * MAX_BODY])
async def test_a_body_over_the_limit_is_answered(size: int) -> None:
    async with web(request_within=60.0) as running:
        client = await running.connect()
        assert await client.ask(b"x" * size) == (413, b"too large")
        assert await client.ended() == b""


async def test_a_body_without_end_is_answered_and_cut() -> None:
    async with web(request_within=60.0) as running:
        client = await running.connect()
        client.writer.write(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        client.writer.write(b"ff\r\n%s\r\n" % (b"x" * 255) * 20)
        assert await client.answer() == (413, b"too large")
        assert await client.ended() == b""


async def test_heads_without_end_are_cut() -> None:
    async with web() as running:
        client = await running.connect()
        client.writer.write(b"POST / HTTP/1.1\r\n")
        # Data in flight is lost when the server closes, perhaps with its last answer.
        for n in range(40):
            client.writer.write(b"X-%d: %s\r\n" % (n, b"x" * 50_000))
        assert b"200" not in await client.ended()
        assert [status for _, status, _ in running.told] == [431]
        assert not running.server.connections


@pytest.mark.parametrize("begun", [b"POST / HT", head(10), head(10) + b"12345"])
async def test_a_request_that_does_not_come_whole_is_cut(begun: bytes) -> None:
    async with web(request_within=0.2) as running:
        client = await running.connect()
        client.writer.write(begun)
        assert (await client.ended()).startswith(b"HTTP/1.1 408 Request Timeout\r\n")
        assert running.told == [("127.0.0.1", 408, "request not complete in time")]
        assert not running.server.connections


async def test_a_silent_connection_is_closed_without_an_answer() -> None:
    async with web(request_within=0.2) as running:
        client = await running.connect()
        assert await client.ended() == b""
        assert not running.told
        assert not running.server.connections


async def test_a_request_that_trickles_is_cut() -> None:
    async with web(request_within=0.3) as running:
        client = await running.connect()

        async def trickle() -> None:
            for byte in head(1000) + b"x" * 1000:
                client.writer.write(bytes([byte]))
                await asyncio.sleep(0.02)

        trickling = asyncio.create_task(trickle())
        assert (await client.answer())[0] == 408
        trickling.cancel()
        assert [status for _, status, _ in running.told] == [408]


async def test_every_request_is_answered_before_the_one_that_does_not_come_whole() -> None:
    async with web(request_within=0.2) as running:
        running.echo.pause.clear()
        client = await running.connect()
        client.writer.write(head(1) + b"x" + head(10) + b"12345")
        await running.echo.asked.wait()
        await asyncio.sleep(1.0)  # two looks at all connections
        running.echo.pause.set()
        assert await client.answer() == (200, b"1")
        assert (await client.ended()).startswith(b"HTTP/1.1 408 ")


# The last does not arrive in two reads, however fast it comes: one has up to 256 KiB.
@pytest.mark.parametrize(("size", "kept"), [(0, True), (MAX_BODY, True), (600_000, False)])
async def test_a_request_refused_unread_is_answered_after_its_body(size: int, kept: bool) -> None:
    async with web(request_within=60.0) as running:
        client = await running.connect()
        assert (await client.ask(b"x" * size, "/skipped"))[0] == 404
        if kept:
            assert (await client.ask())[0] == 200
        else:
            assert await client.ended() == b""


async def test_an_answer_may_take_longer_than_a_request() -> None:
    async with web(request_within=0.2) as running:
        running.echo.pause.clear()
        client = await running.connect()
        client.writer.write(head(1) + b"x")
        await running.echo.asked.wait()
        await asyncio.sleep(1.0)  # two looks at all connections
        running.echo.pause.set()
        assert await client.answer() == (200, b"1")


async def test_a_connection_that_waits_between_requests_stays() -> None:
    async with web(request_within=0.2) as running:
        client = await running.connect()
        for path, status in (("/", 200), ("/unread", 403), ("/", 200)):
            assert (await client.ask(path=path))[0] == status
            await asyncio.sleep(1.0)  # two looks at all connections


async def test_a_connection_too_many_hears_that_it_is() -> None:
    async with web(max_connections=2) as running:
        running.echo.pause.clear()
        asking = [asyncio.create_task((await running.connect()).ask()) for _ in range(2)]
        await running.until_asked(2)
        third = await running.connect()
        assert b"\r\nRetry-After: 5\r\n" in (said := await third.ended())
        assert said.startswith(b"HTTP/1.1 503 ")
        assert running.told == [("127.0.0.1", 503, "too many connections")]
        running.echo.pause.set()
        assert await asyncio.gather(*asking) == [(200, b"1")] * 2
        assert (await (await running.connect()).ask())[0] == 200


async def test_a_connection_without_a_whole_request_gives_way_to_a_new_one() -> None:
    async with web(max_connections=3) as running:
        running.echo.pause.clear()
        busy = asyncio.create_task((await running.connect()).ask())
        await running.until_asked(1)
        silent, half = await running.connect(), await running.connect()
        half.writer.write(head(10) + b"12345")
        fourth = await running.connect()
        asking = asyncio.create_task(fourth.ask())
        assert await silent.ended() == b""
        await running.until_asked(2)
        fifth = await running.connect()
        assert await half.ended() == b""
        assert running.told == [("127.0.0.1", 503, "idle, and too many connections")] * 2
        running.echo.pause.set()
        assert (await busy)[0] == (await asking)[0] == (await fifth.ask())[0] == 200


async def test_the_address_with_most_waiting_connections_gives_way() -> None:
    async with web(max_connections=4) as running:
        others = [await running.connect(local_addr=("127.0.0.2", 0)) for _ in range(3)]
        mine = await running.connect()
        assert (await mine.ask())[0] == 200
        await running.connect(local_addr=("127.0.0.3", 0))
        assert await others[0].ended() == b""
        assert (await mine.ask())[0] == 200


async def test_large_requests_share_a_bounded_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.net.http_room.SMALL", 100)
    async with web(max_held=1000) as running:
        slow = await running.connect()
        slow.writer.write(head(700) + b"x" * 600)
        other = await running.connect()
        async with asyncio.timeout(30):
            while (await other.ask(b"x" * 500))[0] != 503:  # noqa: ASYNC110 - another's octets
                await asyncio.sleep(0.01)
        assert await other.ask(b"x" * 100) == (200, b"100"), "small ones take none of it"
        slow.writer.write(b"x" * 100)
        assert await slow.answer() == (200, b"700")
        assert await other.ask(b"x" * 500) == (200, b"500")
        slow.writer.write(head(700) + b"x" * 600)
        slow.writer.close()
        async with asyncio.timeout(30):
            while (await other.ask(b"x" * 900))[0] != 200:  # noqa: ASYNC110 - another's octets
                await asyncio.sleep(0.01)


async def test_heads_that_trickle_share_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bridge.net.http_room.SMALL", 100)
    async with web(max_held=1000) as running:
        client = await running.connect()
        client.writer.write(b"POST / HTTP/1.1\r\n")
        async with asyncio.timeout(30):
            while not client.reader.at_eof() and not running.told:
                client.writer.write(b"X: " + b"x" * 50 + b"\r\n")
                await asyncio.sleep(0)
        assert (await client.ended()).startswith(b"HTTP/1.1 503 ")


async def test_a_client_that_leaves_within_a_body_leaves_nothing_behind() -> None:
    async with web() as running:
        client = await running.connect()
        client.writer.write(head(10) + b"12345")
        await client.writer.drain()
        client.writer.close()
        async with asyncio.timeout(30):
            while not running.echo.gone:  # noqa: ASYNC110 - a number
                await asyncio.sleep(0.01)
        assert not running.server.connections


async def test_closing_answers_what_was_asked_and_hangs_up() -> None:
    async with web() as running:
        running.echo.pause.clear()
        idle, busy = await running.connect(), await running.connect()
        assert (await asyncio.gather(idle.ask(b""), _later(running.echo)))[0] == (200, b"0")
        running.echo.pause.clear()
        running.echo.asked.clear()
        busy.writer.write(head(1) + b"x")
        await running.echo.asked.wait()
        closing = asyncio.create_task(running.server.close(5.0))
        assert await idle.ended() == b""
        running.echo.pause.set()
        assert await busy.answer() == (200, b"1")
        assert await busy.ended() == b""
        await closing
        with pytest.raises(OSError):
            await running.connect()


async def _later(echo: Echo) -> None:
    await echo.asked.wait()
    echo.pause.set()


async def test_a_piece_of_a_body_behind_an_unanswered_request_stays_as_it_is() -> None:
    async with web() as running:
        running.echo.pause.clear()
        client = await running.connect()
        text = "текст".encode()
        client.writer.write(head(1) + b"x" + head(len(text)) + text[:4])
        await running.echo.asked.wait()
        client.writer.write(text[4:])
        await client.writer.drain()
        [connection] = running.server.connections
        async with asyncio.timeout(30):
            while connection._head < len(text[4:]):  # noqa: ASYNC110 - a number, not an event
                await asyncio.sleep(0.01)
        running.echo.pause.set()
        assert await client.answer() == (200, b"1")
        assert await client.answer() == (200, b"%d" % len(text))


async def test_closing_waits_for_nobody_for_long() -> None:
    async with web() as running:
        running.echo.pause.clear()
        client = await running.connect()
        client.writer.write(head(1) + b"x")
        await running.echo.asked.wait()
        async with asyncio.timeout(30):
            await running.server.close(0.1)
        assert await client.ended() == b""
        running.echo.pause.set()


async def test_what_is_no_http_gets_400() -> None:
    async with web() as running:
        client = await running.connect()
        client.writer.write(b"\x16\x03\x01\x02\x00\r\n\r\n")
        assert (await client.ended()).startswith(b"HTTP/1.1 400 ")
        assert running.told == [("127.0.0.1", 400, "not HTTP")]


async def test_tls(tmp_path: Path) -> None:
    certificate, key = make_certificate(tmp_path, "web")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=certificate)
    async with web(context, request_within=0.5) as running:
        silent = await running.connect()  # never says hello
        client = await running.connect(ssl=trusting, server_hostname="localhost")
        assert await client.ask(b"abc") == (200, b"3")
        assert await silent.ended() == b""
