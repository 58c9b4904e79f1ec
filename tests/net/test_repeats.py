"""Repeated events have one line per minute, with a count."""

from __future__ import annotations

from structlog.testing import capture_logs

from bridge.net import repeats
from bridge.net.repeats import Repeats


def test_the_first_is_logged_and_the_others_are_counted() -> None:
    now = 0.0
    told = Repeats(lambda: now)
    with capture_logs() as logs:
        for _ in range(100):
            told.warn("tls_failed", address="192.0.2.1", cause="no")
        told.warn("tls_failed", address="192.0.2.2", cause="no")
        now = 61.0
        told.warn("tls_failed", address="192.0.2.1", cause="no")
        now = 200.0
        told.warn("tls_failed", address="192.0.2.1", cause="no")
    assert [(event["address"], event.get("repeated")) for event in logs] == [
        ("192.0.2.1", None),
        ("192.0.2.2", None),
        ("192.0.2.1", 99),
        ("192.0.2.1", None),
    ]
    assert {event["log_level"] for event in logs} == {"warning"}


def test_events_of_one_address_are_counted_whatever_their_reason() -> None:
    now = 0.0
    told = Repeats(lambda: now)
    with capture_logs() as logs:
        for n in range(100):
            told.tell("connection_closed", by=("192.0.2.1",), reason=f"command_length {n}")
        now = 61.0
        told.tell("connection_closed", by=("192.0.2.1",), reason="closed")
    assert [(event["reason"], event.get("repeated")) for event in logs] == [
        ("command_length 0", None),
        ("closed", 99),
    ]
    assert {event["log_level"] for event in logs} == {"info"}


def test_memory_is_bounded() -> None:
    told = Repeats(lambda: 0.0)
    for n in range(5000):
        told.warn("tls_failed", address=f"{n}", cause="no")
    assert len(told._told) <= repeats._MOST
