"""What became of notices, on its way into the store.

Answers that come in quick succession are written together, so that what waits for the store beside
them waits little. What a notice's answer means was decided before, by :mod:`bridge.notices.outbox`.
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
    """What is asked of :class:`bridge.store.Store`."""

    def told(self, told: Sequence[Told]) -> asyncio.Future[None]: ...


class Results:
    """Gathers and writes. Belongs to one event loop.

    ``wake`` is told in which queues there may be more, once what brought that about is durable.
    """

    def __init__(self, store: Keeper, wake: Callable[[Set[str]], None]) -> None:
        self._store = store
        self._wake = wake
        self._loop = asyncio.get_running_loop()
        self._answers: list[Told] = []
        self._then: set[str] = set()  # where to look when these are durable
        self._writing: asyncio.Future[None] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._wrote_at = 0.0
        self._written = asyncio.Event()
        self._flushing = False

    def note(self, told: Told, queue: str = "") -> None:
        """Keeps what became of a notice; with a ``queue`` there may be more to tell in it then."""
        self._answers.append(told)
        if queue:
            self._then.add(queue)
        if self._writing is None and self._timer is None:
            self._write_soon()

    async def flush(self) -> None:
        """Waits until all is durable, or the store has refused it; writes at once from now on."""
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
        except StoreError as error:  # it is closed: they come again after the next start
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
