"""Options of groups among the recipients."""

from __future__ import annotations

from datetime import datetime

import pytest

from bridge.relay.group_recipients import next_within


class TestHours:
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
        assert next_within(hours, "Europe/Kyiv", at) == at + waits * 3600

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
        assert next_within(hours, "Europe/Kyiv", int(moment.timestamp())) == expected.timestamp()
