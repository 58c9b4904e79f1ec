"""What somebody on call asks at night: a fault is staged, one command answers.

The page for them is docs/operations.md.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import MessageIdResp, Pdu
from tests.serving.daemon import Bridge, serving, write_config
from tests.serving.test_control import bound, connect, listed
from tests.smpp.peer import Peer, a_submit
from tests.smtp.client import connected
from tests.support import free_port


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(scheduled_for=0.05, processing_for=0.05) as sandbox:
        yield sandbox


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    account = 'answer = "queued"\nwindow = 3'
    async with serving(write_config(tmp_path, sandbox.url, account=account)) as bridge:
        yield bridge


async def submit(peer: Peer, to: bytes = b"380501234567", *, registered_delivery: int = 0) -> int:
    submitted = a_submit(to=to, registered_delivery=registered_delivery)
    answer = await peer.ask("submit_sm", submitted)
    assert answer.command_status == 0
    assert isinstance(answer.body, MessageIdResp)
    return int(answer.body.message_id)


async def said(bridge: Bridge, *command: str) -> str:
    code, text = await bridge.command(*command)
    assert code == 0, text
    return text


async def until(bridge: Bridge, pattern: str, *command: str) -> str:
    """What a command says once the pattern is in it."""
    text = ""
    for _ in range(40):
        _, text = await bridge.command(*command)
        if re.search(pattern, text):
            return text
        await asyncio.sleep(0.1)
    raise AssertionError(f"{pattern} is not in:\n{text}")


async def test_1_refused_by_the_api_after_queued_was_answered(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    sandbox.fault("400", phones=["+380501234567"])
    peer = await bound(bridge)
    id = await submit(peer)
    await bridge.event("message_rejected", id=id)
    text = await said(bridge, "trace", str(id))
    assert "rejected" in text
    assert "by the API: " in text
    await peer.close()


@pytest.mark.parametrize(
    ("fault", "status", "words"),
    [("401", "refused", "401"), ("429", "slowed down", "429"), ("503", "broken", "503")],
)
async def test_2_and_3_the_api_takes_nothing_since_when_and_what_it_says(
    fault: str, status: str, words: str, bridge: Bridge, sandbox: Sandbox
) -> None:
    sandbox.fault(fault)
    peer = await bound(bridge)
    ids = [await submit(peer) for _ in range(2)]
    await bridge.event("batch_not_taken")
    text = await said(bridge, "top", "--once")
    [line] = [line for line in text.splitlines() if line.startswith("upstream ")]
    assert f"cascade {status} since " in line
    assert words in line
    [known] = json.loads(await said(bridge, "top", "--json"))["upstreams"]
    assert (known["status"], known["since"] is None) == (status, False)
    if fault != "503":
        text = await said(bridge, "trace", str(ids[1]))
        assert "the API takes nothing since " in text
        assert words in text
        assert "messages wait" in text
        assert "as soon as it is its turn" not in text
    await peer.close()


async def test_4_the_host_of_the_api_cannot_be_reached(tmp_path: Path) -> None:
    port = free_port()
    async with serving(write_config(tmp_path, f"http://127.0.0.1:{port}")) as bridge:
        peer = await bound(bridge)
        peer.write(Pdu("submit_sm", 7, a_submit()))
        await bridge.event("batch_not_taken")
        text = await said(bridge, "top", "--once")
        [line] = [line for line in text.splitlines() if line.startswith("upstream ")]
        assert "cascade broken since " in line
        assert f"127.0.0.1:{port}" in line
        await peer.close()


async def test_6_a_client_is_blocked_after_wrong_passwords(bridge: Bridge) -> None:
    for _ in range(10):
        peer = await connect(bridge)
        await peer.bind(password=b"wrong")
        await peer.close()
    text = await said(bridge, "blocked", "list")
    assert re.search(r"127\.0\.0\.1 +crm +[\d:]+ +10 ", text)
    assert "block" in await said(bridge, "blocked", "lift", "127.0.0.1")
    assert await said(bridge, "blocked", "list") == "Nobody is blocked.\n"


async def test_7_a_client_is_throttled_by_its_rate(tmp_path: Path, sandbox: Sandbox) -> None:
    config = write_config(tmp_path, sandbox.url, account="rate = 0.001")
    async with serving(config) as bridge:
        peer = await bound(bridge)
        await submit(peer)
        assert (await peer.ask("submit_sm", a_submit())).command_status == 0x58
        text = await said(bridge, "sessions", "list")
        assert "ESME_RTHROTTLED: too fast: over 0.001 messages a second" in text
        await peer.close()


async def test_7_a_client_is_over_its_daily_limit(tmp_path: Path, sandbox: Sandbox) -> None:
    config = write_config(tmp_path, sandbox.url, account="daily_limit = 1")
    async with serving(config) as bridge:
        peer = await bound(bridge)
        await submit(peer)
        assert (await peer.ask("submit_sm", a_submit())).command_status == 0x58
        text = await said(bridge, "sessions", "list")
        assert "ESME_RTHROTTLED: too fast: over 1 messages a day" in text
        [account] = json.loads(await said(bridge, "accounts", "list", "--json"))
        assert (account["daily_limit"], account["accepted_today"]) == (1, 1)
        await peer.close()


async def test_8_the_window_is_full(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("slow", seconds=5)
    async with serving(write_config(tmp_path, sandbox.url, account="window = 2")) as bridge:
        peer = await bound(bridge)
        for number in range(1, 4):
            peer.write(Pdu("submit_sm", number, a_submit()))
        assert (await peer.read()).command_status == 0x58
        text = await said(bridge, "sessions", "list")
        assert " 2/2 " in text
        assert "ESME_RTHROTTLED: over the window" in text
        await peer.close()


async def test_9_no_receipt_because_the_submit_did_not_ask(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    peer = await bound(bridge)
    id = await submit(peer)
    assert "the account did not ask for one" in await said(bridge, "trace", str(id))
    await peer.close()


async def test_10_no_receipt_because_no_receiver_is_bound(bridge: Bridge, sandbox: Sandbox) -> None:
    peer = await connect(bridge)
    assert (await peer.bind("bind_transmitter", password=b"secret12")).command_status == 0
    sandbox.fault("400", phones=["+380501234567"])
    id = await submit(peer, registered_delivery=1)
    await bridge.event("message_rejected", id=id)
    assert "no receiver has been bound yet" in await said(bridge, "trace", str(id))
    await peer.close()


async def test_11_the_receiver_answers_an_error(bridge: Bridge, sandbox: Sandbox) -> None:
    peer = await bound(bridge)
    sandbox.fault("400", phones=["+380501234567"])
    id = await submit(peer, registered_delivery=1)
    receipt = await peer.read()
    assert receipt.command == "deliver_sm"
    peer.write(Pdu("deliver_sm_resp", receipt.sequence_number, MessageIdResp(b""), (), 0x64))
    text = await until(bridge, "ESME_RX_T_APPN", "trace", str(id))
    assert "tried again" in text
    await peer.close()


async def test_14_a_number_never_gets_anything(tmp_path: Path, sandbox: Sandbox) -> None:
    config = write_config(tmp_path, sandbox.url, account='countries = ["UA"]')
    async with serving(config) as bridge:
        smtp, _ = await bridge.ready()
        peer = await bound(bridge)
        refused = await peer.ask("submit_sm", a_submit(to=b"447911123456"))
        assert refused.command_status == 0x45
        async with connected(smtp.port) as client:
            login = "AUTH PLAIN AGNybQBzZWNyZXQxMg=="
            assert (await client.ask(login)).startswith("235")
            await client.ask("MAIL FROM:<erp@example.com>")
            answer = await client.ask("RCPT TO:<447911123456@sms.example.com>")
            assert answer.startswith("550")
        text = await until(bridge, r"(?s)recipient.*submission", "trace", "+44 7911 123456")
        assert text.count("country not allowed") == 2
        found = await listed(bridge, "trace", "447911123456")
        assert {one["account"] for one in found} == {"crm"}
        await peer.close()


async def test_15_a_text_may_have_arrived_twice(bridge: Bridge, sandbox: Sandbox) -> None:
    sandbox.fault("reset-after", count=1)
    peer = await bound(bridge)
    id = await submit(peer)
    await sandbox.wait_for(2)
    text = await until(bridge, "the API took it", "trace", str(id))
    assert "attempt" in text
    assert "it waits again" in text
    await peer.close()


async def test_17_how_it_was_over_the_last_hour(bridge: Bridge) -> None:
    await bridge.ready()
    text = await said(bridge, "top", "--history", "hour")
    assert text.splitlines()[0].split()[:4] == ["time", "accepted", "sent", "failed"]


async def test_18_which_are_held_and_why(bridge: Bridge, sandbox: Sandbox) -> None:
    sandbox.fault("403-html", count=1)
    peer = await bound(bridge)
    id = await submit(peer)
    await bridge.event("message_held", id=id)
    text = await said(bridge, "queue", "list", "--state", "held")
    assert re.search(rf"held +crm .* 1 .*{id}.*403", text)
    assert await said(bridge, "queue", "release", "--state", "held", "--yes") == (
        "1 message released.\n"
    )
    await sandbox.wait_for(1)
    await peer.close()


async def test_20_what_an_account_sent_today_and_what_failed(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    peer = await bound(bridge)
    sandbox.fault("400", phones=["+380501234567"])
    await submit(peer, b"380671234567")
    rejected = await submit(peer)
    assert (await peer.ask("submit_sm", a_submit(to=b"123"))).command_status == 0x0B
    await bridge.event("message_rejected", id=rejected)
    text = await until(bridge, "wrong phone number", "report", "--account", "crm")
    [row] = await listed(bridge, "report")
    assert (row["account"], row["accepted"], row["parts"]) == ("crm", 2, 2)
    assert sum(row["failed"].values()) == 1
    assert list(row["refused"].values()) == [1]
    assert text.splitlines()[0].split()[:3] == ["account", "accepted", "sent"]
    assert "crm,2," in await said(bridge, "report", "--csv")
    await peer.close()
