"""SMPP's times: ``YYMMDDhhmmsstnnp`` (SMPP 3.4 §7.1.1), absolute and relative.

Tenths of a second are ignored, and so is all of ``tnn`` in a relative time (SMPP 5.0 §4.7.23.5).
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

_ABSOLUTE: Final = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\d(\d\d)([+-])")
_RELATIVE: Final = re.compile(rb"(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)\d{3}R")

#: The largest value of each relative field, and its seconds. The specification does not define the
#: length of a relative year or month: 365 and 30 days here.
_UNITS: Final = (
    (99, 365 * 86400),
    (12, 30 * 86400),
    (31, 86400),
    (23, 3600),
    (59, 60),
    (59, 1),
)

#: Local time differs from UTC by at most twelve hours, in quarters (nn is 00 to 48).
_MAX_QUARTERS: Final = 48


def is_no_time(value: bytes) -> bool:
    """Whether a time is empty, all zeros or all blanks: none is requested."""
    return not value.rstrip(b" R+-").strip(b" 0")


def parse_time(value: bytes, now: float) -> int:
    """The Unix time that ``value`` names; relative ones count from ``now``.

    Raises ValueError if it is not exactly in one of the two formats.
    """
    if value.endswith(b"R"):
        return int(now) + _relative_seconds(value)
    absolute = _ABSOLUTE.fullmatch(value)
    if absolute is None:
        raise ValueError("not YYMMDDhhmmsstnnp")
    year, month, day, hour, minute, second, quarters = map(int, absolute.groups()[:7])
    if quarters > _MAX_QUARTERS:
        raise ValueError(f"{quarters} quarter hours from UTC")
    local = datetime(2000 + year, month, day, hour, minute, second, tzinfo=UTC)
    ahead = timedelta(minutes=15 * quarters)
    return int((local - ahead if absolute[8] == b"+" else local + ahead).timestamp())


@lru_cache(maxsize=1024)  # a client uses the same few times
def _relative_seconds(value: bytes) -> int:
    relative = _RELATIVE.fullmatch(value)
    if relative is None:
        raise ValueError("not YYMMDDhhmmsstnnR")
    seconds = 0
    for digits, (largest, unit) in zip(relative.groups(), _UNITS, strict=True):
        if int(digits) > largest:
            raise ValueError(f"{digits.decode()} in a relative time")
        seconds += int(digits) * unit
    return seconds
