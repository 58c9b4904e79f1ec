"""httpx's transport for requests to one or a few servers: HTTP/1.1, kept connections, little CPU.

httpx's own transport spends several times the CPU of this one on a small request. This one does
less: no HTTP/2, no proxies, no upgrades, and the body of a request is a byte string. Its exceptions
are httpx's, with the meaning in :mod:`bridge.net.http11_connection`; ``ConnectError``,
``ConnectTimeout``, ``PoolTimeout`` and ``LocalProtocolError``: nothing was sent. It never retries.
"""

from __future__ import annotations

import asyncio
import math
import ssl
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final, NamedTuple

import httpx

from bridge.net.dialling import dial
from bridge.net.http11_connection import Http11Connection, Origin, TimeLimits

_PORTS: Final = {b"http": 80, b"https": 443}
_VERSIONS: Final = {"1.1": b"HTTP/1.1", "1.0": b"HTTP/1.0"}


class Http11Answer(NamedTuple):
    """A whole answer; the names of its headers are as the server writes them."""

    status: int
    headers: Sequence[tuple[bytes, bytes]]
    body: bytes


class Http11Transport(httpx.AsyncBaseTransport):
    """At most ``connections`` at once; a connection without a request is kept ``keep_for`` seconds.

    ``context`` checks the servers' names and certificates. Belongs to one event loop;
    :meth:`aclose` it.
    """

    def __init__(self, context: ssl.SSLContext, *, connections: int, keep_for: float) -> None:
        self._context = context
        self._connections = connections
        self._keep_for = keep_for
        #: One place for each request in flight.
        self._places = asyncio.Semaphore(connections)
        self._resting: list[Http11Connection] = []  # the one that was used last is the last
        self._working: set[Http11Connection] = set()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Sends a request; returns the answer with an unread body. Raises httpx.TransportError."""
        limits = TimeLimits(**request.extensions.get("timeout", {}))
        octets = _octets(request)
        connection = await self._begin(origin_of(request.url), request.method, octets, limits)
        return httpx.Response(
            connection.status,
            headers=connection.headers,
            stream=_Body(self, connection),
            extensions={
                "http_version": _VERSIONS.get(connection.version, b"HTTP/1.1"),
                "reason_phrase": connection.reason,
            },
        )

    async def exchange(
        self,
        origin: Origin,
        request: bytes,
        limits: TimeLimits,
        *,
        within: float,
        most: int,
    ) -> Http11Answer:
        """Sends the octets of a request, which is no HEAD; returns the whole answer, with a body of
        ``most`` octets at most. ``within`` bounds all of it on a connection (seconds).

        As :meth:`handle_async_request`, without what httpx makes of a request and its answer.
        Raises httpx.TransportError.
        """
        connection = await self._begin(origin, "", request, limits, within)
        pieces: list[bytes] = []
        size = 0
        try:
            while piece := await connection.read():
                pieces.append(piece)
                size += len(piece)
                if size > most:
                    raise httpx.ReadError("an answer without end")
        finally:
            self._release(connection)
        return Http11Answer(connection.status, connection.headers, b"".join(pieces))

    async def _begin(
        self,
        origin: Origin,
        method: str,
        octets: bytes,
        limits: TimeLimits,
        within: float = math.inf,
    ) -> Http11Connection:
        """The connection that has sent a request and got the headers of its answer."""
        await self._take_place(limits.pool)
        connection: Http11Connection | None = None
        try:
            connection = await self._connection(origin, limits.connect)
            self._working.add(connection)
            await connection.send(method, octets, limits, within)
        except BaseException:
            self._release(connection)
            raise
        return connection

    async def aclose(self) -> None:
        """Closes all connections; requests in flight fail."""
        for connection in (*self._resting, *self._working):
            connection.close()
        self._resting.clear()

    # --- connections -------------------------------------------------------------------------

    async def _take_place(self, within: float | None) -> None:
        if not self._places.locked():
            await self._places.acquire()
            return
        try:
            async with asyncio.timeout(within):
                await self._places.acquire()
        except TimeoutError as error:
            raise httpx.PoolTimeout("all connections are busy") from error

    async def _connection(self, origin: Origin, within: float | None) -> Http11Connection:
        """A resting connection to this server, or a new one."""
        resting = self._resting
        for index in range(len(resting) - 1, -1, -1):
            connection = resting[index]
            if connection.origin == origin or not connection.open:
                del resting[index]
                if connection.open:
                    return connection
                connection.close()
        # Connections to other servers must not prevent a new one.
        while len(resting) + len(self._working) >= self._connections:
            resting.pop(0).close()
        return await self._connect(origin, within)

    async def _connect(self, origin: Origin, within: float | None) -> Http11Connection:
        scheme, raw_host, port = origin
        if scheme not in _PORTS:
            raise httpx.UnsupportedProtocol(f"no http or https: {scheme.decode()}")
        host = raw_host.decode("ascii")
        connection = Http11Connection(origin)
        try:
            async with asyncio.timeout(within):
                socket = await dial(host, port or _PORTS[scheme])
                tls: dict[str, Any] = {}
                if scheme == b"https":
                    tls = {"ssl": self._context, "server_hostname": host}
                # From here on the loop owns the socket, even if the handshake fails.
                loop = asyncio.get_running_loop()
                await loop.create_connection(lambda: connection, sock=socket, **tls)
        except TimeoutError as error:
            raise httpx.ConnectTimeout("the server could not be reached in time") from error
        except (OSError, ValueError) as error:  # ValueError: a host that is no name
            raise httpx.ConnectError(str(error) or type(error).__name__) from error
        return connection

    def _release(self, connection: Http11Connection | None) -> None:
        """Frees the place; keeps the connection if possible."""
        self._places.release()
        if connection is None:
            return
        self._working.discard(connection)
        if connection.reusable:
            connection.rest(self._keep_for)
            self._resting.append(connection)
        else:
            connection.close()


class _Body(httpx.AsyncByteStream):
    """The body of an answer; its end, or :meth:`aclose`, gives the connection back."""

    def __init__(self, transport: Http11Transport, connection: Http11Connection) -> None:
        self._transport = transport
        self._connection: Http11Connection | None = connection

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while self._connection is not None and (piece := await self._connection.read()):
                yield piece
        finally:
            await self.aclose()

    async def aclose(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            self._transport._release(connection)


def origin_of(url: httpx.URL) -> Origin:
    return url.raw_scheme, url.raw_host, url.port


def head_of(lines: Sequence[bytes]) -> bytes:
    """Lines of a request's head, each with its end. Raises httpx.LocalProtocolError for a line
    break or NUL in one of them, which would begin another header."""
    head = b"".join([b"%b\r\n" % line for line in lines])
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines) or b"\0" in head:
        raise httpx.LocalProtocolError("a header with a line break or NUL in it")
    return head


def _octets(request: httpx.Request) -> bytes:
    """The octets of the request. Raises httpx.LocalProtocolError for an invalid header."""
    assert isinstance(request.stream, httpx.ByteStream), "the body must be a byte string"
    lines = [b"%b %b HTTP/1.1" % (request.method.encode("ascii"), request.url.raw_path)]
    lines += [b"%b: %b" % header for header in request.headers.raw]
    return b"%b\r\n%b" % (head_of(lines), b"".join(request.stream))
