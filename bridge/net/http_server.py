"""An HTTP server in the event loop: a bare ASGI application on uvicorn's protocol class.

Decides how connections begin, how long a request may take to arrive, and how closing ends them; the
application answers. There is no framework, and uvicorn's own server, with its signal handlers and
polling, is not used: starting and closing take no time.
"""

from __future__ import annotations

import asyncio
import re
import socket
import ssl
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any, Final, NamedTuple, cast

import uvicorn
from uvicorn.server import ServerState

from bridge.config.settings import Endpoint
from bridge.net.asgi import Application, Receive, Scope, Send, TooManyBodies
from bridge.net.connection_limits import ConnectionLimits
from bridge.net.http_room import HttpPlace, HttpRoom
from bridge.net.networks import NetworkMap, without_mapping
from bridge.net.passed_sockets import Where, bound_to, serve
from bridge.net.socket_server import SocketServer

#: How long closing waits for answers in progress (seconds).
CLOSE_WITHIN: Final = 1.0
_BACKLOG: Final = 1024
_HANDSHAKE_TIMEOUT: Final = 15.0
#: Interval of the check of all connections, which is cheaper than a timer for each (seconds).
_SWEEP_EVERY: Final = 0.5
#: Most bytes of request line and headers, for which uvicorn's faster parser has no limit. At least
#: the size of one read, since that may bring a body together with its head.
_HEAD: Final = 256 * 1024
_NOT_OF_A_URL: Final = re.compile(rb"[ \x80-\xff]")
_REQUEST_LINE: Final = re.compile(rb"([A-Z]+ )(/[^\r\n]*)( HTTP/1\.[01]\r\n)")
#: Responses sent without the application: the rest of the status line, and the reason.
_REFUSALS: Final = {
    408: (b"Request Timeout", "request not complete in time"),
    431: (b"Request Header Fields Too Large", f"head of more than {_HEAD} bytes"),
    503: (b"Service Unavailable\r\nRetry-After: 5", "too many connections"),
}
#: Called for requests that the application does not see: the peer's address, the HTTP status, why.
Tell = Callable[[str, int, str], None]


class Limits(NamedTuple):
    """Limits for clients: bytes of a body, seconds between requests and for a request to arrive
    (``None``: no limit), connections in total (0: no limit), bytes of all large requests that
    arrive or are being answered."""

    max_body: int = 1024 * 1024
    keep_alive: int = 75
    request_within: float | None = None
    max_connections: int = 0
    max_held: int = 64 * 1024 * 1024


