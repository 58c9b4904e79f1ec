"""Hours of the day in which messages may be sent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

#: Hours of the day that have a common time have it within so many seconds.
_COMMON_WITHIN: Final = 3 * 86400


def next_in_hours(first: int, last: int, local: datetime) -> datetime:
    """The earliest time from ``local`` on whose hour is from ``first`` to before ``last``; past
    midnight if ``last`` is the smaller."""
    hour = local.hour
    inside = first <= hour < last if first < last else hour >= first or hour < last
    if inside:
        return local
    begins = local.replace(hour=first, minute=0, second=0, microsecond=0)
    return begins if begins > local else begins + timedelta(days=1)


def next_open(hours: Sequence[str], zone: str, at: int) -> int | None:
    """The earliest Unix time from ``at`` on that is in all of these hours (``"9-21"``) of a zone.

    None if they have no common time.
    """
    found, until = at, at + _COMMON_WITHIN
    while found < until:
        begins = max((_next(one, zone, found) for one in hours), default=found)
        if begins == found:
            return found
        found = begins
    return None


def _next(hours: str, zone: str, at: int) -> int:
    first, last = map(int, hours.split("-"))
    return int(next_in_hours(first, last, datetime.fromtimestamp(at, ZoneInfo(zone))).timestamp())


def windows(hours: Sequence[str], zone: str, at: int) -> Iterator[tuple[float, float]]:
    """The times from ``at`` on that are in all of these hours, each with its begin and its end
    (Unix times). ``at`` is in them."""
    if not hours:
        yield at, math.inf
    while True:
        local = datetime.fromtimestamp(at, ZoneInfo(zone))
        closes = min(_closes(int(one.partition("-")[2]), local) for one in hours)
        # At least a minute, whatever the clocks do.
        end = max(closes, at + 60)
        yield at, end
        begins = next_open(hours, zone, end)
        at = end if begins is None else begins


def _closes(hour: int, local: datetime) -> int:
    closes = local.replace(hour=hour % 24, minute=0, second=0, microsecond=0)
    return int((closes if closes > local else closes + timedelta(days=1)).timestamp())
