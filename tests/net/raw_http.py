"""A server that answers HTTP requests with any octets, and two clients to compare."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import httpx

from bridge.net.http11_transport import Http11Transport
from bridge.net.tls import client_context
from tests.smtp.conftest import Certificate


@dataclass
class Peer:
    """A client's connection, for the server's script."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    requests: list[bytes] = field(default_factory=list)

    async def request(self) -> bytes:
        """A whole request: its head, and the body that its Content-Length promises."""
        head = await self.reader.readuntil(b"\r\n\r\n")
        length = 0
        for line in head.lower().split(b"\r\n"):
            if line.startswith(b"content-length:"):
                length = int(line.partition(b":")[2])
        whole = head + await self.reader.readexactly(length)
        self.requests.append(whole)
        return whole

    async def send(self, octets: bytes) -> None:
        self.writer.write(octets)
        await self.writer.drain()

    def reset(self) -> None:
        """Ends the connection with RST."""
        own: socket.socket = self.writer.get_extra_info("socket")
        own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()


Script = Callable[[Peer], Awaitable[None]]
Make = Callable[..., httpx.AsyncBaseTransport]
#: Runs a coroutine on one of the loops.
Run = Callable[[Coroutine[Any, Any, Any]], Any]

OK = b"HTTP/1.1 200 OK\r\n"
KEPT = OK + b"Content-Length: 2\r\n\r\nok"
LENGTH_2 = ("content-length", "2")
PROTOCOL = httpx.RemoteProtocolError
#: More than the system takes for a server that does not read.
HUGE = bytes(64 * 1024 * 1024)


@dataclass
class RawServer:
    """Each connection runs the script, and is then closed; ``connections`` counts them."""

    port: int = 0
    peers: list[Peer] = field(default_factory=list)
    gone: asyncio.Event = field(default_factory=asyncio.Event)  # a client closed its connection

    @property
    def connections(self) -> int:
        return len(self.peers)


@asynccontextmanager
async def raw_server(
    script: Script, context: ssl.SSLContext | None = None
) -> AsyncIterator[RawServer]:
    served = RawServer()
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        peer = Peer(reader, writer)
        served.peers.append(peer)
        try:
            await script(peer)
        except (asyncio.IncompleteReadError, ConnectionError):
            served.gone.set()
        except asyncio.CancelledError:
            pass  # asyncio's own callback would raise it again
        finally:
            writer.close()
            tasks.discard(task)

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


def answers(*octets: bytes, keep: bool = False) -> Script:
    """A script: a request, then these octets, each by itself; then the end of the connection, or
    the next request if ``keep``."""

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            for piece in octets:
                await peer.send(piece)
                await asyncio.sleep(0)
            if not keep:
                return

    return script


@contextmanager
def full_backlog() -> Iterator[int]:
    """A port on which connections are neither refused nor accepted."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.create_server(("127.0.0.1", 0), backlog=0))
        port: int = listening.getsockname()[1]
        for _ in range(2):
            waiting = stack.enter_context(socket.socket())
            waiting.setblocking(False)
            waiting.connect_ex(("127.0.0.1", port))
        yield port


async def unread(peer: Peer) -> None:
    """A script of a server that reads nothing."""
    await asyncio.Event().wait()


def serving(own: Certificate) -> ssl.SSLContext:
    """The context of a server with this certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*own)
    return context


def trusting(own: Certificate) -> ssl.SSLContext:
    """The context of a client that trusts this certificate."""
    return ssl.create_default_context(cafile=own.certificate)


# --- clients --------------------------------------------------------------------------------------


@cache
def _usual_context() -> ssl.SSLContext:
    return client_context()


def ours(context: ssl.SSLContext | None = None, connections: int = 4) -> httpx.AsyncBaseTransport:
    return Http11Transport(context or _usual_context(), connections=connections, keep_for=60)


def httpx_own(
    context: ssl.SSLContext | None = None, connections: int = 4
) -> httpx.AsyncBaseTransport:
    return httpx.AsyncHTTPTransport(
        verify=context or _usual_context(),
        limits=httpx.Limits(
            max_connections=connections,
            max_keepalive_connections=connections,
            keepalive_expiry=60,
        ),
        trust_env=False,
    )


@dataclass(frozen=True)
class Answer:
    """An answer as a client sees it."""

    status: int
    body: bytes
    headers: tuple[tuple[str, str], ...] = ()


def ok(body: bytes = b"", *headers: tuple[str, str], status: int = 200) -> Answer:
    return Answer(status, body, headers)


#: An answer, or the class of the exception.
Outcome = Answer | type[Exception]


async def exchange(
    transport: httpx.AsyncBaseTransport,
    url: str,
    body: bytes = b"{}",
    *,
    method: str = "POST",
    headers: dict[str, str] | None = None,
    **limits: float | None,
) -> Answer:
    timeouts = dict.fromkeys(("connect", "read", "write", "pool"), 10.0) | limits
    request = httpx.Request(
        method, url, headers=headers, content=body, extensions={"timeout": timeouts}
    )
    response = await transport.handle_async_request(request)
    try:
        content = await response.aread()
    finally:
        await response.aclose()
    return Answer(response.status_code, content, tuple(response.headers.multi_items()))


async def outcome(transport: httpx.AsyncBaseTransport, url: str, **more: object) -> Outcome:
    try:
        return await exchange(transport, url, **more)  # type: ignore[arg-type]
    except httpx.HTTPError as error:
        return type(error)
