"""Health checks of the process, and of its dependencies.

``/healthz`` checks the process: the event loop and the store's writer respond. ``/readyz`` checks
its dependencies: listeners, store, upstreams that are not held. Each answers in one line.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from bridge.model.measures import LOOP_LAG
from bridge.net.sd_notify import notify, watchdog_interval
from bridge.store import StoreError

#: How often the loop's lag is measured (seconds).
_BEAT: Final = 0.5
#: The lag with which the loop counts as blocked (seconds).
_LATE: Final = 5.0
#: Interval of a small test write to the store, and its time limit (seconds).
_WRITE_EVERY: Final = 2.0
_WRITE_WITHIN: Final = 5.0

#: Returns the problem in one line, empty without one.
Check = Callable[[], str]


class Health:
    """Monitors loop and writer, and feeds the service manager's watchdog while both respond.

    ``write`` goes once through the store's writer; ``store_trouble`` gives why writes of others
    failed. ``checks`` are what the daemon needs besides.
    """

    def __init__(
        self,
        write: Callable[[], Awaitable[None]],
        store_trouble: Callable[[], str],
        checks: Callable[[], list[str]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._store_trouble = store_trouble
        self._checks = checks
        self._monotonic = monotonic
        self._beat_at = monotonic()
        self._wrote_at = monotonic()
        self._trouble = ""
        #: True while clients can be served, until the daemon stops.
        self.serving = False

    async def run(self) -> None:
        """Measures until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._turn())
            tasks.create_task(self._keep_writing())

    async def _turn(self) -> None:
        interval = watchdog_interval()
        fed_at = 0.0
        while True:
            before = self._monotonic()
            await asyncio.sleep(_BEAT)
            self._beat_at = self._monotonic()
            LOOP_LAG.observe(max(0.0, self._beat_at - before - _BEAT))
            if interval and self._beat_at - fed_at >= interval / 3 and not self._writer_trouble():
                fed_at = self._beat_at
                notify("WATCHDOG=1")

    async def _keep_writing(self) -> None:
        while True:
            try:
                await self._write()
                self._trouble = ""
            except StoreError as error:
                # A store that refuses still responds: the process is healthy.
                self._trouble = str(error)
            self._wrote_at = self._monotonic()
            await asyncio.sleep(_WRITE_EVERY)

    def _writer_trouble(self) -> str:
        stuck = self._monotonic() - self._wrote_at
        if stuck <= _WRITE_WITHIN + _WRITE_EVERY:
            return ""
        return f"the store has not written for {stuck:.0f} s"

    def alive(self) -> str:
        """The problem of the process; empty without one."""
        late = self._monotonic() - self._beat_at - _BEAT
        if late > _LATE:
            return f"the event loop is {late:.0f} s late"
        return self._writer_trouble()

    def ready(self) -> list[str]:
        """The failed checks, in a few words each."""
        missing = [] if self.serving else ["not serving"]
        trouble = self._store_trouble() or self._trouble
        missing += [f"store: {trouble}"] if trouble else []
        missing += [self._writer_trouble()] if self._writer_trouble() else []
        return [*missing, *self._checks()]

    def routes(self) -> list[Route]:
        """``/healthz`` and ``/readyz``."""

        async def healthz(_: Request) -> Response:
            return _answer(self.alive())

        async def readyz(_: Request) -> Response:
            return _answer("; ".join(self.ready()))

        return [Route("/healthz", healthz), Route("/readyz", readyz)]


def _answer(trouble: str) -> Response:
    headers = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
    return PlainTextResponse(f"{trouble or 'ok'}\n", 503 if trouble else 200, headers)
