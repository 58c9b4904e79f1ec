"""Requests to the API: their form, and the meaning of errors."""

from __future__ import annotations

import asyncio

import pytest

from bridge.cascade.answers import HttpAnswer
from bridge.cascade.client import MAX_ANSWER, CascadeClient
from bridge.config.settings import Cascade
from bridge.model.message import Route
from tests.net.raw_http import Peer, Script, answers, full_backlog, raw_server
from tests.support import free_port

KEYS = {"X-Authorization-Key": "key"}
#: More than the system takes for a server that does not read.
HUGE = bytes(64 * 1024 * 1024)


def client(port: int, **more: object) -> CascadeClient:
    base = {"base_url": f"http://127.0.0.1:{port}/", "authorization_key": "key"}
    return CascadeClient(Cascade.model_validate(base | more))


async def posted(script: Script, body: bytes = b"[]", **more: object) -> HttpAnswer:
    """The answer to one request that a server with this script gets."""
    async with raw_server(script) as server:
        api = client(server.port, **more)
        answer = await api.post(Route.ASYNC, KEYS, body)
        await api.close()
    return answer


async def test_requests_as_the_api_gets_them() -> None:
    async with raw_server(answers(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")) as server:
        api = client(server.port)
        await api.post(Route.ASYNC, KEYS, b"[1]")
        await api.post(Route.ASYNC, KEYS | {"X-Tg-Bot-Key": "bot"}, b"[22]")
        await api.ask(KEYS, "a/b")
        await api.close()
        first, second, third = (peer.requests[0].decode() for peer in server.peers)
    head, _, body = first.partition("\r\n\r\n")
    assert head.startswith("POST /")
    fields = dict(line.split(": ", 1) for line in head.split("\r\n")[1:])
    assert fields.pop("User-Agent").startswith("cascade-bridge/")
    assert fields == {
        "Host": f"127.0.0.1:{server.port}",
        "Content-Type": "application/json",
        "Accept": "application/json",
        "Accept-Encoding": "identity",
        "X-Authorization-Key": "key",
        "Content-Length": "3",
    }
    assert body == "[1]"
    assert "X-Tg-Bot-Key: bot\r\n" in second
    assert second.endswith("\r\n\r\n[22]")
    assert third.startswith("GET /")
    assert "/a%2Fb HTTP/1.1\r\n" in third
    assert "Content-Length" not in third


async def test_answers() -> None:
    busy = b"HTTP/1.1 429 Too Many\r\nRetry-After: 7\r\nContent-Length: 2\r\n\r\nno"
    assert await posted(answers(busy)) == HttpAnswer(429, b"no", "7")


async def _silent(peer: Peer) -> None:
    await peer.request()
    await peer.reader.read(1)


async def _reset(peer: Peer) -> None:
    await peer.request()
    peer.reset()


async def _unread(peer: Peer) -> None:
    await asyncio.Event().wait()


async def _reset_in_a_request(peer: Peer) -> None:
    await peer.reader.readuntil(b"\r\n\r\n")
    peer.reset()


async def _endless(peer: Peer) -> None:
    await peer.request()
    await peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        await peer.send(bytes(65536))


@pytest.mark.parametrize(
    ("script", "body", "timeout", "sent"),
    [
        (_silent, b"[]", "200ms", True),
        (_reset, b"[]", "30s", True),
        (answers(b""), b"[]", "30s", True),
        (answers(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n["), b"[]", "30s", True),
        (answers(b"220 mail.example.com\r\n"), b"[]", "30s", True),
        (_endless, b"[]", "30s", True),
        (_unread, HUGE, "200ms", False),
        (_reset_in_a_request, HUGE, "30s", False),
    ],
)
async def test_failures_tell_whether_the_request_was_sent(
    script: Script, body: bytes, timeout: str, sent: bool
) -> None:
    answer = await posted(script, body, timeout=timeout)
    assert (answer.status, answer.sent) == (0, sent), answer.trouble
    assert answer.trouble


async def test_nothing_is_sent_without_a_connection() -> None:
    api = client(port := free_port())
    refused = await api.post(Route.ASYNC, KEYS, b"[]")
    await api.close()
    assert (refused.status, refused.sent) == (0, False)
    assert refused.trouble.startswith("ConnectError: ")
    assert refused.trouble.endswith(f"(127.0.0.1:{port})")
    with full_backlog() as port:
        api = client(port, timeout="200ms")
        late = await api.post(Route.ASYNC, KEYS, b"[]")
        await api.close()
    assert (late.status, late.sent) == (0, False)
    assert late.trouble.startswith("ConnectTimeout: ")


async def test_an_answer_may_be_large_but_not_endless() -> None:
    head = b"HTTP/1.1 200 OK\r\n\r\n"
    assert len((await posted(answers(head + bytes(MAX_ANSWER)))).body) == MAX_ANSWER
    assert (await posted(answers(head + bytes(MAX_ANSWER + 1)))).trouble
