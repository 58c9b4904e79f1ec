"""The queue's commands with a running bridge, and those that work without one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import MessageIdResp, QuerySm, QuerySmResp
from tests.serving.clients import bound, listed
from tests.serving.daemon import Bridge, serving, write_config
from tests.smpp.peer import Peer, a_submit


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Bridge]:
    async with serving(write_config(tmp_path, sandbox.url)) as bridge:
        yield bridge


async def submit(peer: Peer, *phones: bytes, service_type: bytes = b"") -> list[int]:
    ids = []
    for phone in phones:
        answer = await peer.ask("submit_sm", a_submit(to=phone, service_type=service_type))
        assert answer.command_status == 0
        assert isinstance(answer.body, MessageIdResp)
        ids.append(int(answer.body.message_id))
    return ids


async def test_a_campaign_is_stopped_by_a_filter_and_nothing_else(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    await bridge.ready()
    assert (await bridge.command("hold", "upstream", "cascade"))[0] == 0
    peer = await bound(bridge)
    campaign = [b"38067%07d" % n for n in range(50)]
    await submit(peer, *campaign, service_type=b"PROMO")
    await submit(peer, b"380501234567")
    listing = await listed(bridge, "queue", "list")
    assert listing["count"] == 51
    assert [(one["type"], one["count"]) for one in listing["groups"]] == [
        ("promo", 50),
        ("transaction", 1),
    ]
    code, said = await bridge.command("queue", "cancel", "--type", "promo")
    assert code == 64
    assert "Cancel 50 messages? Give --yes to do it." in said
    code, said = await bridge.command("queue", "cancel", "--type", "promo", "--yes")
    assert (code, said) == (0, "50 messages cancelled.\n")
    assert (await bridge.command("release", "upstream", "cascade"))[0] == 0
    await sandbox.wait_for(1)
    assert [message.phone for message in sandbox.messages] == ["+380501234567"]
    code, said = await bridge.command("queue", "list")
    assert (code, said) == (0, "Nothing waits.\n")
    await bridge.event("audit", action="cancel_messages", filter="type promo", messages=50)
    await peer.close()


async def test_held_messages_are_listed_with_their_reason_and_released(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    peer = await bound(bridge)
    sandbox.fault("403-html", count=1)
    [id] = await submit(peer, b"380501234567")
    await bridge.event("message_held", id=id)
    code, said = await bridge.command("queue", "list", "--state", "held")
    assert code == 0
    assert "403" in said
    [shown] = await listed(bridge, "queue", "show", "--state", "held")
    assert (shown["id"], shown["attempts"]) == (id, 1)
    code, said = await bridge.command("queue", "release", str(id))
    assert (code, said) == (0, "1 message released.\n")
    await sandbox.wait_for(1)
    await peer.close()


async def test_a_single_message_is_held_and_cancelled_by_its_id(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    await bridge.ready()
    await bridge.command("hold", "upstream", "cascade")
    peer = await bound(bridge)
    first, second = await submit(peer, b"380501234567", b"380671234567")
    assert (await bridge.command("queue", "hold", str(first)))[1] == "1 message held.\n"
    await bridge.command("release", "upstream", "cascade")
    await sandbox.wait_for(1)
    assert [message.phone for message in sandbox.messages] == ["+380671234567"]
    assert (await bridge.command("queue", "cancel", str(first)))[1] == "1 message cancelled.\n"
    assert (await bridge.command("queue", "cancel", str(second)))[1] == "0 messages cancelled.\n"
    await peer.close()


async def test_a_cancelled_message_that_may_have_been_sent_is_told_as_such(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    config = write_config(tmp_path, sandbox.url)
    hold = '[cascade]\nunknown_outcome = "hold"'
    config.write_text(config.read_text().replace("[cascade]", hold))
    async with serving(config) as bridge:
        await bridge.ready()
        peer = await bound(bridge)
        sandbox.fault("hang-up-after", count=1)
        [id] = await submit(peer, b"380501234567")
        await bridge.event("message_held", id=id)
        code, said = await bridge.command("queue", "cancel", "--state", "held")
        assert code == 64
        assert "Cancel 1 message? Of these, 1 may have been sent already. Give --yes" in said
        cancelled = await bridge.command("queue", "cancel", str(id))
        assert cancelled == (
            0,
            "1 message cancelled. Of these, 1 may have been sent already.\n",
        )
        answer = await peer.ask("query_sm", QuerySm(b"%d" % id))
        assert isinstance(answer.body, QuerySmResp)
        assert (answer.body.message_state, answer.body.error_code) == (7, 245)
        code, said = await bridge.command("trace", str(id))
        assert "cancelled  unknown whether the API took it" in said
        code, said = await bridge.command("status", str(id))
        await peer.close()


async def test_what_waits_is_read_without_a_daemon_and_changed_by_none(
    bridge: Bridge, sandbox: Sandbox
) -> None:
    await bridge.ready()
    await bridge.command("hold", "upstream", "cascade")
    peer = await bound(bridge)
    [id] = await submit(peer, b"380501234567")
    await peer.close()
    assert await bridge.terminate() == 0
    [shown] = await listed(bridge, "queue", "show")
    assert (shown["id"], shown["phone"]) == (id, "+380501234567")
    assert (await listed(bridge, "hold")) == [{"scope": "upstream", "name": "cascade"}]
    code, said = await bridge.command("queue", "cancel", str(id))
    assert code == 69
    assert "the daemon does not run" in said


async def test_a_change_without_a_filter_is_refused(bridge: Bridge) -> None:
    await bridge.ready()
    code, said = await bridge.command("queue", "cancel", "--yes")
    assert code == 64
    assert "say which messages" in said
    assert json.loads((await bridge.command("queue", "list", "--json"))[1])["count"] == 0
