"""Listening sockets, with the PROXY protocol and with limits for TLS handshakes.

The client's address is known before its protocol begins: the PROXY header is read octet by octet
from the raw socket, before a transport or TLS is made of it. :mod:`bridge.net.proxy_protocol`
parses it; the caller gives the addresses of proxies and the limits.
"""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import Callable, Coroutine
from typing import Any, cast

import structlog

from bridge.config.settings import Endpoint
from bridge.net.connection_limits import ConnectionLimits
from bridge.net.networks import NetworkMap, without_mapping
from bridge.net.passed_sockets import Where, not_bound
from bridge.net.proxy_protocol import ProxyError, missing, parse
from bridge.net.repeats import Repeats

log = structlog.get_logger()

#: Time limit for a proxy's header, which is sent at once (seconds).
HEADER_WITHIN = 5.0
#: Most connections of proxies without their header yet; more wait in the backlog.
MAX_HEADERS = 1000
#: Pause before the next accept when there are no descriptors left (seconds).
_PAUSE = 1.0

#: Makes the protocol for a connection, with the address given by a proxy or ``None``.
Accept = Callable[[str | None], asyncio.BaseProtocol]


class SocketServer:
    """One listening address. A connection from a proxy must begin with a PROXY header.

    ``accept`` is called with the client's address in the header, or with ``None`` if the
    connection's own address counts; with TLS after the handshake. Handshakes count against
    ``limits``. :meth:`start` it, :meth:`close` it.
    """

    def __init__(
        self,
        accept: Accept,
        proxies: Callable[[], NetworkMap[bool]],
        *,
        limits: ConnectionLimits | None = None,
        context: ssl.SSLContext | None = None,
        handshake_timeout: float = 15.0,
        backlog: int = 1024,
    ) -> None:
        self._accept = accept
        self._proxies = proxies
        self._limits = limits or ConnectionLimits(0)
        self._context = context
        self._handshake_timeout = handshake_timeout
        self._backlog = backlog
        self._sockets: list[socket.socket] = []
        self._takers: set[asyncio.Task[None]] = set()
        self._pending: set[asyncio.Task[None]] = set()
        #: Of these: those whose protocol begins now. They end in a moment; if they were cancelled,
        #: uvloop would never call ``connection_lost``.
        self._beginning: set[asyncio.Task[None]] = set()
        self._headers: set[asyncio.Future[None]] = set()
        self._repeats = Repeats()

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        return tuple(self._sockets)

    async def start(self, where: Where) -> None:
        """Takes connections of a socket that listens, or binds every address that the host has;
        raises OSError."""
        if isinstance(where, socket.socket):
            self._sockets.append(where)
        else:
            await self._bind(where)
        for listening in self._sockets:
            _own(self._takers, self._take_all(listening))

    async def _bind(self, endpoint: Endpoint) -> None:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(
                *endpoint, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            for family, _, _, _, address in found:
                listening = socket.create_server(
                    address, family=family, backlog=self._backlog, reuse_port=False
                )
                listening.setblocking(False)
                self._sockets.append(listening)
        except OSError as error:
            self.close()
            raise not_bound(endpoint, error) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Takes no more connections, and drops those without their header yet."""
        for task in (*self._takers, *(self._pending - self._beginning)):
            task.cancel()
        for listening in self._sockets:
            listening.close()
        self._sockets.clear()

    async def wait_closed(self) -> None:
        """Waits for the end of the tasks that were under way at :meth:`close`."""
        if tasks := self._takers | self._pending:
            await asyncio.wait(tasks)

    async def _take_all(self, listening: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            try:
                connection, peer = await loop.sock_accept(listening)
            except OSError as error:
                if error.errno not in (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM):
                    continue  # The client left again before it was taken.
                log.warning("accept_failed", cause=error.strerror)
                await asyncio.sleep(_PAUSE)
                continue
            address = without_mapping(str(peer[0])) if isinstance(peer, tuple) else ""
            _own(self._pending, self._take(connection, address))
            if len(self._headers) > MAX_HEADERS:
                await asyncio.wait(self._headers, return_when=asyncio.FIRST_COMPLETED)

    async def _take(self, connection: socket.socket, peer: str) -> None:
        connection.setblocking(False)
        # asyncio sets this only if the listening socket names its protocol.
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            client = await self._client_of(connection) if self._proxies().find(peer) else None
            if self._context is None:
                await self._begin(connection, client)
            else:
                await self._shake_hands(self._context, connection, client, client or peer)
        except (ProxyError, TimeoutError) as error:
            cause = str(error) or "no PROXY header in time"
            self._repeats.warn("proxy_refused", address=peer, cause=cause)
            connection.close()
        except OSError as error:  # The client left.
            log.debug("connection_failed", address=peer, cause=str(error))
            connection.close()
        except asyncio.CancelledError:
            connection.close()
            raise

    async def _begin(self, connection: socket.socket, client: str | None) -> None:
        loop, task = asyncio.get_running_loop(), asyncio.current_task()
        assert task is not None
        self._beginning.add(task)
        try:
            await loop.connect_accepted_socket(lambda: self._accept(client), connection)
        finally:
            self._beginning.discard(task)

    async def _client_of(self, connection: socket.socket) -> str | None:
        loop = asyncio.get_running_loop()
        read: asyncio.Future[None] = loop.create_future()
        self._headers.add(read)
        try:
            async with asyncio.timeout(HEADER_WITHIN):
                return await _client_of(loop, connection)
        finally:
            self._headers.discard(read)
            read.set_result(None)

    async def _shake_hands(
        self, context: ssl.SSLContext, connection: socket.socket, client: str | None, address: str
    ) -> None:
        """Does the TLS handshake, then starts the protocol, which counts the connection itself."""
        limits, task = self._limits, asyncio.current_task()
        assert task is not None
        drop = task.cancel
        if not limits.begin_handshake(address, drop):
            self._repeats.warn("connection_refused", address=address, cause="too many connections")
            connection.close()
            return

        def done(transport: asyncio.BaseTransport) -> None:
            if limits.end_handshake(address, drop):
                protocol = self._accept(client)
                cast("asyncio.Transport", transport).set_protocol(protocol)
                protocol.connection_made(transport)

        loop = asyncio.get_running_loop()
        listener = _own_name(connection)
        try:
            await loop.connect_accepted_socket(
                lambda: _Handshake(done),
                connection,
                ssl=context,
                ssl_handshake_timeout=self._handshake_timeout,
            )
        except OSError as error:
            cause = getattr(error, "reason", None) or str(error) or type(error).__name__
            self._repeats.warn("tls_failed", address=address, listener=listener, cause=cause)
            connection.close()
        finally:
            limits.end_handshake(address, drop)


class _Handshake(asyncio.Protocol):
    """Stands in for the protocol until the handshake is done."""

    def __init__(self, done: Callable[[asyncio.BaseTransport], None]) -> None:
        self._done = done

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._done(transport)


def _own(tasks: set[asyncio.Task[None]], work: Coroutine[Any, Any, None]) -> None:
    task = asyncio.get_running_loop().create_task(work)
    tasks.add(task)
    task.add_done_callback(tasks.discard)


def _own_name(connection: socket.socket) -> str:
    """Our own end of a connection, for the log."""
    try:
        return str(Endpoint(*connection.getsockname()[:2]))
    except (OSError, TypeError):
        return ""


async def _client_of(loop: asyncio.AbstractEventLoop, connection: socket.socket) -> str | None:
    """Reads the header on the socket, and nothing after it; returns its address."""
    octets = bytearray()
    while count := missing(octets):
        chunk = await loop.sock_recv(connection, count)
        if not chunk:
            raise ConnectionResetError("closed before the PROXY header ended")
        octets += chunk
    header = parse(octets)
    assert header is not None
    return header.address or None
