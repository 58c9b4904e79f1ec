"""Joins the results of a verb from all nodes (:mod:`bridge.admin.nodes`)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import datetime

from bridge.admin.answers import (
    BlockedLogin,
    Changed,
    HooksShown,
    HookTaken,
    LogLevel,
    NodeStatus,
    Reloaded,
)
from bridge.admin.audit_trail import AuditRecord
from bridge.admin.nodes import NodeAnswers
from bridge.net.sessions import SessionInfo


def sum_of(answers: NodeAnswers[Changed]) -> Changed:
    """The sum of the changes at all nodes."""
    return Changed(sum(one.count for one in answers.results.values()))


def sessions_of(answers: NodeAnswers[list[SessionInfo]]) -> list[SessionInfo]:
    """The sessions of all nodes; their ids name the node, where there are several."""
    return [
        replace(one, node=node, id=f"{one.id}@{node}" if answers.several else one.id)
        for node, some in answers.results.items()
        for one in some
    ]


def blocks_of(answers: NodeAnswers[list[BlockedLogin]]) -> list[BlockedLogin]:
    """The blocks of all nodes."""
    return [replace(one, node=node) for node, some in answers.results.items() for one in some]


def audits_of(answers: NodeAnswers[list[AuditRecord]]) -> list[AuditRecord]:
    """The records of all nodes, the newest first."""
    found = [one for some in answers.results.values() for one in some]
    return sorted(found, key=lambda one: one.at, reverse=True)


def hooks_of(answers: NodeAnswers[HooksShown]) -> HooksShown:
    """The webhooks of all nodes; refused ones are in the store that they share."""
    shown = next(iter(answers.results.values()))
    taken: dict[str, HookTaken] = {}
    for one in (one for some in answers.results.values() for one in some.taken):
        before = taken.get(one.kind, HookTaken(one.kind, 0, None))
        seen: list[datetime] = [at for at in (before.last, one.last) if at is not None]
        last = max(seen, default=None)
        taken[one.kind] = HookTaken(one.kind, before.count + one.count, last)
    listen = [at for some in answers.results.values() for at in some.listen]
    return HooksShown(listen, list(taken.values()), shown.refused)


def reloads_of(answers: NodeAnswers[Reloaded]) -> Reloaded:
    """The keys that changed at any node, and the nodes that kept their old settings, with the
    reason."""

    def every(name: str) -> list[str]:
        some = [value for one in answers.results.values() for value in getattr(one, name)]
        return list(dict.fromkeys(some))

    failed = {node: one.detail or one.description for node, one in answers.failures.items()}
    failed |= dict.fromkeys(answers.silent, "it does not answer")
    return Reloaded(every("changed"), every("need_restart"), every("removed_accounts"), failed)


def levels_of(answers: NodeAnswers[LogLevel]) -> LogLevel:
    """The level of the node that was asked, those of all, and the events of all."""
    own = answers.results.get(answers.own) or next(iter(answers.results.values()))
    events: Counter[str] = Counter()
    for one in answers.results.values():
        events.update(one.events)
    levels = {node: one.level for node, one in answers.results.items()}
    return LogLevel(own.level, own.until, dict(events), levels if answers.several else {})


def nodes_of(answers: NodeAnswers[list[NodeStatus]]) -> list[NodeStatus]:
    """All nodes, with a note for those that did not answer."""
    silent = [
        NodeStatus(node, "", "", 0, None, "", ["it does not answer"], 0, 0, None)
        for node in (*answers.silent, *answers.failures)
    ]
    found = [one for some in answers.results.values() for one in some]
    return sorted([*found, *silent], key=lambda one: one.node)
