"""``queue``: waiting and held messages are listed, held, released, retried and cancelled."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import click
import pytest

from bridge.cli import run
from bridge.cli.queue import _moment, command
from bridge.sandbox import Sandbox
from bridge.smpp.protocol.pdu import MessageIdResp, QuerySm, QuerySmResp
from tests.night_calls.asking import said
from tests.running import Running, running
from tests.serving.clients import bound, listed
from tests.serving.daemon import write_config
from tests.smpp.peer import Peer, a_submit


async def submit(peer: Peer, *phones: bytes, service_type: bytes = b"") -> list[int]:
    ids = []
    for phone in phones:
        answer = await peer.ask("submit_sm", a_submit(to=phone, service_type=service_type))
        assert answer.command_status == 0
        assert isinstance(answer.body, MessageIdResp)
        ids.append(int(answer.body.message_id))
    return ids


async def test_a_filter_stops_a_campaign_and_nothing_else(
    bridge: Running, sandbox: Sandbox
) -> None:
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
    code, output = await bridge.command("queue", "cancel", "--type", "promo")
    assert code == 64
    assert "Cancel 50 messages? Give --yes to do it." in output
    code, output = await bridge.command("queue", "cancel", "--type", "promo", "--yes")
    assert (code, output) == (0, "50 messages cancelled.\n")
    assert (await bridge.command("release", "upstream", "cascade"))[0] == 0
    await sandbox.wait_for(1)
    assert [message.phone for message in sandbox.messages] == ["+380501234567"]
    code, output = await bridge.command("queue", "list")
    assert (code, output) == (0, "No message waits or is held.\n")
    await bridge.event("audit", action="cancel_messages", filter="type promo", messages=50)
    await peer.close()


async def test_held_messages_are_listed_with_their_reason_and_released(
    bridge: Running, sandbox: Sandbox
) -> None:
    peer = await bound(bridge)
    sandbox.fault("403-html", count=1)
    [id] = await submit(peer, b"380501234567")
    await bridge.event("message_held", id=id)
    code, output = await bridge.command("queue", "list", "--state", "held")
    assert code == 0
    assert "403" in output
    [shown] = await listed(bridge, "queue", "show", "--state", "held")
    assert (shown["id"], shown["attempts"]) == (id, 1)
    code, output = await bridge.command("queue", "release", str(id))
    assert (code, output) == (0, "1 message released.\n")
    await sandbox.wait_for(1)
    await peer.close()


async def test_a_single_message_is_held_and_cancelled_by_its_id(
    bridge: Running, sandbox: Sandbox
) -> None:
    await bridge.command("hold", "upstream", "cascade")
    peer = await bound(bridge)
    first, _ = await submit(peer, b"380501234567", b"380671234567")
    assert (await bridge.command("queue", "hold", str(first)))[1] == "1 message held.\n"
    await bridge.command("release", "upstream", "cascade")
    await sandbox.wait_for(1)
    assert [message.phone for message in sandbox.messages] == ["+380671234567"]
    assert (await bridge.command("queue", "cancel", str(first)))[1] == "1 message cancelled.\n"
    await peer.close()


async def test_a_cancelled_message_that_may_have_been_sent_is_told_as_such(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    config = write_config(tmp_path, sandbox.url)
    hold = '[cascade]\nunknown_outcome = "hold"'
    config.write_text(config.read_text().replace("[cascade]", hold))
    async with running(config) as bridge:
        peer = await bound(bridge)
        sandbox.fault("hang-up-after", count=1)
        [id] = await submit(peer, b"380501234567")
        await bridge.event("message_held", id=id)
        code, output = await bridge.command("queue", "cancel", "--state", "held")
        assert code == 64
        assert "Cancel 1 message? Of these, 1 may have been sent already. Give --yes" in output
        assert await said(bridge, "queue", "cancel", str(id)) == (
            "1 message cancelled. Of these, 1 may have been sent already.\n"
        )
        answer = await peer.ask("query_sm", QuerySm(b"%d" % id))
        assert isinstance(answer.body, QuerySmResp)
        assert (answer.body.message_state, answer.body.error_code) == (7, 245)
        story = await said(bridge, "trace", str(id))
        assert "cancelled  unknown whether the API took it" in story
        await peer.close()


async def test_an_id_that_is_not_in_the_queue_is_not_found(bridge: Running) -> None:
    peer = await bound(bridge)
    [sent] = await submit(peer, b"380501234567")
    for verb, needed in (
        ("show", "waits or is held"),
        ("hold", "waits"),
        ("release", "is held"),
        ("retry", "is held or waits for its next attempt"),
        ("cancel", "waits or is held"),
    ):
        for id in (sent, 77):
            code, output = await bridge.command("queue", verb, str(id), "--json")
            told = f'Error: no message with the ID {id} {needed}; "trace {id}" shows its state\n'
            assert (code, output) == (66, told)
    await peer.close()


async def test_without_a_daemon_the_queue_is_read_and_not_changed(
    bridge: Running, sandbox: Sandbox
) -> None:
    await bridge.command("hold", "upstream", "cascade")
    peer = await bound(bridge)
    [id] = await submit(peer, b"380501234567")
    await peer.close()
    assert await bridge.terminate() == 0
    [shown] = await listed(bridge, "queue", "show")
    assert (shown["id"], shown["phone"]) == (id, "+380501234567")
    assert (await listed(bridge, "hold")) == [{"scope": "upstream", "name": "cascade"}]
    code, output = await bridge.command("queue", "cancel", str(id))
    assert code == 69
    assert "the daemon does not run" in output


async def test_a_change_needs_an_id_or_a_filter(bridge: Running) -> None:
    code, output = await bridge.command("queue", "cancel", "--yes")
    assert code == 64
    assert "say which messages" in output
    assert (await listed(bridge, "queue", "list")) == {"count": 0, "groups": []}


async def test_a_filter_that_selects_nothing_changes_nothing(bridge: Running) -> None:
    nothing = "No such message waits or is held.\n"
    for verb in ("list", "show", "hold", "release", "retry", "cancel"):
        assert await said(bridge, "queue", verb, "--sender", "Nobody") == nothing
    assert await listed(bridge, "queue", "hold", "--sender", "Nobody") == {"count": 0}


async def test_messages_that_wait_for_their_next_attempt_are_sent_now(
    bridge: Running, sandbox: Sandbox
) -> None:
    await said(bridge, "hold", "account", "crm")
    peer = await bound(bridge)
    await submit(peer, b"380501234567")
    sandbox.fault("503")
    await said(bridge, "release", "account", "crm")
    await bridge.event("batch_not_taken")
    sandbox.clear_faults()
    code, output = await bridge.command("queue", "retry", "--account", "crm")
    assert (code, "Retry 1 message? Give --yes to do it." in output) == (64, True)
    retried = await said(bridge, "queue", "retry", "--account", "crm", "--yes")
    assert retried == "1 message sent now.\n"
    await sandbox.wait_for(1, timeout=30)
    await peer.close()


async def test_the_queue_is_a_table_of_groups_and_of_messages(bridge: Running) -> None:
    await said(bridge, "hold", "account", "crm")
    peer = await bound(bridge)
    [first, second] = await submit(peer, b"380501234567", b"380671234567")
    head, row, _, total = (await said(bridge, "queue", "list")).splitlines()
    assert " ".join(head.split()) == (
        "state account type sender messages oldest newest example reason"
    )
    cells = row.split()
    assert cells[:5] == ["accepted", "crm", "transaction", "Shop", "2"]
    assert cells[7:] == [str(second), "-"]
    assert total == "2 messages"
    head, *rows = (await said(bridge, "queue", "show")).splitlines()
    assert head.split() == (
        ["id", "state", "account", "phone", "accepted", "due", "expires", "attempts", "reason"]
    )
    assert [row.split()[0] for row in rows] == [str(second), str(first)]
    assert rows[0].split()[3] == "+380671234567"
    await peer.close()


async def test_times_are_durations_before_now_or_dates(bridge: Running) -> None:
    await said(bridge, "hold", "account", "crm")
    peer = await bound(bridge)
    await submit(peer, b"380501234567")
    for options, count in (
        (("--since", "2h"), 1),
        (("--until", "2h"), 0),
        (("--since", "2026-01-01"), 1),
        (("--until", "2026-01-01 08:00"), 0),
        (("--since", f"{datetime.now().year + 1}-01-01"), 0),
    ):
        assert (await listed(bridge, "queue", "list", *options))["count"] == count, options
    await peer.close()


def test_a_duration_counts_back_from_now() -> None:
    context, parameter = click.Context(command), click.Option(["--since"])
    ago = _moment(context, parameter, "1h30m")
    assert ago is not None
    passed = datetime.now().astimezone() - datetime.fromisoformat(ago)
    assert 5400 <= passed.total_seconds() < 5500
    assert _moment(context, parameter, None) is None


def test_a_time_that_cannot_be_read_is_explained(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["queue", "list", "--since", "yesterday"]) == 64
    assert "'yesterday' is not a duration such as \"2h\" or a time" in capsys.readouterr().err
