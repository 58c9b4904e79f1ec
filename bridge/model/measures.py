"""Measures: counters and histograms since the start, as plain data.

Counting takes a fraction of a microsecond, so that it is allowed on the path of a message.
:mod:`bridge.admin.metrics` has the metrics' names.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from typing import Final


class Tally:
    """Counts by labels, whose names are ``labels``."""

    __slots__ = ("counts", "labels")

    def __init__(self, *labels: str) -> None:
        self.labels = labels
        self.counts: dict[tuple[str, ...], int] = {}

    def add(self, *values: str, n: int = 1) -> None:
        counts = self.counts
        counts[values] = counts.get(values, 0) + n

    def total(self, **only: str) -> int:
        """The sum of all counts whose labels have these values."""
        places = [(self.labels.index(name), value) for name, value in only.items()]
        return sum(
            count
            for values, count in list(self.counts.items())
            if all(values[place] == value for place, value in places)
        )


class Histogram:
    """Numbers of values up to each bound, and their sum. Only one thread observes."""

    __slots__ = ("bounds", "counts", "sum")

    def __init__(self, bounds: Sequence[float]) -> None:
        self.bounds = tuple(bounds)
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def observe(self, value: float) -> None:
        self.counts[bisect_left(self.bounds, value)] += 1
        self.sum += value

    @property
    def count(self) -> int:
        return sum(self.counts)


#: Bounds in seconds.
_FAST: Final = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5)
_SLOW: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20, 30)
_MANY: Final = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000, 2000)

SUBMISSIONS: Final = Tally("protocol", "outcome", "reason")
SUBMISSION_SECONDS: Final = {name: Histogram(_SLOW) for name in ("smtp", "smpp", "http")}
MESSAGES: Final = Tally("state")
UPSTREAM_REQUESTS: Final = Tally("outcome")
UPSTREAM_SECONDS: Final = Histogram(_SLOW)
UPSTREAM_BATCH: Final = Histogram(_MANY)
LOGINS: Final = Tally("result")
NOTICES: Final = Tally("kind", "outcome")
HOOKS: Final = Tally("kind", "outcome")
#: Kind → Unix time of the last accepted webhook.
HOOKS_TAKEN_AT: Final[dict[str, float]] = {}
STORE_COMMIT_SECONDS: Final = Histogram(_FAST)
STORE_COMMIT_ROWS: Final = Histogram(_MANY)
STORE_FAILURES: Final = Tally()
SMARTHOST_FAILURES: Final = Tally()
LOOP_LAG: Final = Histogram(_FAST)
