"""The SMTP and LMTP listener: its sockets, its certificates, and its end."""

from __future__ import annotations

import asyncio
import logging
import socket
import time
from collections.abc import Callable

import structlog

from bridge.config.settings import Endpoint, Smtp
from bridge.net.networks import network_set
from bridge.net.passed_sockets import NONE_PASSED, PassedSockets, Where, serve
from bridge.net.sessions import SessionInfo, oldest_first
from bridge.net.socket_server import SocketServer
from bridge.net.tls import renewed, server_context
from bridge.smtp import reply
from bridge.smtp.inbound.connection import ListenerKind, SmtpConnection, connection_class
from bridge.smtp.inbound.service import Logins, Service, Submitting
from bridge.smtp.reply_address import ReplyAddresses

log = structlog.get_logger()

_BACKLOG = 1024
_HANDSHAKE_TIMEOUT = 15.0


class SmtpListener:
    """Listens on the configured addresses, and hands submissions to the relay.

    ``dsn``: reports are sent, so that DSN is offered; ``reply_addresses`` reads reply addresses.
    ``clock`` is monotonic, for time limits; ``wall_clock`` gives Unix time.
    """

    def __init__(
        self,
        settings: Smtp,
        accounts: Logins,
        relay: Submitting,
        *,
        dsn: bool = False,
        reply_addresses: ReplyAddresses | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall_clock: Callable[[], float] = time.time,
    ) -> None:
        _check_certificate(settings)
        self._settings = settings
        self._service = Service(
            settings,
            accounts,
            relay,
            hostname=settings.hostname or socket.gethostname(),
            tls_context=server_context(settings.certificate, settings.private_key),
            dsn=dsn,
            clock=clock,
            wall_clock=wall_clock,
            reply_addresses=reply_addresses,
        )
        self._proxies = network_set(settings.proxies)
        self._servers: list[asyncio.Server | SocketServer] = []
        self._connections: set[SmtpConnection] = set()

    async def start(self, passed: PassedSockets = NONE_PASSED) -> list[Endpoint]:
        """Listens at every address, or none; returns them as bound: plain, TLS, LMTP."""
        # It would log every command at INFO, at a cost higher than the command's.
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        make = connection_class(self._service)
        settings = self._settings
        try:
            for where in passed.instead_of("smtp.listen", settings.listen):
                await self._listen(where, ListenerKind(), make)
            for where in passed.instead_of("smtp.tls_listen", settings.tls_listen):
                await self._listen(where, ListenerKind(implicit_tls=True), make)
            for where in passed.instead_of("smtp.lmtp_listen", settings.lmtp_listen):
                await self._listen(where, ListenerKind(lmtp=True), make)
        except BaseException:
            await self.close()
            raise
        return [
            Endpoint(*bound.getsockname()[:2])
            for server in self._servers
            for bound in server.sockets
        ]

    async def _listen(self, where: Where, kind: ListenerKind, make: type[SmtpConnection]) -> None:
        context = self._service.tls_context if kind.implicit_tls else None

        def accept(client: str | None = None) -> SmtpConnection:
            return make(
                self._service,
                kind,
                client=client,
                begun=self._connections.add,
                ended=self._connections.discard,
            )

        if context is not None or self._settings.proxies:
            server = SocketServer(
                accept,
                lambda: self._proxies,
                limits=self._service.limits,
                context=context,
                handshake_timeout=_HANDSHAKE_TIMEOUT,
                backlog=_BACKLOG,
            )
            await server.start(where)
            self._servers.append(server)
            return
        # Cheaper for a connection than a task that takes it.
        self._servers.append(await serve(accept, where, backlog=_BACKLOG))

    def reload(self, settings: Smtp, *, dsn: bool | None = None) -> None:
        """Takes over certificates, limits, domains and extensions; no session ends.

        Open sessions follow the new limits; their TLS stays as it is. Keys that need a restart are
        in :mod:`bridge.config.reloading`. Raises ValueError or OSError, and changes nothing, if a
        certificate is unusable.
        """
        _check_certificate(settings)
        live = self._service.tls_context
        context = renewed(live, settings.certificate, settings.private_key)
        self._settings = settings
        self._proxies = network_set(settings.proxies)
        self._service.apply(settings, context, self._service.dsn if dsn is None else dsn)

    def sessions(self) -> list[SessionInfo]:
        """The open sessions, the oldest first."""
        return oldest_first(connection.info() for connection in self._connections)

    def end_sessions(self, reason: str, *, id: str = "", account: str = "") -> int:
        """Ends the session with this id, or all of an account, with 421; returns how many."""
        found = [
            connection
            for connection in self._connections
            if connection.id == id or (account and connection.account == account)
        ]
        for connection in found:
            log.info("session_ended", address=connection.info().peer, cause=reason)
            connection.dismiss(reply.encode(reply.SHUTTING_DOWN))
        return len(found)

    async def drain(self, within: float) -> None:
        """Takes no new connections, answers mails in flight, and ends all sessions.

        Sessions that wait for a command get 421 at once. Sessions that are open after ``within``
        seconds are cut; the relay still finishes their submitted mails.
        """
        self._service.closing = True
        for server in self._servers:
            server.close()
        farewell = reply.encode(reply.SHUTTING_DOWN)
        for connection in tuple(self._connections):
            connection.dismiss(farewell)
        tasks = self._tasks()
        if tasks:
            _, late = await asyncio.wait(tasks, timeout=within)
            if late:
                log.warning("drain_incomplete", sessions=len(late))
        await self.close()

    async def close(self) -> None:
        """Closes all sessions now; may be called again."""
        self._service.closing = True
        for server in self._servers:
            server.close()
            if isinstance(server, SocketServer):
                await server.wait_closed()
        tasks = self._tasks()
        for task in tasks:
            task.cancel()
        if tasks:
            await asyncio.wait(tasks, timeout=5)
        for connection in tuple(self._connections):
            connection.abort()
        self._service.threads.shutdown(wait=False, cancel_futures=True)

    def _tasks(self) -> set[asyncio.Task[None]]:
        return {c.task for c in self._connections if c.task is not None}


def _check_certificate(settings: Smtp) -> None:
    if settings.certificate is None and (settings.tls_listen or settings.starttls == "required"):
        raise ValueError("smtp.tls_listen and smtp.starttls need smtp.certificate")
