"""Long work with rests for others."""

from __future__ import annotations

import pytest

from bridge.net.rests import AT_A_TIME, Rests


class Clock:
    """A clock that moves on while somebody sleeps."""

    def __init__(self) -> None:
        self.now = 0.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


async def test_it_rests_for_longer_than_it_has_worked() -> None:
    clock = Clock()
    rests = Rests(clock, clock.sleep)
    for _ in range(12):
        clock.now += AT_A_TIME / 3.9
        await rests.after_some()
    assert clock.slept == pytest.approx([AT_A_TIME * 1.25] * 3, rel=0.1)


async def test_after_a_long_step_it_does_not_rest_for_long() -> None:
    clock = Clock()
    rests = Rests(clock, clock.sleep)
    clock.now += 10
    await rests.after_some()
    await rests.after_some()
    [rest] = clock.slept
    assert AT_A_TIME < rest < 0.01
