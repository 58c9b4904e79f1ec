"""HTTP: answers, and faults of connections."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import orjson
import pytest

from bridge.sandbox import Sandbox
from bridge.sandbox.server import MAX_BODY
from tests.sandbox.samples import HEADERS, SEND, batch, message


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(
        base_url=sandbox.url, headers=HEADERS, timeout=30, trust_env=False
    ) as client:
        yield client


def raw_request(size: int = 1) -> bytes:
    body = orjson.dumps(batch(size))
    head = f"POST {SEND} HTTP/1.1\r\nHost: sandbox\r\nContent-Length: {len(body)}\r\n"
    return (head + "".join(f"{n}: {v}\r\n" for n, v in HEADERS.items())).encode() + b"\r\n" + body


@asynccontextmanager
async def connection(
    sandbox: Sandbox,
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    host, port = sandbox.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    try:
        yield reader, writer
    finally:
        writer.close()


async def test_a_batch_goes_over_the_wire(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    response = await client.post(SEND, json=batch(1000))
    assert response.status_code == 200
    assert response.headers["content-type"] == "application/json"
    assert [element["trackinId"] for element in response.json()] == [
        f"bulk-{n}" for n in range(1000)
    ]


async def test_a_connection_is_kept_for_many_requests(sandbox: Sandbox) -> None:
    async with connection(sandbox) as (reader, writer):
        for _ in range(3):
            writer.write(raw_request())
            head = await reader.readuntil(b"\r\n\r\n")
            length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
            assert len(orjson.loads(await reader.readexactly(length))) == 1
    assert sandbox.message_count == 3


async def test_the_views_go_over_the_wire(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    put = await client.put("/sandbox/faults", json={"fault": "429", "retry_after": 3})
    assert put.status_code == 200
    refused = await client.post(SEND, json=[message()])
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "3")
    assert (await client.delete("/sandbox/faults")).status_code == 204
    assert (await client.post(SEND, json=[message()])).status_code == 200
    shown = (await client.get("/sandbox/messages", params={"since": 0, "limit": 1})).json()
    assert shown["messages"][0]["message"] == message()


async def test_a_body_above_the_limit_is_refused(sandbox: Sandbox) -> None:
    async with connection(sandbox) as (reader, writer):
        head = raw_request().split(b"\r\n\r\n")[0].decode()
        lines = [line for line in head.split("\r\n") if not line.startswith("Content-Length")]
        head = "\r\n".join([*lines, f"Content-Length: {MAX_BODY + 1}"])
        writer.write(head.encode() + b"\r\n\r\n" + b" " * (MAX_BODY + 1))
        assert (await reader.readline()).startswith(b"HTTP/1.1 413")


async def test_half_a_request_is_no_request(sandbox: Sandbox) -> None:
    async with connection(sandbox) as (_, writer):
        writer.write(raw_request(5)[:-10])
        await writer.drain()
    async with connection(sandbox) as (reader, writer):
        writer.write(raw_request())
        await reader.readline()
    assert [seen.size for seen in sandbox.requests] == [1]


async def test_an_error_of_our_own_is_500_and_tells_nothing() -> None:
    times = [1737799200.0]

    def broken() -> float:
        if not times:
            raise OSError("no clock")
        return times.pop()

    async with (
        Sandbox(clock=broken) as sandbox,
        httpx.AsyncClient(base_url=sandbox.url, headers=HEADERS, timeout=30) as client,
    ):
        response = await client.post(SEND, json=[message()])
        assert response.status_code == 500
        assert "clock" not in response.text


async def test_slow_answers_late(sandbox: Sandbox, client: httpx.AsyncClient) -> None:
    sandbox.fault("slow", seconds=0.1)
    started = time.monotonic()
    response = await client.post(SEND, json=[message()])
    assert time.monotonic() - started >= 0.1
    assert response.json()[0]["trackinId"] == "order-12345"


async def test_a_client_that_gives_up_on_a_slow_answer_has_sent(sandbox: Sandbox) -> None:
    sandbox.fault("slow", seconds=60)
    patience = httpx.Timeout(30, read=0.05)
    async with httpx.AsyncClient(base_url=sandbox.url, headers=HEADERS, timeout=patience) as client:
        with pytest.raises(httpx.ReadTimeout):
            await client.post(SEND, json=[message()])
    await sandbox.wait_for(1)


async def test_a_slow_body_trickles(sandbox: Sandbox) -> None:
    sandbox.fault("slow-body", seconds=0.1)
    async with connection(sandbox) as (reader, writer):
        writer.write(raw_request(5))
        head = await reader.readuntil(b"\r\n\r\n")
        started = time.monotonic()
        length = int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0])
        body = await reader.readexactly(length)
        assert time.monotonic() - started >= 0.05
    assert len(orjson.loads(body)) == 5


@pytest.mark.parametrize(("name", "sent"), [("hang", 0), ("hang-after", 1)])
async def test_hang_never_answers(sandbox: Sandbox, name: str, sent: int) -> None:
    sandbox.fault(name)
    async with connection(sandbox) as (reader, writer):
        writer.write(raw_request())
        async with asyncio.timeout(30):
            while not sandbox.requests:  # noqa: ASYNC110 - a number, not an event
                await asyncio.sleep(0.01)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await reader.read(1)
    assert sandbox.message_count == sent


@pytest.mark.parametrize(("name", "sent"), [("hang-up", 0), ("hang-up-after", 1)])
async def test_hang_up_closes_without_a_byte(sandbox: Sandbox, name: str, sent: int) -> None:
    sandbox.fault(name)
    async with connection(sandbox) as (reader, writer):
        writer.write(raw_request())
        assert await reader.read() == b""
    assert sandbox.message_count == sent


@pytest.mark.parametrize(("name", "sent"), [("reset", 0), ("reset-after", 1)])
async def test_reset_breaks_the_connection(sandbox: Sandbox, name: str, sent: int) -> None:
    sandbox.fault(name)
    async with connection(sandbox) as (reader, writer):
        writer.write(raw_request())
        with pytest.raises(ConnectionResetError):
            await reader.read()
    assert sandbox.message_count == sent


async def test_cut_ends_in_the_middle_of_the_body(
    sandbox: Sandbox, client: httpx.AsyncClient
) -> None:
    sandbox.fault("cut", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        await client.post(SEND, json=batch(3))
    assert sandbox.message_count == 3
    assert (await client.post(SEND, json=batch(3))).status_code == 200


@pytest.mark.parametrize("name", ["hang", "slow", "slow-body"])
async def test_closing_does_not_wait_for_clients_kept_waiting(name: str) -> None:
    decided = asyncio.Event()
    sandbox = Sandbox(on_request=lambda _: decided.set())
    sandbox.fault(name, **({} if name == "hang" else {"seconds": 60}))
    await sandbox.start()
    async with connection(sandbox) as (reader, writer), connection(sandbox):
        writer.write(raw_request())
        if name == "slow-body":
            await reader.readuntil(b"\r\n\r\n")
        await decided.wait()
        async with asyncio.timeout(30):
            await sandbox.close()
        with pytest.raises((ConnectionResetError, asyncio.IncompleteReadError)):
            await reader.readexactly(10_000)
    with pytest.raises(OSError):
        async with connection(sandbox):
            pass
