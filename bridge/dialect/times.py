"""Times of the SMSC dialect: the fields ``time`` and ``tz`` of mails and HTTP calls."""

from __future__ import annotations

import re
from calendar import timegm
from datetime import UTC, datetime, timedelta

from bridge.model.day_hours import next_in_hours
from bridge.model.failure import Failure, Reason

#: ``tz`` is relative to Moscow, UTC+3 all year.
MOSCOW = timedelta(hours=3)
#: Local times are from 12 hours behind UTC to 14 hours ahead of it.
_ZONES = range(-15, 12)

_ZONE = re.compile(r"[+-]?\d{1,2}", re.ASCII)
_DIGITS = re.compile(r"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)", re.ASCII)
_UNIX = re.compile(r"0(\d{10})", re.ASCII)
_IN_MINUTES = re.compile(r"\+(\d{1,6})", re.ASCII)
_WINDOW = re.compile(r"(\d{1,2})-(\d{1,2})", re.ASCII)
#: The only form of a time with a colon.
DATE_AND_TIME = re.compile(r"(\d\d)\.(\d\d)\.(\d\d) +(\d\d?):(\d\d)", re.ASCII)


def scheduled_at(field: str, now: float) -> int | None:
    """The Unix time of ``time,tz``; ``None`` for now and for past times.

    Raises Failure (bad schedule time).
    """
    time, _, zone = (part.strip() for part in field.partition(","))
    if zone and (_ZONE.fullmatch(zone) is None or int(zone) not in _ZONES):
        raise Failure(Reason.BAD_SCHEDULE, "tz")
    offset = MOSCOW + timedelta(hours=int(zone or 0))
    at = _moment(time, now, offset)
    return at if at is not None and at > now else None


def _moment(time: str, now: float, offset: timedelta) -> int | None:
    if time.strip("0") == "":
        return None
    if found := _WINDOW.fullmatch(time):
        return _window(int(found[1]), int(found[2]), now, offset)
    if found := _IN_MINUTES.fullmatch(time):
        return int(now) + 60 * int(found[1])
    if found := _UNIX.fullmatch(time):
        return int(found[1])
    if found := DATE_AND_TIME.fullmatch(time) or _DIGITS.fullmatch(time):
        day, month, year, hour, minute = map(int, found.groups())
        try:
            local = datetime(2000 + year, month, day, hour, minute, tzinfo=UTC)
            return timegm((local - offset).timetuple())
        except (ValueError, OverflowError):
            pass
    raise Failure(Reason.BAD_SCHEDULE, "time")


def _window(first: int, last: int, now: float, offset: timedelta) -> int | None:
    """The next time at which the local hour is from ``first`` to before ``last``."""
    if first > 23 or last > 24 or first == last:
        raise Failure(Reason.BAD_SCHEDULE, "time: no such hours")
    local = datetime.fromtimestamp(now, UTC) + offset
    begins = next_in_hours(first, last, local)
    return None if begins == local else timegm((begins - offset).timetuple())
