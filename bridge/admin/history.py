"""Samples of rates, queue and times over the last hour and the last day, in memory.

A sample is taken every ten seconds; the hour keeps all, the day one in thirty.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from bridge.model import measures

EVERY: Final = 10.0
_HOUR: Final = 360
_ONE_IN: Final = 30
_DAY: Final = 288


@dataclass(frozen=True, slots=True)
class Sample:
    """Rates are messages per second since the previous sample; times and ``loop_lag`` are means in
    seconds, ``None`` without a measurement."""

    at: datetime
    accepted: float
    sent: float
    delivered: float
    failed: float
    waiting: int
    oldest_age: float
    upstream_latency: float | None
    commit_time: float | None
    loop_lag: float | None


class _Totals:
    """The counters at one moment."""

    def __init__(self) -> None:
        messages = measures.MESSAGES
        self.accepted = messages.total(state="accepted")
        self.sent = messages.total(state="sent")
        self.delivered = messages.total(state="delivered")
        self.failed = sum(
            messages.total(state=state) for state in ("undeliverable", "expired", "rejected")
        )
        self.times = {
            name: (histogram.count, histogram.sum)
            for name, histogram in (
                ("upstream", measures.UPSTREAM_SECONDS),
                ("commit", measures.STORE_COMMIT_SECONDS),
                ("lag", measures.LOOP_LAG),
            )
        }

    def mean(self, name: str, before: _Totals) -> float | None:
        count, total = self.times[name]
        count_before, total_before = before.times[name]
        if count == count_before:
            return None
        return (total - total_before) / (count - count_before)


class History:
    """Takes samples. ``queue`` gives the number of waiting messages and the age of the oldest;
    ``look`` updates them."""

    def __init__(
        self,
        queue: Callable[[], tuple[int, float]],
        look: Callable[[], Awaitable[None]],
        clock: Callable[[], float],
    ) -> None:
        self._queue = queue
        self._look = look
        self._clock = clock
        self.hour: deque[Sample] = deque(maxlen=_HOUR)
        self.day: deque[Sample] = deque(maxlen=_DAY)
        self._before, self._at = _Totals(), clock()
        self._long_before, self._long_at = self._before, self._at
        self._number = 0

    async def run(self) -> None:
        """Samples until it is cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            await self._look()
            self.sample()

    def now(self) -> Sample:
        """The values since the last sample, or since the one before if the last is too recent."""
        if self.hour and self._clock() - self._at < EVERY / 2:
            return self.hour[-1]
        return self._sample(_Totals(), self._before, self._clock() - self._at)

    def sample(self) -> None:
        """Takes the next one."""
        totals, now = _Totals(), self._clock()
        self.hour.append(self._sample(totals, self._before, now - self._at))
        self._before, self._at = totals, now
        self._number += 1
        if self._number % _ONE_IN == 0:
            self.day.append(self._sample(totals, self._long_before, now - self._long_at))
            self._long_before, self._long_at = totals, now

    def _sample(self, totals: _Totals, before: _Totals, seconds: float) -> Sample:
        waiting, age = self._queue()
        seconds = max(seconds, 0.001)
        return Sample(
            datetime.fromtimestamp(int(self._clock()), UTC),
            round((totals.accepted - before.accepted) / seconds, 2),
            round((totals.sent - before.sent) / seconds, 2),
            round((totals.delivered - before.delivered) / seconds, 2),
            round((totals.failed - before.failed) / seconds, 2),
            waiting,
            age,
            totals.mean("upstream", before),
            totals.mean("commit", before),
            totals.mean("lag", before),
        )
