"""Long work on the store in small steps, so that other work never waits long.

Verbs on many messages, imports and send-outs take their steps here. Each step is a transaction of
a few milliseconds. Then the store is left to others for longer than the step took.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from bridge.store.interface import Store

T = TypeVar("T")

#: The rest after a step, as a multiple of the step's time, and the longest one (seconds): a step
#: that has waited for a busy store adds no long rest.
REST: Final = 1.25
LONGEST_REST: Final = 0.02


class SmallSteps:
    """The steps of one piece of work, taken one after the other.

    ``size`` is how many rows a step may write. ``rate`` is the most rows a second, for work that
    others have to go on with (0: no limit). ``monotonic`` gives seconds.
    """

    def __init__(
        self,
        store: Store,
        rate: float = 0.0,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.size = store.step_rows
        self._shortest = self.size / rate if rate else 0.0
        self._monotonic = monotonic
        self._sleep = sleep

    async def take(self, step: Awaitable[T]) -> T:
        """Takes one step of at most ``size`` rows, then rests; returns what the step returns."""
        began = self._monotonic()
        answer = await step
        took = self._monotonic() - began
        await self._sleep(max(min(REST * took, LONGEST_REST), self._shortest - took))
        return answer
