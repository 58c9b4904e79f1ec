"""The body of a request, whole or too large, and a whole response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from bridge.net.asgi import BodyTooLarge, TooManyBodies, read_body, respond, skip_body

LIMIT = 100
GONE = {"type": "http.disconnect"}


class Arriving:
    """A request whose body comes in these pieces; it may hold ``room`` octets."""

    def __init__(self, *pieces: bytes, leaves: bool = False, room: int = 10_000) -> None:
        last = len(pieces) - 1
        self.messages: list[dict[str, Any]] = [
            {"type": "http.request", "body": piece, "more_body": n < last or leaves}
            for n, piece in enumerate(pieces)
        ]
        self.room = room
        self.held = 0
        self.whole = False

    @property
    def scope(self) -> dict[str, Any]:
        return {"state": {"connection": self}}

    async def receive(self) -> dict[str, Any]:
        return self.messages.pop(0) if self.messages else GONE

    def came(self) -> None:
        self.whole = True

    def hold(self, octets: int) -> None:
        self.held += octets
        if self.held > self.room:
            raise TooManyBodies

    async def read(self) -> bytes:
        return await read_body(self.scope, self.receive, LIMIT)


@pytest.mark.parametrize("pieces", [(b"",), (b"x" * LIMIT,), (b"ab", b"", b"c"), (b"a", b"b" * 99)])
async def test_a_body_is_all_its_pieces(pieces: tuple[bytes, ...]) -> None:
    request = Arriving(*pieces)
    body = b"".join(pieces)
    assert await request.read() == body
    assert (request.held, request.whole) == (len(body), True)


async def test_a_body_over_the_limit_is_refused_when_it_has_come() -> None:
    request = Arriving(b"x" * (LIMIT + 1))
    with pytest.raises(BodyTooLarge):
        await request.read()
    in_pieces = Arriving(b"x" * LIMIT, b"x", b"x")
    with pytest.raises(BodyTooLarge):
        await in_pieces.read()
    # The client is heard to its end, so that it gets the reason; nothing of it is kept.
    assert in_pieces.messages == []
    assert (in_pieces.held, in_pieces.whole) == (LIMIT, True)


async def test_a_body_without_end_is_refused_in_the_middle() -> None:
    request = Arriving(*[b"x" * LIMIT] * 100)
    with pytest.raises(BodyTooLarge):
        await request.read()
    assert len(request.messages) == 95  # four times the limit, and one piece more


@pytest.mark.parametrize("pieces", [(b"x" * 50,), (b"x" * 30, b"x" * 30)])
async def test_a_body_without_room_in_memory_is_refused(pieces: tuple[bytes, ...]) -> None:
    with pytest.raises(TooManyBodies):
        await Arriving(*pieces, room=40).read()


@pytest.mark.parametrize("pieces", [(), (b"a",), (b"a", b"b")])
async def test_a_client_that_left_before_the_end_has_no_body(pieces: tuple[bytes, ...]) -> None:
    request = Arriving(*pieces, leaves=True)
    with pytest.raises(ConnectionResetError):
        await request.read()
    assert not request.whole


async def test_a_body_is_skipped_up_to_a_limit() -> None:
    async def skipped(request: Arriving) -> bool:
        return await skip_body(request.scope, request.receive, LIMIT)

    short = Arriving(b"x" * 60, b"x" * 30, b"x")
    assert await skipped(short)
    assert (short.held, short.whole, short.messages) == (0, True, [])
    assert await skipped(Arriving(b"x"))
    long = Arriving(*[b"x" * 60] * 10)
    assert not await skipped(long)
    assert len(long.messages) == 7
    assert not await skipped(Arriving(b"x", leaves=True))


async def response(answer: Callable[..., Awaitable[None]], *given: Any) -> list[dict[str, Any]]:
    sent: list[dict[str, Any]] = []

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await answer(send, *given)
    return sent


async def test_a_response_has_its_length() -> None:
    head, body = await response(respond, 200, [(b"x-a", b"1")], b"ok")
    assert head == {
        "type": "http.response.start",
        "status": 200,
        "headers": [(b"x-a", b"1"), (b"content-length", b"2")],
    }
    assert body == {"type": "http.response.body", "body": b"ok"}


async def test_a_response_without_content_has_none() -> None:
    head, body = await response(respond, 204)
    assert (head["headers"], body["body"]) == ([], b"")
    head, _ = await response(respond, 404)
    assert head["headers"] == [(b"content-length", b"0")]
