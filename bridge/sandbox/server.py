"""Serves the sandbox over HTTP: a bare ASGI application on uvicorn's protocol, in our loop.

How an answer goes out is decided here: pauses, trickling bodies, connections that hang, are
closed or reset. What it says was decided before. There is no framework in between and uvicorn's
own server, with its signal handlers and its polling, is left out: only its protocol class is
used, so that starting and closing take no time.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

import structlog
import uvicorn
from uvicorn.server import ServerState

from bridge.sandbox.api import error_answer
from bridge.sandbox.errors import ApiError
from bridge.sandbox.exchange import Answer, Request
from bridge.sandbox.faults import Manner

log = structlog.get_logger()

MAX_BODY = 16 * 1024 * 1024
KEEP_ALIVE = 75
#: In how many pieces a trickling body goes out.
DRIPS = 8
#: How long closing waits for answers that are on their way.
CLOSE_WITHIN = 1.0

Scope = dict[str, Any]
Receive = Callable[[], Any]
Send = Callable[[dict[str, Any]], Any]


class Server:
    """Listens and lets ``decide`` answer every request."""

    def __init__(self, decide: Callable[[Request], Answer]) -> None:
        self._decide = decide
        self._state = ServerState()
        self._config = uvicorn.Config(
            self._application,
            interface="asgi3",
            http="auto",  # httptools where it is installed, else h11
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            date_header=False,
            timeout_keep_alive=KEEP_ALIVE,
        )
        self._server: asyncio.Server | None = None
        self._waiting: set[asyncio.Transport] = set()

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port."""
        loop = asyncio.get_running_loop()
        self._config.load()
        self._server = await loop.create_server(
            lambda: self._connection(loop), host, port, backlog=1024
        )
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def close(self) -> None:
        """Stops listening, hangs up on those who were kept waiting, lets the others finish."""
        if self._server is None:
            return
        self._server.close()
        for transport in self._waiting:
            transport.abort()
        for connection in list(self._state.connections):
            connection.shutdown()
        if self._state.tasks:
            await asyncio.wait(self._state.tasks, timeout=CLOSE_WITHIN)
        for connection in list(self._state.connections):
            connection.transport.abort()
        await self._server.wait_closed()
        self._server = None

    def _connection(self, loop: asyncio.AbstractEventLoop) -> asyncio.Protocol:
        """uvicorn's protocol; puts the transport into the state that comes with each request."""
        state: dict[str, Any] = {}
        protocol_class: Callable[..., Any] = self._config.http_protocol_class
        protocol: asyncio.Protocol = protocol_class(
            config=self._config, server_state=self._state, app_state=state, _loop=loop
        )
        made = protocol.connection_made

        def connection_made(transport: asyncio.BaseTransport) -> None:
            state["transport"] = transport
            made(transport)

        protocol.connection_made = connection_made  # type: ignore[method-assign]
        return protocol

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body = await _read_body(receive)
        except ConnectionResetError:
            return
        headers = dict(scope["headers"])
        request = Request(scope["method"], scope["path"], scope["query_string"], headers, body)
        try:
            answer = self._decide(request)
        except Exception:  # the edge: a client gets an answer whatever happens
            log.exception("sandbox_request_failed", path=request.path)
            answer = error_answer(ApiError(500))
        if answer.manner is not Manner.PLAIN or answer.seconds:
            await self._send_in_manner(answer, scope["state"]["transport"], receive, send)
            return
        await send(_start(answer))
        await send({"type": "http.response.body", "body": answer.body})

    async def _send_in_manner(
        self, answer: Answer, transport: asyncio.Transport, receive: Receive, send: Send
    ) -> None:
        manner = answer.manner
        if manner is Manner.PLAIN:
            if await self._pause(answer.seconds, transport, receive):
                await send(_start(answer))
                await send({"type": "http.response.body", "body": answer.body})
            return
        if manner is Manner.DRIP:
            await self._drip(answer, transport, receive, send)
            return
        if manner is Manner.CUT:
            half = answer.body[: len(answer.body) // 2]
            await send(_start(answer))
            await send({"type": "http.response.body", "body": half, "more_body": True})
        if manner is Manner.RESET:
            _linger_zero(transport)
            transport.abort()
        elif manner is not Manner.HANG:
            transport.close()
        await self._pause(None, transport, receive)

    async def _drip(
        self, answer: Answer, transport: asyncio.Transport, receive: Receive, send: Send
    ) -> None:
        await send(_start(answer))
        size = max(1, -(-len(answer.body) // DRIPS))
        for at in range(0, len(answer.body), size):
            if not await self._pause(answer.seconds / DRIPS, transport, receive):
                return
            piece = answer.body[at : at + size]
            await send({"type": "http.response.body", "body": piece, "more_body": True})
        await send({"type": "http.response.body", "body": b""})

    async def _pause(
        self, seconds: float | None, transport: asyncio.Transport, receive: Receive
    ) -> bool:
        """Waits; true when the time is over, false as soon as the connection is gone.

        Without ``seconds`` only the end of the connection ends it.
        """
        self._waiting.add(transport)
        try:
            async with asyncio.timeout(seconds):
                while (await receive())["type"] != "http.disconnect":
                    pass
        except TimeoutError:
            return True
        finally:
            self._waiting.discard(transport)
        return False


async def _read_body(receive: Receive) -> bytes | None:
    """The whole body; ``None`` if it is too large (the rest is left unread).

    Raises :class:`ConnectionResetError` where the client went away in the middle of it.
    """
    chunks: list[bytes] = []
    size = 0
    more = True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ConnectionResetError
        chunks.append(message["body"])
        size += len(chunks[-1])
        if size > MAX_BODY:
            return None
        more = message["more_body"]
    return b"".join(chunks)


def _start(answer: Answer) -> dict[str, Any]:
    headers = [*answer.headers]
    if answer.status != 204:
        headers.append((b"content-type", answer.content_type))
        headers.append((b"content-length", b"%d" % len(answer.body)))
    return {"type": "http.response.start", "status": answer.status, "headers": headers}


def _linger_zero(transport: asyncio.Transport) -> None:
    """Makes closing send RST (socket(7), SO_LINGER with a time of zero)."""
    sock = transport.get_extra_info("socket")
    with contextlib.suppress(OSError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
