"""The SMPP listener: its sockets, plain and TLS, and the connections on them.

Starts, drains and closes; :mod:`bridge.smpp.inbound.connection` handles one connection.
"""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, Final

import structlog

from bridge.config import settings as config
from bridge.config.settings import Endpoint
from bridge.net.networks import network_set
from bridge.net.passed_sockets import NONE_PASSED, PassedSockets, Where
from bridge.net.sessions import SessionInfo, oldest_first
from bridge.net.socket_server import SocketServer
from bridge.net.tls import renewed, server_context
from bridge.smpp.inbound.connection import SmppConnection
from bridge.smpp.inbound.limits import Occupancy
from bridge.smpp.inbound.services import Authenticator, Gatherer, Owing, RelayVerbs, Services

log = structlog.get_logger()

_BACKLOG: Final = 1024

#: How long closing waits for connections that were aborted (seconds).
_CLOSE_WITHIN: Final = 5.0

#: Sweeps over all connections in the shortest session timer, which are cheaper than timers of their
#: own. At most one per second, unless a timer is shorter than that.
_SWEEPS_A_TIMER: Final = 4


class SmppListener:
    """Serves SMPP 3.3 to 5.0. Belongs to the event loop that :meth:`start` runs in.

    ``clock`` gives Unix time, ``monotonic`` the seconds of a monotonic clock.
    """

    def __init__(
        self,
        settings: config.Smpp,
        accounts: Authenticator,
        relay: RelayVerbs,
        gathering: Gatherer,
        outbox: Owing,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._monotonic = monotonic
        self._services = Services(
            settings=settings,
            accounts=accounts,
            relay=relay,
            gathering=gathering,
            outbox=outbox,
            clock=clock,
            monotonic=monotonic,
            occupancy=Occupancy(settings.max_connections, settings.max_connections_per_address),
            create_task=self._create_task,
        )
        self._connections: set[SmppConnection] = set()
        self._proxies = network_set(settings.proxies)
        self._context: ssl.SSLContext | None = None
        self._servers: list[SocketServer] = []
        self._group: asyncio.TaskGroup | None = None
        self._running: asyncio.Task[None] | None = None
        self._empty = asyncio.Event()

    async def start(self, passed: PassedSockets = NONE_PASSED) -> list[Endpoint]:
        """Listens; returns the addresses, plain ones first. Raises OSError and ssl.SSLError."""
        loop = asyncio.get_running_loop()
        opened: asyncio.Future[None] = loop.create_future()
        self._running = loop.create_task(self._run(opened))
        await opened
        settings = self._services.settings
        try:
            for where in passed.instead_of("smpp.listen", settings.listen):
                await self._listen(where, None)
            secure = passed.instead_of("smpp.tls_listen", settings.tls_listen)
            if secure:
                _check_certificate(settings)
                self._context = server_context(settings.certificate, settings.private_key)
            for where in secure:
                await self._listen(where, self._context)
        except BaseException:
            await self.close()
            raise
        return [
            Endpoint(*socket.getsockname()[:2])
            for server in self._servers
            for socket in server.sockets
        ]

    async def _listen(self, where: Where, context: ssl.SSLContext | None) -> None:
        server = SocketServer(
            lambda client: SmppConnection(
                self._services, self._connections.add, self._closed, client
            ),
            lambda: self._proxies,
            limits=self._services.occupancy,
            context=context,
            handshake_timeout=self._services.settings.bind_timeout,
            backlog=_BACKLOG,
        )
        await server.start(where)
        self._servers.append(server)

    def reload(self, settings: config.Smpp) -> None:
        """Takes over certificates, limits, timers and proxies, for new connections.

        The addresses to listen on do not change. Raises OSError and ssl.SSLError for an unusable
        certificate; then everything stays as it was.
        """
        if self._context is not None:
            _check_certificate(settings)
            renewed(self._context, settings.certificate, settings.private_key)
        self._proxies = network_set(settings.proxies)
        services = self._services
        services.settings = settings
        services.occupancy.limit(settings.max_connections, settings.max_connections_per_address)

    def follow_accounts(self) -> None:
        """Applies the accounts' new limits to open sessions."""
        for connection in self._connections:
            if connection.account is not None:
                connection.session.window = connection.account.settings.window

    def sessions(self) -> list[SessionInfo]:
        """The open sessions, the oldest first."""
        return oldest_first(connection.info() for connection in self._connections)

    def end_sessions(self, reason: str, *, id: str = "", account: str = "") -> int:
        """Unbinds the session with this id, or all of an account; returns how many."""
        found = [
            connection
            for connection in self._connections
            if connection.id == id
            or (account and connection.account is not None and connection.account.name == account)
        ]
        for connection in found:
            connection.dismiss(reason)
        return len(found)

    async def drain(self, within: float) -> None:
        """Takes no more connections and submits, answers the requests in flight, unbinds, closes.

        Returns when every session has ended, or after ``within`` seconds.
        """
        self._services.closing = True
        for server in self._servers:
            server.close()
        connections = self._connections
        for connection in list(connections):
            connection.drain()
        if connections:
            self._empty.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(within):
                    await self._empty.wait()

    async def close(self) -> None:
        """Closes all connections at once."""
        self._services.closing = True
        for server in self._servers:
            server.close()
        connections = self._connections
        self._empty.clear()
        for connection in list(connections):
            connection.abort("the bridge stops")
        # Whatever happens to a connection, it must not keep the daemon from ending.
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                if connections:
                    await self._empty.wait()
                for server in self._servers:
                    await server.wait_closed()
        except TimeoutError:
            log.warning("drain_incomplete", sessions=len(connections))
        self._servers.clear()
        if self._running is not None:
            self._running.cancel()
            with suppress(asyncio.CancelledError):
                await self._running
            self._running = None

    async def _run(self, opened: asyncio.Future[None]) -> None:
        """Owns the tasks of the listener, and sweeps for its timers."""
        async with asyncio.TaskGroup() as self._group:
            opened.set_result(None)
            while True:
                settings = self._services.settings
                shortest = min(settings.bind_timeout, settings.enquire_link, settings.inactivity)
                await asyncio.sleep(min(1.0, shortest / _SWEEPS_A_TIMER))
                self._sweep()

    def _sweep(self) -> None:
        now = self._monotonic()
        for connection in list(self._connections):
            try:
                connection.tick(now)
            except Exception:  # one faulty connection must not stop the timers of all
                log.exception("session_failed", peer=connection.peer)
                connection.abort("operation failed")

    def _create_task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        assert self._group is not None
        return self._group.create_task(work)

    def _closed(self, connection: SmppConnection) -> None:
        self._connections.discard(connection)
        if not self._connections:
            self._empty.set()


def _check_certificate(settings: config.Smpp) -> None:
    if settings.certificate is None:
        raise ValueError("smpp.tls_listen needs smpp.certificate")
