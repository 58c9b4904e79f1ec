"""Periodic tasks: expiry, takeover from nodes that are gone, retention.

Each task has its interval and works in small steps that never hold up a submit.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

import structlog

from bridge.config import settings as config
from bridge.sending.dispatcher import Dispatcher
from bridge.store import Store, StoreError
from bridge.store.outage import Outage

log = structlog.get_logger()

#: Seconds between two checks for expired messages, and for nodes that are gone.
EXPIRE_EVERY = 5.0
NODES_EVERY = 5.0
#: Seconds between two sweeps; each works in steps of STEP rows until it is done.
SWEEP_EVERY = 60.0
STEP = 500
#: Pause after each step, so that a sweep takes a small share of the disk (seconds).
STEP_PAUSE = 0.05


class Upkeep:
    """Owns the tasks; :meth:`run` them beside the dispatcher."""

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        settings: config.StoreSettings,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._settings = settings
        self._clock = clock
        self._work = asyncio.Event()

    def reload(self, settings: config.StoreSettings) -> None:
        """Takes over new retention times."""
        self._settings = settings

    def wake(self) -> None:
        """Checks at once: another node has changed something."""
        self._work.set()

    async def run(self) -> None:
        """Runs the tasks until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._every(EXPIRE_EVERY, self._dispatcher.expire))
            tasks.create_task(self._every(NODES_EVERY, self.nodes))
            tasks.create_task(self._on_work())
            tasks.create_task(self._every(SWEEP_EVERY, self.sweep))

    async def _every(self, seconds: float, work: Callable[[], Awaitable[None]]) -> None:
        outage = Outage("upkeep_failed", work=work.__name__)
        while True:
            await asyncio.sleep(seconds)
            try:
                await work()
                outage.over()
            except StoreError as error:
                outage.failed(error)

    async def _on_work(self) -> None:
        outage = Outage("upkeep_failed", work="refresh")
        while True:
            await self._work.wait()
            self._work.clear()
            try:
                await self.nodes()
                await self._dispatcher.refresh()
                outage.over()
            except StoreError as error:
                outage.failed(error)
            # Signals in quick succession cause one check.
            await asyncio.sleep(STEP_PAUSE)

    async def nodes(self) -> None:
        """Shares the rate with the other nodes, and takes over from those that are gone."""
        nodes = await self._store.nodes()
        self._dispatcher.share(nodes)
        if nodes > 1:
            # Other nodes send and cancel too.
            self._dispatcher.backlog = await self._store.backlog()
        await self._dispatcher.take_up_interrupted()

    async def sweep(self) -> None:
        """Deletes messages and texts that are older than the retention times."""
        now = int(self._clock())
        retain = self._settings.retain
        retain_text = retain if self._settings.retain_text is None else self._settings.retain_text
        before, text_before = now - int(retain), now - int(retain_text)
        while await self._store.sweep(before, text_before, STEP) >= STEP:  # noqa: ASYNC110 - a rest
            await asyncio.sleep(STEP_PAUSE)
        await self._store.forget_fingerprints(now)
