"""``erase``: all data about a number, counted first."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.night_calls.asking import said, submit
from tests.running import Running, running
from tests.serving.clients import bound, listed
from tests.serving.daemon import write_config

PHONE = "050 123-45-67"


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    config = write_config(tmp_path, sandbox.url, account='answer = "queued"')
    async with running(config) as bridge:
        yield bridge


async def test_ended_messages_are_erased_and_those_on_their_way_stay(
    bridge: Running, sandbox: Sandbox
) -> None:
    sandbox.fault("400", phones=["+380501234567"])
    peer = await bound(bridge)
    ended = await submit(peer)
    await bridge.event("message_rejected", id=ended)
    await said(bridge, "hold", "upstream", "cascade")
    waits = await submit(peer)
    await said(bridge, "contacts", "add", PHONE)
    code, output = await bridge.command("erase", PHONE)
    assert code == 64
    assert [" ".join(line.split()) for line in output.splitlines()[:5]] == [
        "1 ended message",
        "0 messages from it",
        "0 notices of parts and refused recipients",
        "0 refusals",
        "1 contact",
    ]
    assert "Give --yes to erase them." in output
    assert await said(bridge, "erase", PHONE, "--yes") == (
        "Erased: 1 ended message, 1 contact.\n"
        "1 message is still on the way: trace and cancel what must not go out.\n"
    )
    audit = await bridge.event("audit", action="erase")
    assert audit["phone"] == "+3805******67"
    assert (await bridge.command("trace", str(ended)))[0] == 66
    assert (await bridge.command("trace", str(waits)))[0] == 0
    assert await listed(bridge, "contacts", "list") == []
    await peer.close()


async def test_for_programs_the_counts_are_json_alone(bridge: Running) -> None:
    await said(bridge, "contacts", "add", PHONE)
    code, output = await bridge.command("erase", PHONE, "--json")
    assert (code, "1" in output.partition("Usage")[0]) == (64, False)
    erased = await listed(bridge, "erase", PHONE, "--yes")
    assert (erased["messages"], erased["contacts"], erased["left"]) == (0, 1, 0)


async def test_an_unknown_number_has_nothing_to_erase(bridge: Running) -> None:
    assert await said(bridge, "erase", PHONE) == "There is nothing to erase.\n"
    code, output = await bridge.command("erase", "12")
    assert (code, "wrong phone number" in output) == (1, True)


async def test_without_a_daemon_nothing_is_erased(bridge: Running) -> None:
    await bridge.terminate()
    code, output = await bridge.command("erase", PHONE, "--yes")
    assert (code, "the daemon does not run" in output) == (69, True)
