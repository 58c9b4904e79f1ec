"""Whether work grows as its input does, whatever the machine is doing meanwhile."""

from __future__ import annotations

import time
from collections.abc import Callable

#: Quadratic work grows by the square of this, linear work by as much.
_GROWTH = 8
#: Below this the clock and caches count for more than the work (seconds of CPU).
_ENOUGH = 0.001


def assert_linear(work: Callable[[int], object], most: int = 200_000) -> None:
    """``work(n)`` handles an input of about ``n`` octets, up to ``most``.

    The input is doubled until the work can be measured, so that exponential work is found before
    it takes a day, and then made eight times as large: linear work takes 8 times as long,
    quadratic work 64 times. Time is this thread's own CPU time, the least of three runs.
    """
    n = 8
    taken = _time(work, n)
    while taken < _ENOUGH and n * _GROWTH < most:
        n *= 2
        before, taken = taken, _time(work, n)
        assert taken < 64 * max(before, _ENOUGH / 10), f"{n} octets: {before} s became {taken} s"
    larger = _time(work, n * _GROWTH)
    limit = 3 * _GROWTH * max(taken, _ENOUGH)
    assert larger < limit, f"{n} octets took {taken} s, {n * _GROWTH} octets {larger} s"


def _time(work: Callable[[int], object], n: int) -> float:
    times = []
    for _ in range(3):
        began = time.thread_time()
        work(n)
        times.append(time.thread_time() - began)
    return min(times)
