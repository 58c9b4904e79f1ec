"""Checks that work is linear in its input, on a busy machine too."""

from __future__ import annotations

import time
from collections.abc import Callable

#: The factor of the input. Linear work grows by this factor, quadratic work by its square.
_GROWTH = 8
#: The least measurable time: below it clock and caches dominate (seconds of CPU).
_ENOUGH = 0.001


def assert_linear(work: Callable[[int], object], most: int = 200_000) -> None:
    """Fails if ``work(n)``, on an input of about ``n`` octets up to ``most``, is not linear.

    The input is doubled until the work can be measured, which finds exponential work early, then
    made eight times as large: linear work takes 8 times as long, quadratic work 64 times. Times are
    CPU times of this thread, the least of three runs.
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
