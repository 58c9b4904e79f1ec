"""Long work in the event loop, with rests in which others are served."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

#: The longest work without a rest (seconds).
AT_A_TIME: Final = 0.002
#: A rest as a multiple of the work before it, and the longest one (seconds): time in which another
#: program had the processor is no work.
_REST: Final = 1.25
_LONGEST: Final = 0.005


class Rests:
    """The rests of one piece of work; it begins now. ``clock`` gives monotonic seconds."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._clock = clock
        self._sleep = sleep
        self._since = clock()

    async def after_some(self) -> None:
        """Rests if the work since the last rest took long enough; for every small step of it."""
        worked = self._clock() - self._since
        if worked >= AT_A_TIME:
            await self._sleep(min(_REST * worked, _LONGEST))
            self._since = self._clock()
