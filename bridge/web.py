"""An HTTP server in our loop: a bare ASGI application on uvicorn's protocol class.

How connections begin, how long a request may take to come, and how closing ends them is decided
here; what is answered, by the application. There is no framework in between, and uvicorn's own
server, with its signal handlers and its polling, is left out: starting and closing take no time.
"""

from __future__ import annotations

import asyncio
import ssl
import sys
import time
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, NamedTuple, cast

import uvicorn
from uvicorn.server import ServerState

Scope = dict[str, Any]
Receive = Callable[[], Coroutine[Any, Any, dict[str, Any]]]
Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]
Headers = Iterable[tuple[bytes, bytes]]

#: How long closing waits for answers that are on their way (seconds).
CLOSE_WITHIN: Final = 1.0
_BACKLOG: Final = 1024
#: One look at all connections is cheaper than a timer for each (seconds).
_SWEEP_EVERY: Final = 0.5
#: Bytes of request line and headers, for which uvicorn's faster parser has no limit. No less than
#: one read may bring: a body that comes with its head is no part of that.
_HEAD: Final = 256 * 1024
#: So many times the limit is read of a body that is too large, so that the client, which may still
#: be writing, hears why it was refused.
_PATIENCE: Final = 4
_FULL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\n"
    b"Retry-After: 5\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
)


class Limits(NamedTuple):
    """What clients may cost: bytes of a body, seconds between requests and for one request to come
    whole (``None``: as long as it likes), connections in all (0: any number)."""

    max_body: int = 1024 * 1024
    keep_alive: int = 75
    request_within: float | None = None
    max_connections: int = 0


class BodyTooLarge(Exception):  # noqa: N818 - says what is the matter
    """The body is larger than the limits allow."""


class Connection(asyncio.Protocol):
    """uvicorn's protocol, with an eye on how long a request takes to come.

    The application finds it under ``connection`` in the state of a scope.
    """

    def __init__(self, server: WebServer) -> None:
        self._server = server
        self._protocol = server.protocol(self)
        self._admitted = False
        self._head = 0  # bytes of a head that is not complete
        self.transport: asyncio.Transport | None = None
        #: Since when a request is coming (monotonic); 0 while none is.
        self.coming_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._admitted = self._server.admit(self)
        if not self._admitted:
            self.transport.write(_FULL)
            self.transport.close()
            return
        self.coming_since = time.monotonic()
        self._protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self.coming_since:
            self.coming_since = time.monotonic()
        if self._head > _HEAD:
            self.abort()
            return
        self._head += len(data)
        if self._admitted:
            self._protocol.data_received(data)

    def eof_received(self) -> bool | None:
        keep_open: bool | None = self._protocol.eof_received()
        return keep_open

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        if self._admitted:
            self._server.connections.discard(self)
            self._protocol.connection_lost(error)

    def begin(self) -> None:
        """The head of a request is here; its body may have to come."""
        self._head = -sys.maxsize
        if not self.coming_since:
            self.coming_since = time.monotonic()

    def came(self) -> None:
        """All of the request is here that will be read."""
        self.coming_since = 0.0
        self._head = 0

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


class WebServer:
    """Listens and lets ``application`` answer; belongs to the loop in which it was started.

    ``context`` is for TLS on every address; who reloads the certificate loads it into that.
    """

    def __init__(
        self,
        application: Application,
        limits: Limits = Limits(),  # noqa: B008 - a tuple
        context: ssl.SSLContext | None = None,
    ) -> None:
        self._application = application
        self._limits = limits
        self._context = context
        self.connections: set[Connection] = set()
        self._state = ServerState()
        self._config = uvicorn.Config(
            self._answer,
            interface="asgi3",
            http="auto",  # httptools where it is installed, else h11
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=limits.keep_alive,
        )
        self._servers: list[asyncio.Server] = []
        self._sweeping: asyncio.TimerHandle | None = None

    async def start(self, host: str, port: int) -> int:
        """Listens there too; returns the port. Raises OSError."""
        loop = asyncio.get_running_loop()
        if not self._config.loaded:
            self._config.load()
        server = await loop.create_server(
            lambda: Connection(self),
            host,
            port,
            backlog=_BACKLOG,
            ssl=self._context,
            ssl_handshake_timeout=self._limits.request_within if self._context else None,
        )
        self._servers.append(server)
        if self._limits.request_within is not None and self._sweeping is None:
            self._sweep(loop)
        bound: int = server.sockets[0].getsockname()[1]
        return bound

    async def close(self, within: float = CLOSE_WITHIN) -> None:
        """Stops listening, lets answers that are on their way go out, and hangs up."""
        for server in self._servers:
            server.close()
        for protocol in list(self._state.connections):
            protocol.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=within)
        for connection in list(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    # --- connections -----------------------------------------------------------------------

    def protocol(self, connection: Connection) -> Any:
        """uvicorn's own, for a connection."""
        make: Callable[..., Any] = self._config.http_protocol_class
        state = {"connection": connection}
        protocol = make(config=self._config, server_state=self._state, app_state=state)
        # Whether it keeps one is read from a logger, which others may have changed by now.
        protocol.access_log = False
        return protocol

    def admit(self, connection: Connection) -> bool:
        """Whether there is room for one more."""
        most = self._limits.max_connections
        if most and len(self.connections) >= most:
            return False
        self.connections.add(connection)
        return True

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._limits.request_within is not None
        before = time.monotonic() - self._limits.request_within
        for connection in list(self.connections):
            if 0 < connection.coming_since < before:
                connection.abort()
        self._sweeping = loop.call_later(_SWEEP_EVERY, self._sweep, loop)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: Connection = scope["state"]["connection"]
        connection.begin()
        await self._application(scope, receive, send)
        connection.came()  # an answer may need no body


async def read_body(scope: Scope, receive: Receive, max_body: int) -> bytes:
    """The whole body of a request.

    Raises :class:`BodyTooLarge`, and ConnectionResetError where the client went away in the middle.
    """
    message = await receive()
    if message["type"] == "http.request" and not message["more_body"]:
        scope["state"]["connection"].came()
        body: bytes = message["body"]
        if len(body) > max_body:
            raise BodyTooLarge
        return body
    chunks: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        chunks.append(message["body"])
        size += len(chunks[-1])
        if size > max_body:
            chunks.clear()
        if not message["more_body"] or size > _PATIENCE * max_body:
            scope["state"]["connection"].came()
            if size > max_body:
                raise BodyTooLarge
            return b"".join(chunks)
        message = await receive()
    raise ConnectionResetError


async def respond(send: Send, status: int, headers: Headers = (), body: bytes = b"") -> None:
    """Sends a whole response."""
    length = () if status == 204 else ((b"content-length", b"%d" % len(body)),)
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
