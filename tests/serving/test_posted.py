"""A request that is repeated after kill -9 of the bridge."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bridge.sandbox import Sandbox
from tests.admin.test_messages import OWN, PHONE, ask
from tests.serving.daemon import serving, write_config


async def test_a_request_repeated_after_kill_9_is_sent_once(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    config = write_config(tmp_path, sandbox.url, account='protocols = ["http"]')
    hello = {"to": PHONE, "text": "hello"}
    sandbox.fault("401")
    async with serving(config) as bridge:
        asking = asyncio.create_task(
            ask(bridge, "POST", "/messages", auth=OWN, json=hello, key="once")
        )
        await bridge.event("upstream_held")  # it is stored, and not yet answered or not yet sent
        await bridge.kill()
        await asyncio.wait({asking})
    sandbox.clear_faults()
    async with serving(config) as bridge:
        again = await ask(bridge, "POST", "/messages", auth=OWN, json=hello, key="once")
        assert again.status_code == 202
        await sandbox.wait_for(1)
        [told] = (await ask(bridge, "GET", f"/messages/{again.json()['id']}", auth=OWN)).json()
        assert told["id"] == again.json()["id"]
        await bridge.terminate()
    assert sandbox.message_count == 1
    asking.exception()
