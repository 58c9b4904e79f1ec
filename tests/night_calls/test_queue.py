"""Night calls about the queue: held messages, and a campaign that must not go out."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path

import httpx

from bridge.sandbox import Sandbox
from tests.night_calls.asking import line, page, said, submit, until
from tests.running import Running
from tests.serving.clients import bound, connect, listed
from tests.serving.daemon import OPERATE, Bridge, serving, write_config


async def test_18_held_messages_are_listed_with_their_reason(
    bridge: Running, sandbox: Sandbox
) -> None:
    sandbox.fault("403-html", count=1)
    peer = await bound(bridge)
    id = await submit(peer)
    await bridge.event("message_held", id=id)
    text = await said(bridge, "queue", "list", "--state", "held")
    assert re.search(rf"held +crm .* 1 .*{id}.*403", text)
    assert re.search(rf"held crm .*403.*{id}", await page(bridge, "/queue?state=held"))
    assert await said(bridge, "queue", "release", "--state", "held", "--yes") == (
        "1 message released.\n"
    )
    await sandbox.wait_for(1)
    await peer.close()


async def test_21_a_held_account_is_shown_and_released(bridge: Running, sandbox: Sandbox) -> None:
    peer = await bound(bridge)
    await said(bridge, "hold", "account", "crm")
    id = await submit(peer)
    assert "account crm, nothing of it is sent" in await line(bridge, "held", "top", "--once")
    assert "crm" in await page(bridge, "/")
    for text in (await said(bridge, "trace", str(id)), await page(bridge, f"/messages/{id}")):
        assert "but the account crm is held" in text
    assert re.search(r"hold +.*crm", await said(bridge, "audits"))
    await said(bridge, "release", "account", "crm")
    await sandbox.wait_for(1)
    await peer.close()


async def test_22_a_send_out_is_spread_over_time(bridge: Running, sandbox: Sandbox) -> None:
    async with httpx.AsyncClient(base_url=await bridge.api(), timeout=30) as client:
        message = {"account": "crm", "to": [f"+38067123456{n}" for n in range(3)], "text": "News"}
        answer = await client.post(
            "/api/v1/messages",
            json=message | {"name": "news", "over": 7200},
            headers={"Authorization": f"Bearer {OPERATE}"},
        )
    id = answer.json()["id"]
    await until(bridge, "3 messages: 2 accepted, 1 sent", "status", str(id))
    waiting = (await listed(bridge, "queue", "show", str(id)))[0]["id"]
    assert "it is sent at " in await said(bridge, "trace", str(waiting))
    assert "it is sent at " in await page(bridge, f"/messages/{waiting}")
    await said(bridge, "hold", "account", "crm")
    assert "but the account crm is held" in await said(bridge, "trace", str(waiting))
    assert "2 messages cancelled" in await said(bridge, "queue", "cancel", str(id))


CAMPAIGN = 100_000


async def post_campaign(bridge: Bridge) -> None:
    """Posts a campaign like a shop's system, with a thousand recipients per request."""
    headers = {"Authorization": f"Bearer {OPERATE}"}
    async with httpx.AsyncClient(
        base_url=await bridge.api(), headers=headers, timeout=60
    ) as client:
        for start in range(0, CAMPAIGN, 1000):
            message = {
                "account": "shop",
                "to": [f"+38067{n:07}" for n in range(start, start + 1000)],
                "text": "Everything must go",
                "type": "promo",
            }
            answer = await client.post("/api/v1/messages", json=message)
            assert answer.status_code == 202, answer.text


async def test_19_a_campaign_is_stopped_and_other_messages_go_out(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    shop = """
        [accounts.shop]
        password = "secret12"
        sender = "Shop"
        answer = "queued"
    """
    config = write_config(tmp_path, sandbox.url, account=shop)
    slow = "max_batch = 20\nrequests_per_second = 5\n[store]"
    config.write_text(config.read_text().replace("[store]", slow, 1))
    async with serving(config) as bridge:
        await post_campaign(bridge)
        bank = await connect(bridge)
        assert (await bank.bind(password=b"secret12")).command_status == 0
        command = ("queue", "cancel", "--account", "shop", "--type", "promo", "--yes")
        stopping = asyncio.create_task(said(bridge, *command))
        others = 0
        while not stopping.done():
            # It got the API's result: it did not wait.
            await submit(bank)
            others += 1
        assert re.fullmatch(r"\d\d,\d{3} messages cancelled\.\n", await stopping)
        assert others
        assert sum(one.phone == "+380501234567" for one in sandbox.messages) == others
        # Messages that were in flight may still come.
        await until(bridge, "^No message waits or is held.\n$", "queue", "list")
        [audit] = [one for one in bridge.events if one["event"] == "audit"]
        campaign = [one for one in sandbox.messages if one.text == "Everything must go"]
        assert len(campaign) + audit["messages"] == CAMPAIGN
        await submit(bank)
        assert len([m for m in sandbox.messages if m.text == "Everything must go"]) == len(campaign)
        assert "Nothing waits and nothing is held." in await page(bridge, "/queue")
        await bank.close()
