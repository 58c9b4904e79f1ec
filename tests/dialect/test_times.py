"""The fields ``time`` and ``tz`` of the SMSC dialect."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from bridge.dialect.times import scheduled_at
from bridge.model.failure import Failure, Reason

#: Ten o'clock in Moscow.
NOW = datetime(2026, 11, 26, 7, 0, tzinfo=UTC).timestamp()


def at(year: int, month: int, day: int, hour: int, minute: int) -> int:
    return int(datetime(year, month, day, hour, minute, tzinfo=UTC).timestamp())


@pytest.mark.parametrize(
    ("field", "moment"),
    [
        ("2711260930", at(2026, 11, 27, 6, 30)),
        ("27.11.26 09:30", at(2026, 11, 27, 6, 30)),
        ("27.11.26 09:30,-1", at(2026, 11, 27, 7, 30)),
        ("27.11.26 09:30,+3", at(2026, 11, 27, 3, 30)),
        (f"0{at(2026, 11, 27, 6, 30)}", at(2026, 11, 27, 6, 30)),
        ("+90", at(2026, 11, 26, 8, 30)),
        ("12-18", at(2026, 11, 26, 9, 0)),
        ("22-6", at(2026, 11, 26, 19, 0)),
    ],
)
def test_a_time_to_come(field: str, moment: int) -> None:
    assert scheduled_at(field, NOW) == moment


@pytest.mark.parametrize("field", ["", "0", "0000", ",0", "0-24", "9-18", "2511260930"])
def test_now(field: str) -> None:
    assert scheduled_at(field, NOW) is None


@pytest.mark.parametrize(
    "field",
    [
        "x",
        "3213260930",
        "9-25",
        "24-9",
        "9-9",
        "27.11.26,x",
        "+x",
        "2711260930,12",
        "2711260930,-16",
    ],
)
def test_what_is_no_time_is_refused(field: str) -> None:
    with pytest.raises(Failure) as caught:
        scheduled_at(field, NOW)
    assert caught.value.reason is Reason.BAD_SCHEDULE
