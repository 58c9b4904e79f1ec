"""The clock of the database, which all nodes use.

Leases, expiry and schedules of several nodes must not depend on the clock of each machine. Between
two readings of the database's clock, the machine's monotonic clock is added, which nobody sets.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final

import structlog

from bridge.store.errors import StoreError

log = structlog.get_logger()

#: Difference between the clocks that is logged, and logged again after it has changed by as much
#: (seconds).
_NOTICED: Final = 2.0
#: Largest difference with which a node starts (seconds).
MAX_SKEW: Final = 30.0


class DatabaseClock:
    """Gives Unix time after :meth:`set`. ``machine`` is the clock of this machine."""

    def __init__(
        self,
        machine: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._machine = machine
        self._monotonic = monotonic
        self._offset: float | None = None
        self._said = 0.0

    def __call__(self) -> float:
        if self._offset is None:
            return self._machine()
        return self._monotonic() + self._offset

    def set(self, database_time: float) -> None:
        """Takes over a new reading of the database's clock (Unix time)."""
        self._offset = database_time - self._monotonic()
        skew = self._machine() - database_time
        if abs(skew - self._said) >= _NOTICED:
            self._said = skew
            log.warning("clock_skewed", seconds=round(skew, 1))

    def check(self) -> None:
        """Raises :class:`StoreError` if this machine's clock is too far from the database's."""
        skew = self._machine() - self()
        if abs(skew) > MAX_SKEW:
            where = "ahead of" if skew > 0 else "behind"
            raise StoreError(
                f"the clock of this machine is {abs(skew):.0f} s {where} that of the database; "
                f"a node starts with at most {MAX_SKEW:.0f} s"
            )
