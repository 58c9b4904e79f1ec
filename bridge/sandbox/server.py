"""Serves the sandbox over HTTP.

Sends answers: with pauses, trickling bodies, or connections that hang, are closed or reset. The
content is decided before.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import Callable
from typing import Any

import structlog

from bridge.net.asgi import BodyTooLarge, Receive, Scope, Send, read_body
from bridge.net.http_server import Limits, WebServer
from bridge.sandbox.api import error_answer
from bridge.sandbox.errors import ApiError
from bridge.sandbox.exchange import Answer, ApiRequest
from bridge.sandbox.faults import Manner

log = structlog.get_logger()

MAX_BODY = 16 * 1024 * 1024
#: Number of pieces of a trickling body.
DRIPS = 8


class Server:
    """Listens and lets ``decide`` answer every request."""

    def __init__(self, decide: Callable[[ApiRequest], Answer]) -> None:
        self._decide = decide
        self._server = WebServer(self._application, Limits(max_body=MAX_BODY))
        self._waiting: set[asyncio.Transport] = set()

    async def start(self, host: str, port: int) -> int:
        """Listens; returns the port."""
        return await self._server.start(host, port)

    async def close(self) -> None:
        """Stops listening, closes connections that are kept waiting, lets the others finish."""
        for transport in self._waiting:
            transport.abort()
        await self._server.close()

    async def _application(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            body: bytes | None = await read_body(scope, receive, MAX_BODY)
        except BodyTooLarge:
            body = None
        except ConnectionResetError:
            return
        headers = dict(scope["headers"])
        request = ApiRequest(scope["method"], scope["path"], scope["query_string"], headers, body)
        try:
            answer = self._decide(request)
        except Exception:  # a client must get an answer
            log.exception("sandbox_request_failed", path=request.path)
            answer = error_answer(ApiError(500))
        if answer.manner is not Manner.PLAIN or answer.seconds:
            transport = scope["state"]["connection"].transport
            await self._send_in_manner(answer, transport, receive, send)
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
        """Waits; returns True after this time, False as soon as the connection is gone.

        Without ``seconds`` it waits for the end of the connection.
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
