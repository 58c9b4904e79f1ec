"""Night calls about what comes back: statuses, answers of phones, the bridge's own mails."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bridge.sandbox import Sandbox
from tests.night_calls.asking import page, said, submit, until
from tests.running import Running, running
from tests.serving.clients import bound, change
from tests.serving.daemon import write_config
from tests.smtp.smarthost import smarthost
from tests.support import free_port

SECRET = "9f86d081884c7d659a2feaa0c55ad015"
FROM_PHONE = {"idUuid": "u", "alphaName": "Sale", "phoneNumber": "380501234567", "text": "Yes"}
PHONE = "+380501234567"


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    config = write_config(tmp_path, sandbox.url)
    hooks = f'[hooks]\nlisten = ["127.0.0.1:0"]\nsecret = "{SECRET}"\nincoming = ""\n'
    config.write_text(hooks + config.read_text())
    async with running(config) as bridge:
        yield bridge


async def called(bridge: Running, path: str, document: object) -> int:
    """SMSBAT calls a webhook; the answer's code."""
    [address] = bridge.addresses.hooks
    async with httpx.AsyncClient(timeout=30) as client:
        answer = await client.post(f"http://{address}/hooks/cascade/{path}", json=document)
    return answer.status_code


async def test_23_webhooks_come_with_a_wrong_secret(bridge: Running, sandbox: Sandbox) -> None:
    peer = await bound(bridge)
    id = await submit(peer)
    [message] = sandbox.messages
    status = {"messageId": message.message_id, "deliverystatus": "read"}
    assert await called(bridge, "another-secret/status", status) == 404
    await until(bridge, r"127\.0\.0\.1 +wrong path or secret", "hooks")
    assert "wrong path or secret" in await page(bridge, "/hooks")
    assert "the API is asked again at " in await said(bridge, "trace", str(id))
    assert await called(bridge, f"{SECRET}/status", status) == 200
    assert re.search(r"^status +[1-9]\d* +\d", await said(bridge, "hooks"), re.M)
    await until(bridge, "delivered", "trace", str(id))
    await peer.close()


async def test_24_a_phone_answers_a_sender_of_nobody(bridge: Running) -> None:
    assert await called(bridge, f"{SECRET}/incoming", FROM_PHONE) == 422
    await until(bridge, "no account owns this alphaName", "hooks")
    assert "no account owns this alphaName" in await page(bridge, "/hooks")
    change(bridge, ('incoming = ""', 'incoming = "crm"'))
    await said(bridge, "reload")
    assert await called(bridge, f"{SECRET}/incoming", FROM_PHONE) == 200
    assert "no receiver has been bound yet" in await said(bridge, "trace", PHONE)
    assert "o receiver has been bound yet" in await page(bridge, f"/phones/{PHONE}")
    peer = await bound(bridge)
    assert (await peer.read()).command == "deliver_sm"
    await peer.close()


async def test_25_the_smarthost_cannot_be_reached(tmp_path: Path, sandbox: Sandbox) -> None:
    port = free_port()
    account = 'answer = "queued"\nreceipts_to = "owner@example.com"'
    config = write_config(tmp_path, sandbox.url, account=account)
    config.write_text(f'[reports]\nsmarthost = "127.0.0.1:{port}"\n' + config.read_text())
    sandbox.fault("400", phones=[PHONE])
    async with running(config) as bridge:
        peer = await bound(bridge)
        id = await submit(peer)
        await bridge.event("smarthost_failed")
        shown = "smarthost_failed: 421 4.4.1 Connection refused"
        assert shown in await said(bridge, "top", "--once")
        assert shown.replace(":", "") in await page(bridge, "/")
        assert f"127.0.0.1:{port}: 421 4.4.1 Connection" in await said(bridge, "trace", str(id))
        async with smarthost(port=port) as mails:
            _, checked = await bridge.command("check", "--connect")
            assert f"good  smarthost 127.0.0.1:{port}" in checked
            await mails.mails()
        await peer.close()
