"""Hours of the day: whether a time is within them, else when they begin."""

from __future__ import annotations

from datetime import datetime
from itertools import islice
from zoneinfo import ZoneInfo

import pytest

from bridge.model.day_hours import next_in_hours, next_open, windows


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


class TestNextOpen:
    """Hours of a group, in a zone two hours east of UTC in winter."""

    NINE = 1_800_342_000 - 1_800_342_000 % 86400 + 7 * 3600

    @pytest.mark.parametrize(
        ("hours", "hour", "waits"),
        [
            ("9-21", 9, 0),
            ("9-21", 20, 0),
            ("9-21", 21, 12),
            ("9-21", 3, 6),
            ("22-6", 23, 0),
            ("22-6", 5, 0),
            ("22-6", 7, 15),
        ],
    )
    def test_a_message_outside_the_hours_waits_for_their_begin(
        self, hours: str, hour: int, waits: int
    ) -> None:
        at = self.NINE + (hour - 9) * 3600
        assert next_open([hours], "Europe/Kyiv", at) == at + waits * 3600

    @pytest.mark.parametrize(
        ("hours", "at", "begins"),
        [
            ("9-21", "2026-10-24 22:00+03:00", "2026-10-25 09:00+02:00"),
            ("9-21", "2026-03-28 22:00+02:00", "2026-03-29 09:00+03:00"),
            # The hour from three to four comes twice, or not at all.
            ("4-5", "2026-10-25 03:30+02:00", "2026-10-25 04:00+02:00"),
            ("22-3", "2026-10-25 03:10+02:00", "2026-10-25 22:00+02:00"),
            ("3-5", "2026-03-28 22:00+02:00", "2026-03-29 04:00+03:00"),
        ],
    )
    def test_the_clocks_are_put_back_and_forward(self, hours: str, at: str, begins: str) -> None:
        moment, expected = map(datetime.fromisoformat, (at, begins))
        assert next_open([hours], "Europe/Kyiv", int(moment.timestamp())) == expected.timestamp()

    def test_hours_of_several_groups_have_to_be_met_together(self) -> None:
        def opens(*hours: str) -> int | None:
            return next_open(hours, "Europe/Kyiv", self.NINE)

        assert opens() == self.NINE
        assert opens("9-18", "12-21") == self.NINE + 3 * 3600
        assert opens("20-10", "8-11") == self.NINE
        assert opens("20-9", "8-11") == self.NINE + 23 * 3600
        assert opens("9-12", "14-18") is None


@pytest.mark.parametrize(
    ("hours", "at", "found"),
    [
        (
            ["9-21"],
            "2026-10-24 20:30+03:00",
            [
                ("2026-10-24 20:30+03:00", "2026-10-24 21:00+03:00"),
                ("2026-10-25 09:00+02:00", "2026-10-25 21:00+02:00"),
            ],
        ),
        (
            ["22-6", "0-8"],
            "2026-03-28 02:00+02:00",
            [
                ("2026-03-28 02:00+02:00", "2026-03-28 06:00+02:00"),
                # The hour from three to four is left out.
                ("2026-03-29 00:00+02:00", "2026-03-29 06:00+03:00"),
            ],
        ),
        (
            ["0-24"],
            "2026-11-26 12:00+02:00",
            [
                ("2026-11-26 12:00+02:00", "2026-11-27 00:00+02:00"),
                ("2026-11-27 00:00+02:00", "2026-11-28 00:00+02:00"),
            ],
        ),
    ],
)
def test_the_windows_of_hours(hours: list[str], at: str, found: list[tuple[str, str]]) -> None:
    begin = int(datetime.fromisoformat(at).timestamp())
    expected = [tuple(datetime.fromisoformat(t).timestamp() for t in one) for one in found]
    assert list(islice(windows(hours, "Europe/Kyiv", begin), 2)) == expected


def test_without_hours_the_window_never_ends() -> None:
    assert next(windows((), "", 5)) == (5, float("inf"))
