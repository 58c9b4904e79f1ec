"""Long work leaves the store to others after each small step."""

from __future__ import annotations

import pytest

from bridge.store.small_steps import (
    FEWEST,
    FIRST,
    LONGEST_REST,
    MOST,
    REST,
    STEP_WITHIN,
    SmallSteps,
)


class Work:
    """Steps that take a given time, and the rests after them (seconds)."""

    def __init__(self, rate: float = 0.0) -> None:
        self.now = 0.0
        self.rests: list[float] = []
        self.steps = SmallSteps(rate, monotonic=lambda: self.now, sleep=self._rest)

    async def _rest(self, seconds: float) -> None:
        self.rests.append(seconds)

    async def _step(self, took: float) -> str:
        self.now += took
        return "done"

    async def step(self, took: float) -> None:
        assert await self.steps.take(self._step(took)) == "done"


async def test_the_rest_is_longer_than_the_step() -> None:
    work = Work()
    await work.step(0.003)
    assert work.rests == [pytest.approx(REST * 0.003)]
    assert REST > 1


async def test_a_step_that_waited_for_a_busy_store_adds_no_long_rest() -> None:
    work = Work()
    await work.step(5.0)
    assert work.rests == [LONGEST_REST]


async def test_steps_get_smaller_while_they_take_too_long_and_grow_again() -> None:
    work = Work()
    sizes = [work.steps.size]
    for _ in range(10):
        await work.step(2 * STEP_WITHIN)
        sizes.append(work.steps.size)
    assert (sizes[0], sizes[-1]) == (FIRST, FEWEST)
    assert sizes == sorted(sizes, reverse=True)
    for _ in range(20):
        await work.step(STEP_WITHIN / 3)
    assert work.steps.size == MOST


async def test_work_with_a_rate_is_no_faster_than_that() -> None:
    work = Work(rate=10_000)
    await work.step(0.003)
    assert work.rests == [pytest.approx(FIRST / 10_000 - 0.003)]


async def test_a_step_that_fails_says_so() -> None:
    async def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        await SmallSteps().take(fail())
