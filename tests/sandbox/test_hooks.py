"""Webhooks tell each status once, in order, in limited memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from structlog.testing import capture_logs

from bridge.sandbox import Sandbox, hooks
from bridge.sandbox.exchange import Answer, ApiRequest
from bridge.sandbox.server import Server
from tests.sandbox.samples import message, request


class Receiver:
    """A receiver of webhooks: keeps the bodies, answers with ``status``."""

    def __init__(self) -> None:
        self.status = 200
        self.notices: list[Any] = []
        self._came = asyncio.Event()

    def answer(self, got: ApiRequest) -> Answer:
        assert (got.method, got.path) == ("POST", "/hooks/status")
        self.notices.append(orjson.loads(got.body or b""))
        self._came.set()
        return Answer(self.status)

    async def wait_for(self, count: int) -> list[Any]:
        async with asyncio.timeout(30):
            while len(self.notices) < count:
                self._came.clear()
                await self._came.wait()
        return self.notices


@pytest.fixture
def receiver() -> Receiver:
    return Receiver()


@pytest.fixture
async def url(receiver: Receiver) -> AsyncIterator[str]:
    server = Server(receiver.answer)
    yield f"http://127.0.0.1:{await server.start('127.0.0.1', 0)}/hooks/status"
    await server.close()


async def test_each_status_is_posted_with_the_documented_body(receiver: Receiver, url: str) -> None:
    sandbox = Sandbox(hook_url=url, scheduled_for=0.02, processing_for=0.02)
    async with sandbox:
        sandbox.answer(request([message(), message(id="b", toPhone="+380501230002")]))
        notices = await receiver.wait_for(4)
    good, bad = (got.message_id for got in sandbox.messages)
    for message_id, statuses in (
        (good, ["processing", "delivered"]),
        (bad, ["processing", "undeliverable"]),
    ):
        told = [notice for notice in notices if notice["messageId"] == message_id]
        assert [notice["deliverystatus"] for notice in told] == statuses
        assert all(n.keys() == {"messageId", "deliverystatus", "timestamp", "cost"} for n in told)
    told_at = datetime.fromisoformat(notices[0]["timestamp"])
    assert abs((datetime.now(UTC) - told_at).total_seconds()) < 5


async def test_statuses_of_one_message_do_not_overtake(receiver: Receiver, url: str) -> None:
    async with Sandbox(hook_url=url, scheduled_for=0, processing_for=0) as sandbox:
        sandbox.answer(request([message(id=f"m-{n}") for n in range(40)]))
        notices = await receiver.wait_for(80)
    for got in sandbox.messages:
        told = [n["deliverystatus"] for n in notices if n["messageId"] == got.message_id]
        assert told == ["processing", "delivered"]


async def test_many_statuses_come_as_an_array(receiver: Receiver, url: str) -> None:
    sandbox = Sandbox(hook_url=url, hook_batch=100, scheduled_for=0, processing_for=0)
    async with sandbox:
        sandbox.answer(request([message(id=f"m-{n}") for n in range(5)]))
        first, second = await receiver.wait_for(2)
    for array, status in ((first, "processing"), (second, "delivered")):
        assert [one["deliverystatus"] for one in array] == [status] * 5


async def test_a_failed_hook_is_not_repeated(receiver: Receiver, url: str) -> None:
    receiver.status = 500
    async with Sandbox(hook_url=url, scheduled_for=0, processing_for=0.05) as sandbox:
        sandbox.answer(request([message()]))
        await receiver.wait_for(2)
    assert [n["deliverystatus"] for n in receiver.notices] == ["processing", "delivered"]


async def test_a_url_that_hangs_up_harms_nothing() -> None:
    came: asyncio.Queue[None] = asyncio.Queue()

    def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()
        came.put_nowait(None)

    server = await asyncio.start_server(hang_up, "127.0.0.1", 0)
    url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/"
    async with server, asyncio.timeout(30), Sandbox(hook_url=url, scheduled_for=0) as sandbox:
        for _ in range(2):
            assert sandbox.answer(request([message()])).status == 200
            await came.get()


async def test_what_is_too_much_is_dropped_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hooks, "MAX_WAITING", 10)
    async with Sandbox(hook_url="http://127.0.0.1:9/", scheduled_for=60) as sandbox:
        sandbox.answer(request([message(id=f"m-{n}") for n in range(8)]))
        assert sandbox.hooks is not None
        assert sandbox.hooks.dropped == 6


async def test_closing_gives_up_what_is_waiting(receiver: Receiver, url: str) -> None:
    async with Sandbox(hook_url=url, scheduled_for=60) as sandbox:
        sandbox.answer(request([message()]))
    assert receiver.notices == []


async def test_no_log_has_the_path_with_its_secret(receiver: Receiver, url: str) -> None:
    receiver.status = 404
    sandbox = Sandbox(hook_url=url, scheduled_for=0, processing_for=0)
    with capture_logs() as logs:
        async with sandbox:
            sandbox.answer(request([message()]))
            await receiver.wait_for(2)
            assert sandbox.hooks is not None
            async with asyncio.timeout(30):
                while sandbox.hooks.failed < 2:  # noqa: ASYNC110 - a number
                    await asyncio.sleep(0.01)
    assert [log["error"] for log in logs if log["event"] == "sandbox_hook_failed"] == [
        "HTTP 404",
        "HTTP 404",
    ]
    assert "/hooks/status" not in repr(logs)
