"""``failures``: failed messages by reason, and the newest."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.night_calls.asking import said, submit
from tests.running import Running, running
from tests.serving.clients import bound, listed
from tests.serving.daemon import write_config

WRONG, UNWANTED = "+380501234567", "+380671234567"


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    """A bridge with two messages that the API refused for one reason, and one for another."""
    sandbox.fault("400", phones=[WRONG], code="INVALID_PHONE")
    sandbox.fault("400", phones=[UNWANTED], code="INVALID_SENDER")
    config = write_config(tmp_path, sandbox.url, account='answer = "queued"')
    async with running(config) as bridge:
        peer = await bound(bridge)
        for phone in (WRONG, WRONG, UNWANTED):
            id = await submit(peer, phone[1:].encode())
            await bridge.event("message_rejected", id=id)
        await peer.close()
        yield bridge


async def test_reasons_are_counted_and_the_newest_listed(bridge: Running) -> None:
    reasons, newest = (await said(bridge, "failures")).split("\n\n")
    head, *rows = reasons.splitlines()
    assert head.split() == ["messages", "reason", "newest"]
    assert [row.split()[:2] for row in rows] == [["2", "WRONG_PHONE"], ["1", "SENDER_NOT_ALLOWED"]]
    head, *rows = newest.splitlines()
    assert head.split() == ["id", "accepted", "account", "phone", "state", "why"]
    assert [row.split()[3:5] for row in rows] == [
        [UNWANTED, "rejected"],
        [WRONG, "rejected"],
        [WRONG, "rejected"],
    ]
    assert "INVALID_SENDER" in rows[0]


async def test_a_reason_and_an_account_narrow_the_list(bridge: Running) -> None:
    found = await listed(bridge, "failures", "--reason", "WRONG_PHONE", "--limit", "1")
    assert [one["phone"] for one in found["newest"]] == [WRONG]
    nothing = "No such message failed in the last 24 hours.\n"
    assert await said(bridge, "failures", "--account", "erp") == nothing


async def test_they_are_read_without_a_daemon_too(bridge: Running) -> None:
    await bridge.terminate()
    assert len((await listed(bridge, "failures"))["newest"]) == 3


async def test_a_day_without_failures(tmp_path: Path, sandbox: Sandbox) -> None:
    (tmp_path / "new").mkdir()
    async with running(write_config(tmp_path / "new", sandbox.url)) as bridge:
        assert await said(bridge, "failures") == "No message failed in the last 24 hours.\n"
