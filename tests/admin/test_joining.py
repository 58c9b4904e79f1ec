"""The results of several nodes as one."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from bridge.admin.answers import Changed, LogLevel, NodeStatus, Reloaded
from bridge.admin.joining import levels_of, nodes_of, reloads_of, sessions_of, sum_of
from bridge.admin.nodes import NodeAnswers
from bridge.model.failure import Failure, Reason
from bridge.net.sessions import SessionInfo

WRONG = Failure(Reason.BAD_PARAMETER, "smtp.listen: no address")


def answers(results: dict[int, Any], *silent: int, **failures: Failure) -> NodeAnswers[Any]:
    by_node = {int(name.removeprefix("node")): one for name, one in failures.items()}
    return NodeAnswers(0, results, by_node, list(silent))


def session(id: str) -> SessionInfo:
    return SessionInfo(id, "smpp", "transceiver", "crm", "10.0.0.1:1", datetime.now(UTC))


def test_changes_are_added() -> None:
    assert sum_of(answers({0: Changed(2), 3: Changed(1)})) == Changed(3)


def test_session_ids_name_their_node_if_there_are_several() -> None:
    several = sessions_of(answers({0: [session("smpp-1")], 2: [session("smpp-1")]}))
    assert [(one.id, one.node) for one in several] == [("smpp-1@0", 0), ("smpp-1@2", 2)]
    assert [one.id for one in sessions_of(answers({0: [session("smpp-1")]}))] == ["smpp-1"]


def test_a_reload_names_every_key_once_and_the_nodes_that_kept_their_settings() -> None:
    one = Reloaded(["log.level"], ["smtp.listen"], [])
    other = Reloaded(["log.level", "accounts.crm"], [], ["shop"])
    joined = reloads_of(answers({0: one, 1: other}, 5, node4=WRONG))
    assert joined.changed == ["log.level", "accounts.crm"]
    assert (joined.need_restart, joined.removed_accounts) == (["smtp.listen"], ["shop"])
    assert joined.failed == {4: "smtp.listen: no address", 5: "it does not answer"}


def test_the_log_level_is_the_asked_nodes_and_events_are_those_of_all() -> None:
    level = levels_of(
        answers({0: LogLevel("info", None, {"info": 2}), 1: LogLevel("debug", None, {"info": 3})})
    )
    assert (level.level, level.events, level.nodes) == (
        "info",
        {"info": 5},
        {0: "info", 1: "debug"},
    )
    assert levels_of(answers({0: LogLevel("info", None, {})})).nodes == {}


def test_a_node_that_does_not_answer_is_listed_with_that() -> None:
    status = NodeStatus(1, "0.2.0", "host", 7, datetime.now(UTC), "info", [], 0, 0, None)
    found = nodes_of(answers({1: [status]}, 3, node0=WRONG))
    assert [(one.node, one.missing) for one in found] == [
        (0, ["it does not answer"]),
        (1, []),
        (3, ["it does not answer"]),
    ]
