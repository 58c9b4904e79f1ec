"""``erase`` and ``sendmail`` with a running bridge."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.night_calls.asking import submit, until
from tests.serving.clients import bound
from tests.serving.daemon import Bridge, serving, write_config


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    account = 'answer = "queued"\ntrusted_networks = ["127.0.0.1"]'
    async with serving(write_config(tmp_path, sandbox.url, account=account)) as bridge:
        yield bridge


async def test_a_number_is_erased_with_a_count_first_and_an_audit_event(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    sandbox.fault("400", phones=["+380501234567"])
    peer = await bound(bridge)
    id = await submit(peer)
    await bridge.event("message_rejected", id=id)
    await bridge.command("hold", "upstream", "cascade")
    waits = await submit(peer)
    code, said = await bridge.command("erase", "050 123-45-67")
    assert code == 64
    assert "1  ended messages" in said
    code, said = await bridge.command("erase", "050 123-45-67", "--yes")
    assert code == 0
    assert said.startswith("Erased: 1 ended messages.")
    assert "1 messages are still on their way" in said
    audit = await bridge.event("audit", action="erase")
    assert audit["phone"] == "+3805******67"
    assert (await bridge.command("trace", str(id)))[0] == 66
    assert (await bridge.command("trace", str(waits)))[0] == 0
    code, said = await bridge.command("erase", "0501234567", "--json")
    assert json.loads(said)["messages"] == 0
    await peer.close()


async def sendmail(bridge: Bridge, mail: str, *options: str) -> tuple[int, str]:
    smtp, _ = await bridge.ready()
    text = bridge.config.read_text()
    if str(smtp) not in text:
        text = text.replace('listen = ["127.0.0.1:0"]', f'listen = ["{smtp}"]', 1)
        bridge.config.write_text(text)
    return await bridge.command("sendmail", *options, input=mail)


async def test_a_mail_is_handed_over_as_sendmail_does(bridge: Bridge, sandbox: Sandbox) -> None:
    to, bcc = "380501234567@sms.example.com", "380671234567@sms.example.com"
    mail = f"To: {to}\nBcc: {bcc}\n\nServer down\n.\nx\n"
    assert await sendmail(bridge, mail, "-t", "-ferp@example.com") == (0, "")
    await sandbox.wait_for(2)
    assert {message.phone for message in sandbox.messages} == {"+380501234567", "+380671234567"}
    assert {message.text for message in sandbox.messages} == {"Server down"}
    code, said = await sendmail(bridge, "\nx\n", "-oi", "-i", "12345@sms.example.com")
    assert code == 65
    assert "wrong phone number" in said


async def test_smtp_on_standard_input_reaches_the_bridge(bridge: Bridge, sandbox: Sandbox) -> None:
    dialogue = (
        "EHLO x\nMAIL FROM:<a@b.example>\nRCPT TO:<380501234567@sms.example.com>\nDATA\n"
        "\nby -bs\n.\nQUIT\n"
    ).replace("\n", "\r\n")
    code, said = await sendmail(bridge, dialogue, "-bs")
    assert code == 0
    assert "250 2.0.0 OK - 1 SMS" in said
    await sandbox.wait_for(1)


async def test_where_no_bridge_answers_the_caller_keeps_the_mail(bridge: Bridge) -> None:
    assert (await sendmail(bridge, "", "-h"))[0] == 0
    assert await bridge.terminate() == 0
    code, _ = await bridge.command("sendmail", "380501234567@sms.example.com", input="\nx\n")
    assert code == 75
    assert await until(bridge, "does not run", "sessions", "list")
