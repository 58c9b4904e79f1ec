"""Refusals of a client: one line of each kind, then a count."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.smtp.inbound.refusals import Refusals


def test_the_first_of_a_kind_is_logged_and_the_others_are_counted() -> None:
    refusals = Refusals("192.0.2.1")
    with capture_logs() as logs:
        for n in range(3):
            refusals.note("recipient_refused", "crm", f"550 5.1.3 wrong {n}", recipient="1")
        refusals.note("recipient_refused", "crm", "550 5.7.1 no relaying", recipient="2")
        refusals.note("command_refused", "crm", "550 5.1.3 wrong", command="X")
        refusals.log_repeated("crm")
        refusals.log_repeated("crm")
        refusals.note("command_refused", "crm", "550 5.1.3 wrong", command="X")
    told = [(event["event"], event["reply"], event.get("repeated")) for event in logs]
    assert told == [
        ("recipient_refused", "550 5.1.3 wrong 0", None),
        ("recipient_refused", "550 5.7.1 no relaying", None),
        ("command_refused", "550 5.1.3 wrong", None),
        ("recipient_refused", "550 5.1.3", 2),
        ("command_refused", "550 5.1.3 wrong", None),
    ]
    assert {event["address"] for event in logs} == {"192.0.2.1"}


def test_each_is_kept_though_it_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    kept: list[tuple[str, str]] = []

    def watch(level: str, event: Mapping[str, Any]) -> None:
        kept.append((event["event"], event["recipient"]))

    monkeypatch.setattr("bridge.log.WATCHERS", [watch])
    refusals = Refusals("192.0.2.1")
    with capture_logs():  # which the watchers are not told of
        for n in range(3):
            refusals.note("recipient_refused", "crm", "550 5.1.3 wrong", recipient=str(n))
    assert kept == [("recipient_refused", "1"), ("recipient_refused", "2")]


def test_memory_is_bounded_by_the_reply_codes() -> None:
    refusals = Refusals("192.0.2.1")
    with capture_logs():
        for n in range(10_000):
            refusals.note("command_refused", "", f"500 5.5.2 no such command {n}")
    assert len(refusals._seen) == 1
