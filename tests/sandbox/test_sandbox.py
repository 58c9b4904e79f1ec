"""The sandbox as other tests use it: in their own event loop."""

from __future__ import annotations

import asyncio

import httpx
import pytest

from bridge.sandbox import FaultError, Sandbox, make_fault
from tests.sandbox.samples import HEADERS, SEND, batch, message, request


async def test_it_starts_on_a_free_port_and_can_be_started_again() -> None:
    sandbox = Sandbox()
    for _ in range(2):
        url = await sandbox.start()
        assert url == sandbox.url
        async with httpx.AsyncClient(base_url=url, headers=HEADERS, timeout=30) as client:
            assert (await client.post(SEND, json=[message()])).status_code == 200
        await sandbox.close()
    assert sandbox.message_count == 2


async def test_closing_twice_or_before_the_start_is_harmless() -> None:
    sandbox = Sandbox()
    await sandbox.close()
    await sandbox.start()
    await sandbox.close()
    await sandbox.close()


async def test_a_taken_port_is_an_error() -> None:
    async with Sandbox() as first:
        port = int(first.url.rsplit(":", 1)[1])
        with pytest.raises(OSError, match="in use"):
            await Sandbox().start(port=port)


async def test_an_ipv6_address_is_written_as_a_url_wants_it() -> None:
    sandbox = Sandbox()
    try:
        url = await sandbox.start("::1")
    except OSError:
        pytest.skip("no IPv6 here")
    assert url.startswith("http://[::1]:")
    await sandbox.close()


async def test_messages_can_be_waited_for() -> None:
    sandbox = Sandbox()
    waiting = asyncio.create_task(sandbox.wait_for(3))
    await asyncio.sleep(0)
    sandbox.answer(request(batch(2)))
    await asyncio.sleep(0)
    assert not waiting.done()
    sandbox.answer(request([message()]))
    assert [got.id for got in await waiting] == ["bulk-0", "bulk-1", "order-12345"]
    assert len(await sandbox.wait_for(1)) == 3
    with pytest.raises(TimeoutError):
        await sandbox.wait_for(4, timeout=0.01)


def test_a_message_reads_by_name() -> None:
    sandbox = Sandbox()
    sandbox.answer(request([message()]))
    [got] = sandbox.messages
    assert (got.id, got.phone, got.text) == (
        "order-12345",
        "+380501234567",
        "Your order has been confirmed",
    )
    assert (got.number, got.route, got.item["fromName"]) == (1, "async", "YourStore")


def test_faults_are_switched_on_and_off() -> None:
    sandbox = Sandbox(faults=[make_fault("500")])
    assert sandbox.answer(request([message()])).status == 500
    sandbox.clear_faults()
    assert sandbox.answer(request([message()])).status == 200
    sandbox.fault("401", count=1)
    assert sandbox.answer(request([message()])).status == 401
    with pytest.raises(FaultError):
        sandbox.fault("gone")


def test_clearing_forgets_what_came_and_keeps_the_faults() -> None:
    sandbox = Sandbox()
    sandbox.answer(request([message()]))
    sandbox.fault("500")
    sandbox.clear()
    assert (sandbox.messages, sandbox.requests, sandbox.message_count) == ([], [], 0)
    assert [fault.name for fault in sandbox.faults] == ["500"]


def test_on_request_is_called_with_every_request() -> None:
    heard: list[tuple[int, int]] = []
    sandbox = Sandbox(on_request=lambda seen: heard.append((seen.status, seen.size)))
    sandbox.answer(request(batch(2)))
    sandbox.answer(request([]))
    assert heard == [(200, 2), (400, 0)]
