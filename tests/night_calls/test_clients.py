"""Night calls about one client: logins, limits, receipts, numbers, texts."""

from __future__ import annotations

import json
import re
from datetime import date
from pathlib import Path

from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import MessageIdResp, Pdu
from tests.night_calls.asking import page, said, submit, until
from tests.running import Running, running
from tests.serving.clients import bound, change, connect, listed
from tests.serving.daemon import AnyBridge, serving, write_config
from tests.smpp.peer import a_submit
from tests.smtp.client import connected


async def test_6_a_client_is_blocked_after_wrong_passwords(bridge: Running) -> None:
    for _ in range(10):
        peer = await connect(bridge)
        await peer.bind(password=b"wrong")
        await peer.close()
    text = await said(bridge, "blocked", "list")
    assert re.search(r"127\.0\.0\.1 +crm +[\d:]+ +10 ", text)
    assert re.search(r"127\.0\.0\.1 crm .* 10 .* crm", await page(bridge, "/sessions"))
    assert "block" in await said(bridge, "blocked", "lift", "127.0.0.1")
    assert await said(bridge, "blocked", "list") == "Nobody is blocked.\n"


async def test_7_a_client_is_throttled_by_its_rate(tmp_path: Path, sandbox: Sandbox) -> None:
    config = write_config(tmp_path, sandbox.url, account="rate = 0.001")
    async with running(config) as bridge:
        await throttled(bridge, "over 0.001 messages a second")
        change(bridge, ("rate = 0.001", "rate = 100"))
        await said(bridge, "reload")
        peer = await bound(bridge)
        await submit(peer)
        await peer.close()


async def throttled(bridge: AnyBridge, reason: str) -> None:
    """The second submit is throttled, and the sessions show why."""
    peer = await bound(bridge)
    await submit(peer)
    assert (await peer.ask("submit_sm", a_submit())).command_status == 0x58
    for text in (await said(bridge, "sessions", "list"), await page(bridge, "/sessions")):
        assert f"ESME_RTHROTTLED: too fast: {reason}" in text
    await peer.close()


async def test_7_a_client_is_over_its_daily_limit(tmp_path: Path, sandbox: Sandbox) -> None:
    config = write_config(tmp_path, sandbox.url, account="daily_limit = 1")
    async with running(config) as bridge:
        await throttled(bridge, "over 1 messages a day")
        [account] = json.loads(await said(bridge, "accounts", "list", "--json"))
        assert (account["daily_limit"], account["accepted_today"]) == (1, 1)


