"""Long work on the store in small steps, so that other work never waits long.

Verbs on many messages, imports and send-outs take their steps here. Each step is a transaction of
a few milliseconds. Then the store is left to others for longer than the step took.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

T = TypeVar("T")

#: Rows of a step: of the first one, the fewest and the most. A small step writes a few rows, but
#: waits for the disk all the same.
FIRST: Final = 250
FEWEST: Final = 200
MOST: Final = 1000
#: How long a step may take (seconds): steps get smaller until they take no longer.
STEP_WITHIN: Final = 0.004
#: The rest after a step, as a multiple of the step's time, and the longest one for that reason
#: (seconds).
REST: Final = 1.5
LONGEST_REST: Final = 0.01


class SmallSteps:
    """The steps of one piece of work, taken one after the other.

    ``size`` is how many rows the next step may write. ``rate`` is the most rows a second, for work
    that others have to go on with (0: no limit). ``monotonic`` gives seconds.
    """

    def __init__(
        self,
        rate: float = 0.0,
        *,
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self.size = FIRST
        self._rate = rate
        self._monotonic = monotonic
        self._sleep = sleep

    async def take(self, step: Awaitable[T]) -> T:
        """Takes one step of at most ``size`` rows, then rests; returns what the step returns."""
        began = self._monotonic()
        answer = await step
        took = self._monotonic() - began
        rest = min(REST * took, LONGEST_REST)
        if self._rate:
            rest = max(rest, self.size / self._rate - took)
        if took > STEP_WITHIN:
            self.size = max(FEWEST, self.size * 3 // 4)
        elif took < STEP_WITHIN / 2:
            self.size = min(MOST, self.size * 5 // 4)
        await self._sleep(rest)
        return answer
