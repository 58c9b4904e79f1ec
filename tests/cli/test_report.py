"""``report``: what became of the messages of a day, by account."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, timedelta
from pathlib import Path

import pytest

from bridge.cli import run
from bridge.cli.report import _day, _reasons
from bridge.sandbox import Sandbox
from tests.night_calls.asking import said, submit
from tests.running import Running, running
from tests.serving.clients import bound, listed
from tests.serving.daemon import write_config
from tests.smpp.peer import a_submit


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    """A bridge that sent a message, failed to send one, and refused one."""
    sandbox.fault("400", phones=["+380501234567"])
    config = write_config(tmp_path, sandbox.url, account='answer = "queued"')
    async with running(config) as bridge:
        peer = await bound(bridge)
        await submit(peer, b"380671234567")
        rejected = await submit(peer)
        assert (await peer.ask("submit_sm", a_submit(to=b"123"))).command_status == 0x0B
        await bridge.event("message_rejected", id=rejected)
        await peer.close()
        async with asyncio.timeout(60):  # refusals are stored every second
            while not (await listed(bridge, "report"))[0]["refused"]:
                pass
        yield bridge


async def test_sent_failed_and_refused_messages_are_counted(bridge: Running) -> None:
    [row] = await listed(bridge, "report")
    assert (row["account"], row["accepted"], row["parts"]) == ("crm", 2, 2)
    assert sum(row["failed"].values()) == 1
    assert sum(row["refused"].values()) == 1
    head, line = (await said(bridge, "report")).splitlines()
    assert " ".join(head.split()) == (
        "account accepted sent delivered waiting held cancelled parts cost failed refused"
    )
    assert line.split()[:2] == ["crm", "2"]
    assert "1 wrong phone number" in line
    csv = (await said(bridge, "report", "--csv")).splitlines()
    assert csv[0] == ",".join(head.split())
    assert csv[1].startswith("crm,2,")


async def test_other_days_and_accounts_have_none(bridge: Running) -> None:
    yesterday = date.today() - timedelta(days=1)
    nothing = f"No message was accepted or refused on {yesterday}.\n"
    assert await said(bridge, "report", "--day", "yesterday") == nothing
    assert await listed(bridge, "report", "--account", "erp") == []


async def test_it_is_read_without_a_daemon_too(bridge: Running) -> None:
    await bridge.terminate()
    [row] = await listed(bridge, "report", "--day", str(date.today()))
    assert row["accepted"] == 2


def test_the_most_frequent_reason_comes_first() -> None:
    assert _reasons({"rare": 1, "often": 2000}) == "2,000 often, 1 rare"
    assert _reasons({}) == "-"


def test_a_day_has_a_name_or_a_date(capsys: pytest.CaptureFixture[str]) -> None:
    context, parameter = None, None
    assert _day(context, parameter, "2026-11-01") == date(2026, 11, 1)  # type: ignore[arg-type]
    assert run(["report", "--day", "tomorrow"]) == 64
    error = capsys.readouterr().err
    assert '\'tomorrow\' is not "today", "yesterday" or a date such as 2026-11-26' in error
