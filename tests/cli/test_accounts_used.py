"""``accounts`` with a running bridge: the use of limits, and messages sent for a test."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.running import Running, running
from tests.serving.clients import bound, listed
from tests.serving.daemon import write_config
from tests.smpp.peer import a_submit

PASSWORD = "secret12\n"


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    async with running(write_config(tmp_path, sandbox.url, account="daily_limit = 10")) as bridge:
        yield bridge


async def test_an_account_is_shown_with_its_limits_and_their_use(bridge: Running) -> None:
    peer = await bound(bridge)
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0
    shown = await listed(bridge, "accounts", "show", "crm")
    assert (shown["name"], shown["daily_limit"], shown["accepted_today"]) == ("crm", 10, 1)
    assert (shown["binds"], shown["held"]) == (1, False)
    code, said = await bridge.command("accounts", "show", "crm")
    assert code == 0
    rows = dict(line.split(maxsplit=1) for line in said.splitlines())
    assert rows["today"] == "1 of 10"
    assert rows["binds"] == "1 of 8"
    code, said = await bridge.command("accounts", "show", "nobody")
    assert (code, said) == (67, "Error: There is no account 'nobody'.\n")
    await peer.close()


async def test_an_account_is_shown_without_a_daemon_too(bridge: Running) -> None:
    await bridge.terminate()
    assert (await listed(bridge, "accounts", "show", "crm"))["sender"] == "Shop"
    assert (await bridge.command("accounts", "show", "nobody"))[0] == 67


async def test_a_test_of_an_account_sends_a_message_if_asked(
    bridge: Running, sandbox: Sandbox
) -> None:
    code, said = await bridge.command("accounts", "test", "crm", input=PASSWORD)
    assert (code, said) == (0, "Password accepted for account crm.\n")
    assert not sandbox.messages
    to = ("accounts", "test", "crm", "--to", "+380501234567")
    code, said = await bridge.command(*to, input=PASSWORD)
    assert code == 0, said
    assert "Password accepted for account crm.\nMessage " in said
    [message] = sandbox.messages
    assert (message.phone, message.text) == ("+380501234567", "Test of the account crm")
    code, said = await bridge.command(*to, "--text", "Hello", "--json", input=PASSWORD)
    answer = json.loads(said)
    assert (answer["name"], answer["protocol"], answer["sent"]["parts"]) == ("crm", "smtp", 1)
    assert sandbox.messages[-1].text == "Hello"
    code, _ = await bridge.command(*to, input="wrong\n")
    assert code == 77
    code, said = await bridge.command("accounts", "test", "crm", "--to", "12", input=PASSWORD)
    assert code == 1
    assert "wrong phone number" in said
    assert len(sandbox.messages) == 2
