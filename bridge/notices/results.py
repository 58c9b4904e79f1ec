"""Writes the results of notices to the store.

Results that come in quick succession are written together, so that they take little of the store's
time. :mod:`bridge.notices.outbox` has decided before what an answer means.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from functools import partial
from typing import Final, Protocol

import structlog

from bridge.model.notice import Told
from bridge.store import StoreError

log = structlog.get_logger()

#: Seconds between two writes.
_WRITE_EVERY: Final = 0.02


class Keeper(Protocol):
    """The part of :class:`bridge.store.Store` that takes results."""

    def told(self, told: Sequence[Told]) -> asyncio.Future[None]: ...


class Results:
    """Gathers results and writes them. Belongs to one event loop.

    ``wake`` is called with the queues that may have more notices, once the results are durable.
    """

    def __init__(self, store: Keeper, wake: Callable[[Set[str]], None]) -> None:
        self._store = store
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._answers: list[Told] = []
        self._then: set[str] = set()  # queues to wake when these are durable
        self._writing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wrote_at = 0.0
        self._written = asyncio.Event()
        self._flushing = False

    def note(self, told: Told, queue: str = "") -> None:
        """Stores the result of a notice soon; wakes ``queue``, if given, when it is durable."""
        self._answers.append(told)
        if queue:
            self._then.add(queue)
        if self._writing is None and self._timer is None:
            self._write_soon()

    async def flush(self) -> None:
        """Waits until all results are durable or refused by the store. Later ones are written at
        once."""
        self._flushing = True
        if self._timer is not None:
            self._timer.cancel()
            self._write()
        while self._writing is not None:
            self._written.clear()
            await self._written.wait()

    def _write_soon(self) -> None:
        wait = self._wrote_at + _WRITE_EVERY - self._loop.time()
        if wait <= 0 or self._flushing:
            self._write()
        else:
            self._timer = self._loop.call_later(wait, self._write)

    def _write(self) -> None:
        self._timer = None
        self._wrote_at = self._loop.time()
        answers, self._answers = self._answers, []
        then, self._then = self._then, set()
        try:
            self._writing = self._store.told(answers)
        except StoreError as error:  # closed: the notices are told again after the next start
            log.error("notices_not_kept", notices=len(answers), error=str(error))
            self._written.set()
            return
        self._writing.add_done_callback(partial(self._wrote, len(answers), then))

    def _wrote(self, answers: int, then: set[str], writing: asyncio.Future[None]) -> None:
        error = None if writing.cancelled() else writing.exception()
        if error is not None:
            log.error("notices_not_kept", notices=answers, error=str(error))
        self._writing = None
        self._wake(then)
        if self._answers:
            self._write_soon()
        else:
            self._written.set()
