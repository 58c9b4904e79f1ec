"""Steps of the clock: NTP or an operator sets it, or a virtual machine resumes.

Messages wait by the wall clock, whose time is stored. After a step back they would wait until it
has caught up; after a step forward they would expire early. A step is noticed by comparing the
clock with the machine's uptime, and the stored times are corrected. Suspended time is no step: it
has passed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

import structlog

from bridge.model.ids import second_of
from bridge.model.message import Message
from bridge.sending.pace import RETRY_MOST
from bridge.sending.working_set import WorkingSet
from bridge.store import Store
from bridge.store.operating.clock_steps import (
    Correction,
    correct,
    moved,
    select_wrong,
    set_back,
    set_forward,
)
from bridge.store.small_steps import SmallSteps

log = structlog.get_logger()

#: Smaller differences are no steps (seconds): clocks are also set by running faster or slower.
NOTICED = 2.0


def uptime() -> float:
    """Seconds since the machine was started, suspended time included."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _everything(message: Message) -> bool:
    return True


class ClockSteps:
    """Notices steps of the ``clock`` (Unix time) and corrects what waits in the store."""

    def __init__(
        self,
        store: Store,
        working_set: WorkingSet,
        clock: Callable[[], float],
        uptime: Callable[[], float] = uptime,
    ) -> None:
        self._store = store
        self._working_set = working_set
        self._clock = clock
        self._uptime = uptime
        self._offset = clock() - uptime()
        self._said = 0.0
        #: Moved for this step: not again if the rest has to be repeated.
        self._moved: set[object] = set()
        self._following = asyncio.Lock()

    def step(self) -> float:
        """The seconds by which the clock was set and that :meth:`follow` has not corrected yet;
        negative if it was set back, 0 if it was not set."""
        offset = self._clock() - self._uptime()
        step = offset - self._offset
        if abs(step) < NOTICED:
            self._offset = offset
            return 0.0
        return step

    async def follow(self) -> None:
        """Corrects the times of what waits if the clock was set. Nothing is taken for sending
        meanwhile.

        Raises :class:`bridge.store.StoreError`; call it again then.
        """
        async with self._following:
            step = self.step()
            if not step:
                return
            if abs(step - self._said) >= NOTICED:
                self._said = step
                log.warning("clock_stepped", seconds=round(step))
            self._working_set.bar(_everything)
            try:
                await self._correct(round(step))
            finally:
                self._working_set.unbar(_everything)
                self._working_set.wake()
            self._offset += step
            self._said = 0.0
            self._moved.clear()

    async def follow_since(self, last_id: int) -> None:
        """Corrects times of earlier runs, if the clock is behind the last id that was given: it
        was set back while the bridge was down, by an unknown time."""
        step = self._clock() - second_of(last_id)
        if step <= -NOTICED:
            log.warning("clock_stepped", seconds=round(step))
            await self._all(set_back(int(self._clock()), int(RETRY_MOST)))

    async def _correct(self, step: int) -> None:
        now = int(self._clock())
        await self._all(set_back(now, int(RETRY_MOST)) if step < 0 else set_forward(now, step))
        await self._all(moved(now, step, self._store.node))

    async def _all(self, corrections: Sequence[Correction]) -> None:
        for correction in corrections:
            keys = await self._store.look_up(select_wrong, correction)
            if correction.adds:
                keys = [key for key in keys if key not in self._moved]
            steps = SmallSteps(self._store)
            for start in range(0, len(keys), steps.size):
                some = keys[start : start + steps.size]
                await steps.take(self._store.change(correct, correction, some))
                if correction.adds:
                    self._moved.update(some)