async def test_8_the_window_is_full(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("slow", seconds=600)
    config = write_config(tmp_path, sandbox.url, account='window = 2\nanswer_within = "10m"')
    # A process, which is killed: a stop waits for the slow answers.
    async with serving(config) as bridge:
        peer = await bound(bridge)
        for number in range(1, 4):
            peer.write(Pdu("submit_sm", number, a_submit()))
        assert (await peer.read()).command_status == 0x58
        text = await said(bridge, "sessions", "list")
        assert " 2/2 " in text
        assert "ESME_RTHROTTLED: over the window" in text
        text = await page(bridge, "/sessions")
        assert " 2 of 2 " in text
        assert "ESME_RTHROTTLED: over the window" in text


async def test_9_no_receipt_because_the_submit_did_not_ask(bridge: Running) -> None:
    peer = await bound(bridge)
    id = await submit(peer)
    for text in (await said(bridge, "trace", str(id)), await page(bridge, f"/messages/{id}")):
        assert "the account did not request one" in text
    await peer.close()


async def test_10_no_receipt_because_no_receiver_is_bound(
    bridge: Running, sandbox: Sandbox
) -> None:
    peer = await connect(bridge)
    assert (await peer.bind("bind_transmitter", password=b"secret12")).command_status == 0
    sandbox.fault("400", phones=["+380501234567"])
    id = await submit(peer, registered_delivery=1)
    await bridge.event("message_rejected", id=id)
    for text in (await said(bridge, "trace", str(id)), await page(bridge, f"/messages/{id}")):
        assert "no receiver has been bound yet" in text
    receiver = await bound(bridge)
    assert (await receiver.read()).command == "deliver_sm"
    await receiver.close()
    await peer.close()


async def test_11_the_receiver_answers_an_error(bridge: Running, sandbox: Sandbox) -> None:
    peer = await bound(bridge)
    sandbox.fault("400", phones=["+380501234567"])
    id = await submit(peer, registered_delivery=1)
    receipt = await peer.read()
    assert receipt.command == "deliver_sm"
    peer.write(Pdu("deliver_sm_resp", receipt.sequence_number, MessageIdResp(b""), (), 0x64))
    text = await until(bridge, "ESME_RX_T_APPN", "trace", str(id))
    assert "tried again" in text
    text = await page(bridge, f"/messages/{id}")
    assert "ESME_RX_T_APPN" in text
    assert "ried again" in text
    await peer.close()


async def test_14_a_number_never_gets_anything(tmp_path: Path, sandbox: Sandbox) -> None:
    config = write_config(tmp_path, sandbox.url, account='countries = ["UA"]')
    async with running(config) as bridge:
        smtp, _ = await bridge.ready()
        peer = await bound(bridge)
        refused = await peer.ask("submit_sm", a_submit(to=b"447911123456"))
        assert refused.command_status == 0x45
        async with connected(smtp.port) as client:
            login = "AUTH PLAIN AGNybQBzZWNyZXQxMg=="
            assert (await client.ask(login)).startswith("235")
            await client.ask("MAIL FROM:<erp@example.com>")
            # The log counts the second refusal of a connection; each number is found all the same.
            await client.ask("RCPT TO:<447911000000@sms.example.com>")
            answer = await client.ask("RCPT TO:<447911123456@sms.example.com>")
            assert answer.startswith("550")
        text = await until(bridge, r"(?s)recipient.*submission", "trace", "+44 7911 123456")
        assert text.count("country not allowed") == 2
        found = await listed(bridge, "trace", "447911123456")
        assert {one["account"] for one in found} == {"crm"}
        shown = await page(bridge, "/phones/+447911123456")
        assert shown.count("country not allowed") == 2
        change(bridge, ('countries = ["UA"]', 'countries = ["UA", "GG"]'))
        await said(bridge, "reload")
        await submit(peer, b"447911123456")
        await peer.close()


async def test_16_wrong_characters_and_a_text_that_was_cut(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    account = 'long_text = "truncate"\nmax_parts = 1\ntrusted_networks = ["127.0.0.1"]'
    async with running(write_config(tmp_path, sandbox.url, account=account)) as bridge:
        smtp, _ = await bridge.ready()
        peer = await bound(bridge)
        long = await peer.ask("submit_sm", a_submit(("Ж" * 80).encode("utf-16-be"), data_coding=8))
        assert isinstance(long.body, MessageIdResp)
        id = long.body.message_id.decode()
        for text in (await said(bridge, "trace", id), await page(bridge, f"/messages/{id}")):
            assert "read as data_coding 8 (ucs2); cut: over 1 parts (10 characters)" in " ".join(
                text.split()
            )
        async with connected(smtp.port) as client:
            await client.ask("MAIL FROM:<erp@example.com>")
            await client.ask("RCPT TO:<380501234567@sms.example.com>")
            await client.ask("DATA")
            mail = b"Subject: Re: x\r\nContent-Type: text/plain; charset=koi8-r\r\n\r\n"
            answer = await client.ask(mail + b"\xc4\xc1\r\n\r\n> the whole letter\r\n.")
            assert answer.startswith("250")
            id = answer.rpartition("ID - ")[2].split()[0]
        for text in (await said(bridge, "trace", id), await page(bridge, f"/messages/{id}")):
            assert "text/plain; koi8-r; cut: quoted lines at the end (20 characters)" in text
        await peer.close()


async def test_20_what_an_account_sent_today_and_what_failed(
    bridge: Running, sandbox: Sandbox
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
    shown = await page(bridge, f"/accounts?day={date.today()}")
    assert "wrong phone number" in shown
    [reason] = row["failed"]
    assert reason in shown
    await peer.close()
