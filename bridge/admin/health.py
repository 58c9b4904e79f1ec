"""Health: whether the process works, and whether it has what it needs.

``/healthz`` is about the process: the loop turns, the store's writer writes. ``/readyz`` is about
what it needs: listeners, store, an upstream that takes messages. Each answers in one line.
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
#: A loop that is later than this does not turn (seconds).
_LATE: Final = 5.0
#: How often the store is asked for one small write, and how long that may take (seconds).
_WRITE_EVERY: Final = 2.0
_WRITE_WITHIN: Final = 5.0

#: What is wrong, in one line; empty where nothing is.
Check = Callable[[], str]


class Health:
    """Watches loop and writer, and feeds the service manager's watchdog while both work.

    ``write`` goes once through the store's writer. ``checks`` are what the daemon needs besides.
    """

    def __init__(
        self,
        write: Callable[[], Awaitable[None]],
        checks: Callable[[], list[str]],
        *,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._write = write
        self._checks = checks
        self._monotonic = monotonic
        self._beat_at = monotonic()
        self._wrote_at = monotonic()
        self._trouble = ""
        #: Set once clients can be served, and not any more when the daemon stops.
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
                # A store that says no is at work, as far as the process is concerned.
                self._trouble = str(error)
            self._wrote_at = self._monotonic()
            await asyncio.sleep(_WRITE_EVERY)

    def _writer_trouble(self) -> str:
        stuck = self._monotonic() - self._wrote_at
        if stuck <= _WRITE_WITHIN + _WRITE_EVERY:
            return ""
        return f"the store has not written for {stuck:.0f} s"

    def alive(self) -> str:
        """What is wrong with the process; empty where nothing is."""
        late = self._monotonic() - self._beat_at - _BEAT
        if late > _LATE:
            return f"the event loop is {late:.0f} s late"
        return self._writer_trouble()

    def ready(self) -> list[str]:
        """What the daemon lacks, each in a few words."""
        missing = [] if self.serving else ["not serving"]
        missing += [f"store: {self._trouble}"] if self._trouble else []
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
