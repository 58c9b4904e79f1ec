"""``hooks``: accepted webhooks, and why others were refused."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import pytest

from bridge.sandbox import Sandbox
from tests.night_calls.asking import said
from tests.running import Running, running
from tests.serving.clients import listed
from tests.serving.daemon import write_config

SECRET = "a-secret-of-hooks"
STATUS = {"messageId": "no-such", "deliverystatus": "delivered", "cost": 0.35}


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    config = write_config(tmp_path, sandbox.url)
    hooks = f'[hooks]\nlisten = ["127.0.0.1:0"]\nsecret = "{SECRET}"\n'
    config.write_text(config.read_text() + hooks)
    async with running(config) as bridge:
        yield bridge


async def test_accepted_and_refused_webhooks_are_shown(bridge: Running) -> None:
    [address] = bridge.addresses.hooks
    before = {one["kind"]: one["count"] for one in (await listed(bridge, "hooks"))["taken"]}
    async with httpx.AsyncClient(base_url=f"http://{address}/hooks/cascade", timeout=30) as client:
        assert (await client.post(f"/{SECRET}/status", json=STATUS)).status_code == 200
        assert (await client.post("/a-guess/status", json=STATUS)).status_code == 404
    found = await listed(bridge, "hooks")
    async with asyncio.timeout(60):  # refusals are stored every second
        while not found["refused"]:
            found = await listed(bridge, "hooks")
    taken = {one["kind"]: one["count"] for one in found["taken"]}
    assert taken == before | {"status": before["status"] + 1}
    lines = (await said(bridge, "hooks")).splitlines()
    assert lines[0] == f"listens: {address}" or lines[0] == "listens: 127.0.0.1:0"
    assert [line.split()[0] for line in lines[1:4]] == ["kind", "status", "incoming"]
    assert lines[5:7] == ["refused:", lines[6]]
    assert "127.0.0.1" in lines[7]
    assert lines[7].endswith("wrong path or secret")
    assert "a-guess" not in "".join(lines)


async def test_without_a_secret_nobody_listens(tmp_path: Path, sandbox: Sandbox) -> None:
    async with running(write_config(tmp_path, sandbox.url)) as bridge:
        first = (await said(bridge, "hooks")).splitlines()[0]
        assert first == "listens: nowhere, [hooks] secret is not set"
        await bridge.terminate()
        assert (await bridge.command("hooks"))[0] == 69
