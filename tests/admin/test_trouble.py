"""Warnings and errors of the last hour, by kind."""

from __future__ import annotations

import pytest

from bridge.admin.trouble import KEPT, RecentTrouble
from tests.samples import NOW
from tests.store.conftest import Clock


def test_a_kind_is_listed_once_with_its_count_and_its_last_cause() -> None:
    clock = Clock()
    trouble = RecentTrouble(clock)
    trouble.watch("warning", {"event": "bind_refused", "account": "crm", "reason": "first"})
    clock.now = NOW + 60
    trouble.watch("warning", {"event": "bind_refused", "account": "crm", "reason": "second"})
    [kind] = trouble.recent()
    assert (kind.event, kind.about, kind.count, kind.says) == ("bind_refused", "crm", 2, "second")
    assert (kind.last - kind.first).total_seconds() == 60


def test_accounts_are_told_apart_and_the_latest_kind_comes_first() -> None:
    trouble = RecentTrouble(lambda: NOW)
    for account in ("crm", "shop"):
        trouble.watch("warning", {"event": "bind_refused", "account": account})
    trouble.watch("exception", {"event": "hook_failed"})
    trouble.watch("warning", {"event": "bind_refused", "account": "crm"})
    assert [(kind.event, kind.about) for kind in trouble.recent()] == [
        ("bind_refused", "crm"),
        ("hook_failed", ""),
        ("bind_refused", "shop"),
    ]
    assert trouble.recent()[1].level == "error"


@pytest.mark.parametrize(
    ("fields", "says"),
    [
        ({"mistakes": ["smtp.a: no", "smtp.b: no"]}, "smtp.a: no, smtp.b: no"),
        ({"cause": "refused", "address": "192.0.2.7"}, "refused"),
        ({"address": "192.0.2.7", "known": False}, "address 192.0.2.7"),
        ({"seconds": 4.2}, "seconds 4.2"),
        ({"nodes": (2, 3)}, "nodes 2, 3"),
        ({"id": 7}, ""),
    ],
)
def test_the_cause_is_shown_or_else_a_fact(fields: dict[str, object], says: str) -> None:
    trouble = RecentTrouble()
    trouble.watch("warning", {"event": "an_event", **fields})
    assert [one.says for one in trouble.recent()] == [says]


def test_information_is_no_trouble_and_an_hour_later_nothing_is() -> None:
    clock = Clock()
    trouble = RecentTrouble(clock)
    trouble.watch("info", {"event": "ready"})
    trouble.watch("error", {"event": "store_write_failed"})
    assert len(trouble.recent()) == 1
    clock.now = NOW + KEPT
    assert trouble.recent() == []
