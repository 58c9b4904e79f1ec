"""The verbs of the daemon: overview, nodes, texts, reload, drain, log level."""

from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime

import pytest

from bridge import __version__, log
from bridge.admin.answers import NodeStatus, Reloaded
from bridge.config.settings import ConfigError, Mistake
from bridge.model import measures
from bridge.model.failure import Failure, Reason
from bridge.model.notice import Incoming
from bridge.sandbox import Sandbox
from tests.admin.controlling import BY, Controlled
from tests.relaying import id_of
from tests.samples import NOW, submission


async def test_the_overview_has_queue_upstreams_sessions_and_trouble(
    verbs: Controlled, sandbox: Sandbox
) -> None:
    await verbs.control.hold(by=BY, scope="account", name="crm")
    await verbs.relaying.submit(submission())
    verbs.trouble.watch("warning", {"event": "bind_refused", "account": "crm"})
    overview = await verbs.control.show_overview()
    assert (overview.version, overview.node, overview.nodes) == (__version__, 0, 1)
    assert overview.missing == ["not serving"]
    assert {one.state: one.count for one in overview.queue} == {"accepted": 1, "held": 0}
    assert [(one.name, one.status) for one in overview.upstreams] == [("cascade", "ok")]
    assert overview.held_accounts == ["crm"]
    assert [(one.protocol, one.count) for one in overview.sessions] == [("smpp", 2), ("smtp", 1)]
    assert [(one.account, one.accepted_today) for one in overview.limits] == [("crm", 1)]
    assert [one.event for one in overview.trouble] == ["bind_refused"]
    assert (overview.blocked, overview.others) == (0, [])


async def test_this_node_is_listed(verbs: Controlled) -> None:
    [node] = await verbs.control.list_nodes()
    assert isinstance(node, NodeStatus)
    assert (node.node, node.version, node.pid) == (0, __version__, os.getpid())
    assert (node.level, node.sessions, node.in_flight) == (log.level(), 3, 0)
    assert node.missing == ["not serving"]


async def test_a_text_is_shown_once_the_log_has_its_reader(
    verbs: Controlled, sandbox: Sandbox
) -> None:
    id = id_of(await verbs.relaying.submit(submission(text="Your code is 1234")))
    [told] = await verbs.control.show_text(by=BY, id=str(id))
    assert told["text"] == "Your code is 1234"
    action, by, about = verbs.audited()[-1]
    assert (action, by) == ("show_text", BY)
    assert (about["id"], about["phone"]) == (str(id), "+3805******67")
    [audit] = await verbs.control.list_audits(id=str(id))
    assert audit.action == "show_text"


async def test_the_text_of_a_phone_is_shown_too(verbs: Controlled) -> None:
    incoming = Incoming(77, "u", "crm", "+380501234567", "Shop", "Call me", NOW, NOW)
    await verbs.relaying.store.take_incoming([(incoming, ())])
    [told] = await verbs.control.show_text(by=BY, id="77")
    assert told == {"id": 77, "phone": "+380501234567", "text": "Call me"}
    assert verbs.audited()[-1][0] == "show_text"
    with pytest.raises(Failure) as caught:
        await verbs.control.show_text(by=BY, id="78")
    assert (caught.value.reason, caught.value.detail) == (Reason.NOT_FOUND, "no message 78")


async def test_webhooks_are_counted_by_kind(verbs: Controlled) -> None:
    before = {one.kind: one.count for one in (await verbs.control.list_hooks()).taken}
    assert list(before) == ["status", "incoming"]
    measures.HOOKS.add("incoming", "taken")
    measures.HOOKS_TAKEN_AT["incoming"] = float(NOW)
    shown = await verbs.control.list_hooks()
    assert shown.listen == []
    _, incoming = shown.taken
    assert incoming.count == before["incoming"] + 1
    assert incoming.last == datetime.fromtimestamp(NOW, UTC)


async def test_a_reload_is_logged_before_it_is_tried(verbs: Controlled) -> None:
    assert await verbs.control.reload(by=BY) == Reloaded(["log.level"], [], [])
    verbs.process.mistakes = ConfigError([Mistake("b.toml", "smtp.x", "1", "2")])
    with pytest.raises(ConfigError):
        await verbs.control.reload(by=BY)
    assert verbs.audited() == [("reload", BY, {})] * 2


async def test_a_drain_answers_and_then_stops(verbs: Controlled) -> None:
    with pytest.raises(Failure, match="no node 5"):
        await verbs.control.drain(by=BY, node="5")
    assert (await verbs.control.drain(by=BY)).count == 3
    for _ in range(3):
        await asyncio.sleep(0)
    assert not verbs.process.stopped.is_set(), "the answer comes first"
    async with asyncio.timeout(30):
        await verbs.process.stopped.wait()
    assert verbs.audited() == [("drain", BY, {"sessions": "3"})]


async def test_the_log_level_comes_back_after_its_time(verbs: Controlled) -> None:
    level = await verbs.control.set_log_level(by=BY, level="warning", duration="1s")
    assert level.level == "warning"
    assert level.until is not None
    async with asyncio.timeout(30):
        while log.level() != "info":  # noqa: ASYNC110 - a word, not an event
            await asyncio.sleep(0.05)
    assert (await verbs.control.show_log_level()).until is None


@pytest.mark.parametrize(
    ("level", "duration", "words"),
    [("loud", "", "no level loud: debug, info"), ("debug", "soon", "soon is not a duration")],
)
async def test_a_wrong_level_or_time_changes_nothing(
    verbs: Controlled, level: str, duration: str, words: str
) -> None:
    with pytest.raises(Failure, match=words) as caught:
        await verbs.control.set_log_level(by=BY, level=level, duration=duration)
    assert caught.value.reason is Reason.BAD_PARAMETER
    assert (log.level(), verbs.audited()) == ("info", [])
