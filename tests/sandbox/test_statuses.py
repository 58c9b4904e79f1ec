"""Statuses follow the clock, and the number decides the final one."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.sandbox.statuses import StatusPace, cost, parts_count, status_at
from tests.sandbox.samples import flashcall, message

NOW = datetime(2025, 1, 25, 10, 0, tzinfo=UTC).timestamp()
PACE = StatusPace(scheduled=1.0, processing=2.0)


@pytest.mark.parametrize(
    ("after", "status"),
    [
        (0, "scheduled"),
        (0.9, "scheduled"),
        (1.0, "processing"),
        (2.9, "processing"),
        (3.0, "delivered"),
        (1e6, "delivered"),
    ],
)
def test_a_message_is_scheduled_then_processing_then_delivered(after: float, status: str) -> None:
    assert status_at(message(), NOW, NOW + after, PACE) == status


def test_a_scheduled_message_waits_for_its_time() -> None:
    item = message(scheduledSent="2025-01-25T11:00:00Z")
    assert status_at(item, NOW, NOW + 3599, PACE) == "scheduled"
    assert status_at(item, NOW, NOW + 3601, PACE) == "processing"
    assert status_at(item, NOW, NOW + 3603, PACE) == "delivered"


@pytest.mark.parametrize(
    ("phone", "status"),
    [
        ("+380501230001", "delivered"),
        ("+380501230002", "undeliverable"),
        ("+380501230003", "permanenterror"),
        ("+380501230004", "processing"),
    ],
)
def test_the_last_digits_decide_the_ending(phone: str, status: str) -> None:
    assert status_at(message(toPhone=phone), NOW, NOW + 1e6, PACE) == status


def test_without_pauses_a_message_is_delivered_at_once() -> None:
    assert status_at(message(), NOW, NOW, StatusPace(0, 0)) == "delivered"


@pytest.mark.parametrize(
    ("text", "parts"),
    [("x" * 160, 1), ("x" * 161, 2), ("x" * 307, 3), ("я" * 70, 1), ("я" * 71, 2), ("👍" * 36, 2)],
)
def test_parts_are_counted_as_for_sms(text: str, parts: int) -> None:
    assert parts_count(message(text=text)) == parts


def test_every_part_costs_the_same() -> None:
    assert cost(message(text="x" * 307)) == pytest.approx(3 * cost(flashcall()))
