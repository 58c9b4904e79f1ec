"""Hours of the day: whether a time is within them, else when they begin."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest

from bridge.model.day_hours import next_in_hours


@pytest.mark.parametrize(
    ("hours", "now", "begins"),
    [
        ((9, 21), "2026-11-26 08:59:59", "2026-11-26 09:00:00"),
        ((9, 21), "2026-11-26 09:00:00", "2026-11-26 09:00:00"),
        ((9, 21), "2026-11-26 20:59:59", "2026-11-26 20:59:59"),
        ((9, 21), "2026-11-26 21:00:00", "2026-11-27 09:00:00"),
        ((22, 6), "2026-11-26 23:30:00", "2026-11-26 23:30:00"),
        ((22, 6), "2026-11-26 05:30:00", "2026-11-26 05:30:00"),
        ((22, 6), "2026-11-26 06:00:00", "2026-11-26 22:00:00"),
        ((0, 24), "2026-11-26 12:00:00", "2026-11-26 12:00:00"),
    ],
)
def test_the_next_time_within(hours: tuple[int, int], now: str, begins: str) -> None:
    assert next_in_hours(*hours, datetime.fromisoformat(now)) == datetime.fromisoformat(begins)


def test_the_hour_is_that_of_the_zone_before_and_after_its_clock_changes() -> None:
    zone = ZoneInfo("Europe/Kyiv")
    evening = datetime(2026, 10, 24, 22, tzinfo=zone)
    morning = next_in_hours(9, 21, evening)
    assert (morning.hour, morning.utcoffset()) == (
        9,
        datetime(2026, 10, 25, 9, tzinfo=zone).utcoffset(),
    )
    assert morning.timestamp() - evening.timestamp() == 12 * 3600