class HttpConnection(asyncio.Protocol):
    """uvicorn's protocol, with a time limit for the arrival of a request.

    The application finds it under ``connection`` in the state of a scope.
    """

    def __init__(self, server: WebServer, client: str | None = None) -> None:
        self._server = server
        #: The address given by a proxy, if any; else the connection's own counts.
        self.client = client
        self._protocol = server.protocol(self)
        self._place: HttpPlace | None = None
        self._head = 0  # bytes of an incomplete head
        self._last = False  # it is the last request
        self.transport: asyncio.Transport | None = None
        #: Since when a request is arriving (monotonic); 0 if none is.
        self.coming_since = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        if self._server.closing:
            self.transport.abort()  # accepted just before the end, and nothing is read yet
            return
        self._place = self._server.admit(self, self.client or self._peer())
        if self._place is None:
            self._refuse(503)
            return
        self.coming_since = time.monotonic()
        self._protocol.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        if not self.coming_since:
            self.coming_since = time.monotonic()
        if self._head > _HEAD:
            self._cut(431)
            return
        if not self._head and not self._answering and _needs_encoding(data):
            data = _with_encoded_line(data)
        self._head += len(data)
        if self._place is None:
            return
        self._protocol.data_received(data)
        # What comes in one piece is not kept for long.
        if self._head > len(data) and not self._place.hold(len(data)):
            self._cut(503)

    def eof_received(self) -> bool | None:
        # TLS has no half-closed connections.
        if self._answering and not self._server.tls:
            self._last = True
            return True
        keep_open: bool | None = self._protocol.eof_received()
        return keep_open

    def pause_writing(self) -> None:
        self._protocol.pause_writing()

    def resume_writing(self) -> None:
        self._protocol.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        if self._place is not None:
            self._place.leave()
            self._server.dismiss(self)
            self._protocol.connection_lost(error)

    def begin(self) -> None:
        """The head of a request has arrived; its body may follow."""
        self._head = -sys.maxsize
        if self._place is not None and self._place.held:
            self._place.let_go()
        if not self.coming_since:
            self.coming_since = time.monotonic()

    def hold(self, octets: int) -> None:
        """Counts octets of the body; raises :class:`TooManyBodies` if there is no room."""
        if self._place is not None and not self._place.hold(octets):
            self.came()
            raise TooManyBodies

    def came(self) -> None:
        """The request has arrived, as far as it will be read."""
        self.coming_since = 0.0
        self._head = 0
        if self._place is not None:
            self._place.answering = True

    @property
    def _answering(self) -> bool:
        """Whether a complete request has not been answered yet."""
        return self._place is not None and self._place.answering

    def give_way(self) -> None:
        """Closes for another connection: no request has come whole."""
        self._server.tell(self._peer(), 503, "idle, and too many connections")
        self.abort()

    def answered(self) -> None:
        """The application has finished the request."""
        self.coming_since = 0.0
        self._head = 0
        if self._place is not None:
            self._place.answered()
        if self._last:
            # Another request may have arrived meanwhile; it begins first.
            asyncio.get_running_loop().call_soon(self._hang_up)

    def _hang_up(self) -> None:
        if not (self._answering or self.coming_since) and self.transport is not None:
            self.transport.close()

    def time_out(self) -> None:
        """A request takes too long to arrive."""
        self._cut(408)

    def no_http(self, say: Callable[[str], None], message: str) -> None:
        """The input is not an HTTP request; ``say`` sends uvicorn's answer."""
        self._server.tell(self._peer(), 400, "not HTTP")
        say(message)

    def _cut(self, status: int) -> None:
        """Closes; sends the reason first if a request has begun and is not being answered."""
        assert self.transport is not None
        if self.transport.is_closing() or self._answering or not self._head:
            self.abort()
        else:
            self._refuse(status)

    def _refuse(self, status: int) -> None:
        assert self.transport is not None
        line, why = _REFUSALS[status]
        self._server.tell(self._peer(), status, why)
        head = b"HTTP/1.1 %d %b\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
        self.transport.write(head % (status, line))
        self.transport.close()

    def _peer(self) -> str:
        name = self.transport.get_extra_info("peername") if self.transport else None
        return without_mapping(name[0]) if isinstance(name, tuple) and name else ""

    def abort(self) -> None:
        if self.transport is not None:
            self.transport.abort()


def _needs_encoding(data: bytes) -> bool:
    """Whether the line of a request may have octets that the parser refuses."""
    return not data.isascii() or data.count(b" ", 0, data.find(b"\r")) > 2


def _with_encoded_line(data: bytes) -> bytes:
    """The beginning of a request with the octets of its line percent-encoded: old clients write
    texts into a query as they are, which the parser refuses. The rest of a body stays as it is."""
    line = _REQUEST_LINE.match(data)
    if line is None:
        return data
    target = _NOT_OF_A_URL.sub(lambda found: b"%%%02X" % found[0][0], line[2])
    return line[1] + target + line[3] + data[line.end() :]


