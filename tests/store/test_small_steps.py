"""Long work leaves the store to others after each small step."""

from __future__ import annotations

from pathlib import Path

import pytest

from bridge.store.small_steps import LONGEST_REST, REST, SmallSteps
from bridge.store.sqlite.engine import SqliteStore


class Work:
    """Steps that take a given time, and the rests after them (seconds)."""

    def __init__(self, rate: float = 0.0) -> None:
        self.now = 0.0
        self.rests: list[float] = []
        store = SqliteStore(Path("never-opened.db"))
        self.steps = SmallSteps(store, rate, monotonic=lambda: self.now, sleep=self._rest)

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


async def test_work_with_a_rate_is_no_faster_than_that() -> None:
    work = Work(rate=1000)
    await work.step(0.003)
    assert work.rests == [pytest.approx(work.steps.size / 1000 - 0.003)]


async def test_the_error_of_a_step_is_raised() -> None:
    async def fail() -> None:
        raise ValueError

    with pytest.raises(ValueError):
        await Work().steps.take(fail())
