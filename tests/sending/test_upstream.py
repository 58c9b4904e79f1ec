"""Upstreams: which batch goes when; across reloads each message keeps the keys of its account."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.cascade.virtual import VirtualClient
from bridge.config.settings import Settings, settings_from
from bridge.model.message import Route
from bridge.sandbox import Sandbox
from bridge.sending.upstream import GATHER, line_of, reload_lines, upstream_lines
from tests.net.raw_http import Peer, raw_server
from tests.relaying import relaying
from tests.samples import message, submission

OWN = {"viber_auth_token": "own"}


def settings(base_url: str = "http://127.0.0.1:9", **accounts: dict[str, Any]) -> Settings:
    base = {"password": "secret", "sender": "Shop"}
    return settings_from(
        {
            "cascade": {"base_url": base_url, "authorization_key": "common"},
            "accounts": {name: base | own for name, own in accounts.items()},
        }
    )


@pytest.mark.parametrize("status", [b"429 Slow", b"400 Bad", b"413 Large", b"401 Key"])
async def test_a_batch_in_flight_at_a_reload_comes_back_to_its_accounts_new_upstream(
    tmp_path: Path, status: bytes
) -> None:
    asked, reloaded = asyncio.Event(), asyncio.Event()
    keys: dict[str, set[str]] = {}  # account → credentials of the requests after the reload
    seen = asyncio.Event()

    async def api(peer: Peer) -> None:
        while True:
            request = await peer.request()
            if not asked.is_set():
                asked.set()
                await reloaded.wait()
            else:
                key = "own" if b"X-Viber-Auth-Token" in request else "common"
                for name in ("crm", "erp"):
                    if b"of %s" % name.encode() in request:
                        keys.setdefault(name, set()).add(key)
                if len(keys) == len(both):
                    seen.set()
            await peer.send(b"HTTP/1.1 %s\r\nContent-Length: 0\r\n\r\n" % status)

    both: dict[str, dict[str, Any]] = {"crm": {"answer": "queued"}, "erp": {"answer": "queued"}}
    async with raw_server(api) as server:
        sandbox = Sandbox()
        sandbox.url = f"http://127.0.0.1:{server.port}"
        async with relaying(tmp_path, sandbox, accounts=both) as bridge:
            await bridge.dispatcher.set_hold("upstream", "cascade", True)
            for name in both:
                await bridge.submit(submission(text=f"of {name}"), name)
                await bridge.submit(submission(text=f"also of {name}"), name)
            await bridge.dispatcher.set_hold("upstream", "cascade", False)
            await asked.wait()
            reload_lines(bridge.lines, settings(sandbox.url, crm={"cascade": OWN}, erp={}))
            reloaded.set()
            await asyncio.wait_for(seen.wait(), 30)
    assert keys == {"crm": {"own"}, "erp": {"common"}}


async def test_an_account_that_comes_back_as_another_kind_has_that_kinds_upstream() -> None:
    lines = upstream_lines(settings(crm={"virtual": True}, erp={"cascade": OWN}))
    reload_lines(lines, settings(desk={}))
    reload_lines(lines, settings(crm={}, erp={"virtual": True}))
    assert not isinstance(line_of(lines, "crm").client, VirtualClient)
    assert isinstance(line_of(lines, "erp").client, VirtualClient)


def test_messages_whose_results_nobody_waits_for_are_gathered_for_one_request() -> None:
    line = line_of(upstream_lines(settings()), "crm")
    now = time.monotonic()
    queue = line.queues[Route.ASYNC]
    for id, at in ((1, now), (2, now + GATHER / 2)):
        line.gather(at, client_waits=False)
        queue.push(message(id))
        batch, wait = line.next_batch(at, 4)
        assert batch is None
        assert wait == pytest.approx(now + GATHER - at)
    batch, _ = line.next_batch(now + GATHER, 4)
    assert batch is not None
    assert [one.id for one in batch.messages] == [1, 2]


def test_a_message_whose_client_waits_takes_the_gathered_ones_along() -> None:
    line = line_of(upstream_lines(settings()), "crm")
    now = time.monotonic()
    queue = line.queues[Route.ASYNC]
    for id, waits in ((1, False), (2, True), (3, False)):
        line.gather(now, client_waits=waits)
        queue.push(message(id))
    batch, _ = line.next_batch(now, 4)
    assert batch is not None
    assert [one.id for one in batch.messages] == [1, 2, 3]


async def test_a_gathered_message_does_not_wait_for_a_look_that_was_planned_later(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    queued = {"crm": {"answer": "queued"}}
    async with relaying(tmp_path, sandbox, accounts=queued) as bridge:
        line = bridge.lines[""]
        later = asyncio.get_running_loop().call_later(3600, lambda: None)
        line.timer = later
        await bridge.submit(submission())
        await bridge.drained()
        assert len(sandbox.messages) == 1
        assert later.cancelled()