class WebServer:
    """Listens and lets ``application`` answer; belongs to the loop in which it was started.

    ``context`` is for TLS on every address; a renewed certificate is loaded into it. ``tell`` is
    called for requests that the application does not see. ``proxies`` are the proxies that use the
    PROXY protocol.
    """

    def __init__(
        self,
        application: Application,
        limits: Limits = Limits(),  # noqa: B008 - a tuple
        context: ssl.SSLContext | None = None,
        tell: Tell = lambda peer, status, why: None,
        proxies: Callable[[], NetworkMap[bool]] | None = None,
    ) -> None:
        self._application = application
        self._proxies = proxies
        self.tell = tell
        self._limits = limits
        self._context = context
        self.tls = context is not None
        self._room = HttpRoom(ConnectionLimits(limits.max_connections), limits.max_held)
        self.connections: set[HttpConnection] = set()
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
        self._servers: list[asyncio.Server | SocketServer] = []
        self._sweeping: asyncio.TimerHandle | None = None
        self.closing = False

    def begin(self) -> None:
        """Gets ready for connections."""
        if not self._config.loaded:
            self._config.load()
        if self._limits.request_within is not None and self._sweeping is None:
            self._sweep(asyncio.get_running_loop())

    async def start(self, host: str, port: int) -> int:
        """Listens there too; returns the port. Raises OSError."""
        return (await self.listen(Endpoint(host, port))).port

    async def listen(self, where: Where) -> Endpoint:
        """Listens there too; returns the address as bound. Raises OSError."""
        self.begin()
        if self._context is None and self._proxies is None:
            plain = await serve(lambda: HttpConnection(self), where, backlog=_BACKLOG)
            self._servers.append(plain)
            return bound_to(where, plain.sockets[0])
        server = SocketServer(
            lambda client: HttpConnection(self, client),
            self._proxies or NetworkMap,
            limits=self._room.limits,
            context=self._context,
            handshake_timeout=self._limits.request_within or _HANDSHAKE_TIMEOUT,
            backlog=_BACKLOG,
        )
        await server.start(where)
        self._servers.append(server)
        return bound_to(where, server.sockets[0])

    async def start_unix(self, listening: socket.socket) -> None:
        """Listens on a bound Unix socket too."""
        if not self._config.loaded:
            self._config.load()
        loop = asyncio.get_running_loop()
        server = await loop.create_unix_server(
            lambda: HttpConnection(self), sock=listening, backlog=_BACKLOG
        )
        self._servers.append(server)

    async def close(self, within: float = CLOSE_WITHIN) -> None:
        """Stops listening, sends the answers in progress, and closes the connections; cuts those
        whose answer takes longer than ``within`` (seconds)."""
        self.closing = True
        for server in self._servers:
            server.close()
        for protocol in list(self._state.connections):
            protocol.shutdown()
        until = time.monotonic() + within
        # A request that waited behind another on its connection begins meanwhile.
        while self._state.tasks and (left := until - time.monotonic()) > 0:
            await asyncio.wait(self._state.tasks, timeout=left)
        for connection in list(self.connections):
            connection.abort()
        for server in self._servers:
            await server.wait_closed()
        self._servers.clear()
        if self._sweeping is not None:
            self._sweeping.cancel()
            self._sweeping = None

    # --- connections -----------------------------------------------------------------------

    def protocol(self, connection: HttpConnection) -> Any:
        """uvicorn's protocol for a connection."""
        make: Callable[..., Any] = self._config.http_protocol_class
        state = {"connection": connection}
        protocol = make(config=self._config, server_state=self._state, app_state=state)
        # uvicorn derives this from a logger that other code may have changed.
        protocol.access_log = False
        protocol.send_400_response = partial(connection.no_http, protocol.send_400_response)
        return protocol

    def admit(self, connection: HttpConnection, address: str) -> HttpPlace | None:
        """A place for a connection; None if there is no room for it."""
        place = self._room.place(address, connection.give_way)
        if place is not None:
            self.connections.add(connection)
        return place

    def dismiss(self, connection: HttpConnection) -> None:
        """Forgets a connection that has ended."""
        self.connections.discard(connection)

    def _sweep(self, loop: asyncio.AbstractEventLoop) -> None:
        assert self._limits.request_within is not None
        before = time.monotonic() - self._limits.request_within
        for connection in list(self.connections):
            if 0 < connection.coming_since < before:
                connection.time_out()
        self._sweeping = loop.call_later(_SWEEP_EVERY, self._sweep, loop)

    async def _answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        connection: HttpConnection = scope["state"]["connection"]
        connection.begin()
        if connection.client is not None:
            scope["client"] = (connection.client, 0)
        elif scope["client"]:
            scope["client"] = (without_mapping(scope["client"][0]), scope["client"][1])
        await self._application(scope, receive, send)
        connection.answered()  # even if the application has not read the body
