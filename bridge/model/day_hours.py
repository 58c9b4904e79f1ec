"""Hours of the day in which messages may be sent."""

from __future__ import annotations

from datetime import datetime, timedelta


def next_in_hours(first: int, last: int, local: datetime) -> datetime:
    """The earliest time from ``local`` on whose hour is from ``first`` to before ``last``; past
    midnight if ``last`` is the smaller."""
    hour = local.hour
    inside = first <= hour < last if first < last else hour >= first or hour < last
    if inside:
        return local
    begins = local.replace(hour=first, minute=0, second=0, microsecond=0)
    return begins if begins > local else begins + timedelta(days=1)
