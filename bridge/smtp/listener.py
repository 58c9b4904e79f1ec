"""The SMTP listener: its sockets, its certificates, and its end."""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable
from functools import partial

import structlog

from bridge.config import Endpoint, Smtp
from bridge.smtp import reply
from bridge.smtp.connection import Connection, template
from bridge.smtp.service import Accounts, Relay, Service

log = structlog.get_logger()

_BACKLOG = 1024
#: Connections in the middle of a TLS handshake are not counted yet: they get little time.
_HANDSHAKE_TIMEOUT = 15.0


class SmtpListener:
    """Listens where the settings say, hands submissions to the relay.

    ``clock`` gives seconds that only grow; time limits are measured with it.
    """

    def __init__(
        self,
        settings: Smtp,
        accounts: Accounts,
        relay: Relay,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._service = Service(
            settings,
            accounts,
            relay,
            hostname=settings.hostname or socket.gethostname(),
            tls_context=_tls_context(settings),
            clock=clock,
        )
        self._servers: list[asyncio.Server] = []
        self._connections: set[Connection] = set()

    async def start(self) -> list[Endpoint]:
        """Binds every address, or none; returns them as bound, plain ones first."""
        # Every command at INFO would cost more than the command.
        logging.getLogger("mail.log").setLevel(logging.WARNING)
        attributes = template(self._service)
        try:
            for endpoint in self._settings.listen:
                await self._listen(endpoint, partial(self._accept, attributes, False), None)
            for endpoint in self._settings.tls_listen:
                context = self._service.tls_context
                await self._listen(endpoint, partial(self._accept, attributes, True), context)
        except BaseException:
            await self.close()
            raise
        return [
            Endpoint(*bound.getsockname()[:2])
            for server in self._servers
            for bound in server.sockets
        ]

    async def _listen(
        self,
        endpoint: Endpoint,
        accept: Callable[[], Connection],
        context: ssl.SSLContext | None,
    ) -> None:
        server = await asyncio.get_running_loop().create_server(
            accept,
            endpoint.host,
            endpoint.port,
            backlog=_BACKLOG,
            ssl=context,
            ssl_handshake_timeout=_HANDSHAKE_TIMEOUT if context else None,
        )
        self._servers.append(server)

    def _accept(self, attributes: dict[str, object], implicit_tls: bool) -> Connection:
        return Connection(
            self._service,
            attributes,
            implicit_tls=implicit_tls,
            begun=self._connections.add,
            ended=self._connections.discard,
        )

    async def drain(self, within: float) -> None:
        """Takes no new connections, lets mails in flight be answered, and ends all sessions.

        Sessions that wait for a command hear 421 at once. What is still there after ``within``
        seconds is cut; a mail that was submitted by then is finished by the relay all the same.
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
        """Ends everything now; may be called again."""
        self._service.closing = True
        for server in self._servers:
            server.close()
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


def _tls_context(settings: Smtp) -> ssl.SSLContext | None:
    """The context of both kinds of TLS; ValueError where one is asked for without a certificate."""
    if settings.certificate is None:
        if settings.tls_listen or settings.starttls == "required":
            raise ValueError("smtp.tls_listen and smtp.starttls need smtp.certificate")
        return None
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(settings.certificate, settings.private_key)
    return context
