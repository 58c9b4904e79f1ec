"""ASGI's types, and what every application here does with a request: read its body and respond."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Final, Protocol

Scope = dict[str, Any]
Receive = Callable[[], Coroutine[Any, Any, dict[str, Any]]]
Send = Callable[[dict[str, Any]], Coroutine[Any, Any, None]]
Application = Callable[[Scope, Receive, Send], Coroutine[Any, Any, None]]
Headers = Iterable[tuple[bytes, bytes]]

#: A body that is too large is read up to this multiple of the limit: a client that is still writing
#: must get the reason.
_PATIENCE: Final = 4


class BodyTooLarge(Exception):  # noqa: N818 - says what is the matter
    """The body is larger than allowed."""


class TooManyBodies(Exception):  # noqa: N818 - says what is the matter
    """Large requests of others leave no room for this one."""


class ArrivingRequest(Protocol):
    """The part of :class:`bridge.net.http_server.HttpConnection` that reading a body uses."""

    def came(self) -> None: ...

    def hold(self, octets: int) -> None: ...


async def read_body(scope: Scope, receive: Receive, max_body: int) -> bytes:
    """The whole body of a request.

    Raises :class:`BodyTooLarge` or :class:`TooManyBodies`, and ConnectionResetError if the client
    left before its end.
    """
    connection: ArrivingRequest = scope["state"]["connection"]
    message = await receive()
    if message["type"] == "http.request" and not message["more_body"]:
        connection.came()
        body: bytes = message["body"]
        if len(body) > max_body:
            raise BodyTooLarge
        connection.hold(len(body))
        return body
    chunks: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        chunks.append(message["body"])
        size += len(chunks[-1])
        if size > max_body:
            chunks.clear()
        else:
            connection.hold(len(chunks[-1]))
        if not message["more_body"] or size > _PATIENCE * max_body:
            connection.came()
            if size > max_body:
                raise BodyTooLarge
            return b"".join(chunks)
        message = await receive()
    raise ConnectionResetError


async def skip_body(scope: Scope, receive: Receive, most: int) -> bool:
    """Reads and discards a body, so that the client, which may still be writing, gets the answer.

    False if the body did not end within ``most`` bytes: the connection cannot be used any more.
    """
    size = 0
    message = await receive()
    while message["type"] == "http.request" and message["more_body"] and size <= most:
        size += len(message["body"])
        message = await receive()
    scope["state"]["connection"].came()
    return message["type"] == "http.request" and not message["more_body"]


async def respond(send: Send, status: int, headers: Headers = (), body: bytes = b"") -> None:
    """Sends a whole response."""
    length = () if status == 204 else ((b"content-length", b"%d" % len(body)),)
    await send({"type": "http.response.start", "status": status, "headers": [*headers, *length]})
    await send({"type": "http.response.body", "body": body})
