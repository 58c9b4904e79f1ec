"""Samples of the last hour and day: rates, the queue, and the times of API, store and loop."""

from __future__ import annotations

from bridge.admin.history import EVERY, History
from bridge.model import measures


class Clock:
    now = 1_800_000_000.0

    def __call__(self) -> float:
        return self.now


async def nothing() -> None:
    """Nobody has to look."""


def test_a_day_has_samples_of_five_minutes_and_an_hour_of_ten_seconds() -> None:
    clock = Clock()
    queue = (0, 0.0)
    history = History(lambda: queue, nothing, clock)
    for number in range(24 * 360 + 400):
        if number == 4000:
            # It becomes slow in the middle of the day.
            queue = (500, 90.0)
        slow = number >= 4000
        measures.MESSAGES.add("accepted", n=20)
        measures.UPSTREAM_SECONDS.observe(2.0 if slow else 0.02)
        measures.STORE_COMMIT_SECONDS.observe(0.5 if slow else 0.001)
        measures.LOOP_LAG.observe(0.1 if slow else 0.0)
        clock.now += EVERY
        history.sample()
    assert (len(history.hour), len(history.day)) == (360, 288)
    assert history.hour[-1].at.timestamp() - history.hour[0].at.timestamp() == 3590
    assert history.day[-1].at.timestamp() - history.day[0].at.timestamp() == 287 * 300
    assert {one.accepted for one in history.hour} == {2.0}
    first, last = history.day[0], history.day[-1]
    assert (first.waiting, first.oldest_age) == (0, 0.0)
    assert (last.waiting, last.oldest_age) == (500, 90.0)
    assert first.upstream_latency is not None
    assert last.upstream_latency is not None
    assert round(first.upstream_latency, 3) == 0.02
    assert round(last.upstream_latency, 3) == 2.0
    assert last.commit_time is not None
    assert last.loop_lag is not None
    assert round(last.commit_time, 3) == 0.5
    assert round(last.loop_lag, 3) == 0.1
    # Since when: to five minutes.
    since = next(one for one in history.day if one.waiting)
    assert (since.at.timestamp() - 1_800_000_000.0) // EVERY // 30 == 4000 // 30 + 1


def test_without_measurements_a_sample_has_no_times() -> None:
    clock = Clock()
    history = History(lambda: (0, 0.0), nothing, clock)
    clock.now += EVERY
    history.sample()
    [sample] = history.hour
    assert (sample.accepted, sample.upstream_latency, sample.commit_time) == (0.0, None, None)
