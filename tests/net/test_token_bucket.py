"""The token bucket."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.net.token_bucket import TokenBucket


def test_a_rate_of_zero_never_refuses() -> None:
    bucket = TokenBucket(0, 0, 0.0)
    assert all(bucket.take(0.0, 1000) for _ in range(1000))
    assert bucket.wait(0.0, 1_000_000) == 0.0


def test_a_burst_passes_and_the_next_one_waits_for_the_average() -> None:
    bucket = TokenBucket(8, 5, 100.0)
    assert [bucket.take(100.0) for _ in range(6)] == [True] * 5 + [False]
    assert bucket.wait(100.0) == pytest.approx(0.125)
    assert bucket.take(100.125)
    assert not bucket.take(100.125)


def test_a_pause_gives_no_more_than_the_burst() -> None:
    bucket = TokenBucket(10, 5, 0.0)
    assert bucket.take(0.0, 5)
    assert [bucket.take(3600.0) for _ in range(6)] == [True] * 5 + [False]


def test_what_is_larger_than_the_burst_passes_once_and_is_paid_for_later() -> None:
    bucket = TokenBucket(10, 5, 0.0)
    assert bucket.take(0.0, 25)
    assert bucket.wait(0.0) == pytest.approx(2.1)
    assert not bucket.take(2.0)
    assert bucket.take(2.2)


def test_a_refused_request_takes_no_tokens() -> None:
    bucket = TokenBucket(1, 2, 0.0)
    assert bucket.take(0.0, 1)
    assert not bucket.take(0.0, 2)
    assert bucket.take(0.0, 1)


def test_a_burst_below_one_still_lets_one_through() -> None:
    assert TokenBucket(0.5, 0, 0.0).take(0.0)


def test_a_clock_that_stands_or_steps_back_gives_nothing() -> None:
    bucket = TokenBucket(1, 1, 10.0)
    assert bucket.take(10.0)
    assert not bucket.take(5.0)
    assert not bucket.take(10.5)
    assert bucket.take(11.0)


@given(
    rate=st.floats(0.1, 1000),
    burst=st.integers(1, 100),
    steps=st.lists(st.tuples(st.floats(0, 10), st.integers(1, 10)), max_size=50),
)
def test_never_more_than_the_burst_and_the_average(
    rate: float, burst: int, steps: list[tuple[float, int]]
) -> None:
    bucket = TokenBucket(rate, burst, 0.0)
    now, taken, largest = 0.0, 0, 0
    for pause, n in steps:
        now += pause
        if bucket.take(now, n):
            taken += n
            largest = max(largest, n)
    # One submission above the burst may overdraw by what it is above it.
    assert taken <= burst + rate * now + max(0, largest - burst) + 1e-6


@given(rate=st.floats(0.1, 1000), burst=st.integers(1, 100), n=st.integers(1, 200))
def test_after_the_wait_it_succeeds(rate: float, burst: int, n: int) -> None:
    bucket = TokenBucket(rate, burst, 0.0)
    bucket.take(0.0, burst)
    wait = bucket.wait(0.0, n)
    assert bucket.take(wait + 1e-6, n)
