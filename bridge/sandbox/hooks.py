"""Status webhooks: posts each status of a message to a URL.

Off unless a URL is given. :mod:`bridge.sandbox.statuses` decides when a status is due. Each is
posted once, in order: the provider documents no repetition. If too many wait, new ones are dropped
and counted.
"""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

import structlog

from bridge.sandbox import statuses
from bridge.sandbox.ledger import Batch

if TYPE_CHECKING:
    import httpx

log = structlog.get_logger()

MAX_WAITING = 100_000
AT_ONCE = 8
TIMEOUT = 5.0


class DueStatus(NamedTuple):
    """One status of one message, ordered by when it is due (a Unix time).

    If several are due at once, the first steps of all messages come before second steps.
    """

    due: float
    step: int
    order: int
    message_id: str
    status: str
    cost: float

    def document(self) -> dict[str, object]:
        """The documented body."""
        return {
            "messageId": self.message_id,
            "deliverystatus": self.status,
            "timestamp": datetime.fromtimestamp(self.due, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            "cost": self.cost,
        }


class StatusHooks:
    """Posts statuses to ``url`` from :meth:`start` to :meth:`close`, up to ``batch`` at once as an
    array."""

    def __init__(
        self,
        url: str,
        *,
        id_prefix: str,
        pace: statuses.StatusPace,
        clock: Callable[[], float],
        batch: int = 1,
    ) -> None:
        self.url = url
        self._batch = batch
        self.posted = 0
        self.failed = 0
        self.dropped = 0
        self._id_prefix = id_prefix
        self._pace = pace
        self._clock = clock
        self._waiting: list[DueStatus] = []
        self._order = 0
        self._added = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="sandbox-hooks")

    async def close(self) -> None:
        """Drops the waiting statuses."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    def accepted(self, batch: Batch) -> None:
        """Plans the notices of every message in ``batch``."""
        for number, item in enumerate(batch.items, batch.first):
            steps = statuses.timeline(item, batch.at, self._pace)[1:]
            for step, (due, status) in enumerate(steps):
                if len(self._waiting) >= MAX_WAITING:
                    self.dropped += 1
                    continue
                self._order += 1
                message_id = f"{self._id_prefix}{number:012x}"
                notice = DueStatus(due, step, self._order, message_id, status, statuses.cost(item))
                heapq.heappush(self._waiting, notice)
        self._added.set()

    async def _run(self) -> None:
        import httpx

        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as client:
            while True:
                self._added.clear()
                notices = self._take_due()
                if notices:
                    async with asyncio.TaskGroup() as group:
                        for at in range(0, len(notices), self._batch):
                            group.create_task(self._post(client, notices[at : at + self._batch]))
                    continue
                wait = self._waiting[0].due - self._clock() if self._waiting else None
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(wait):
                        await self._added.wait()

    def _take_due(self) -> list[DueStatus]:
        """Some due statuses, at most one per message, so that a message's statuses keep their
        order."""
        now, most = self._clock(), AT_ONCE * self._batch
        taken: dict[str, DueStatus] = {}
        while self._waiting and self._waiting[0].due <= now and len(taken) < most:
            if self._waiting[0].message_id in taken:
                break
            notice = heapq.heappop(self._waiting)
            taken[notice.message_id] = notice
        return list(taken.values())

    async def _post(self, client: httpx.AsyncClient, notices: list[DueStatus]) -> None:
        import httpx

        documents = [notice.document() for notice in notices]
        try:
            body = documents if self._batch > 1 else documents[0]
            response = await client.post(self.url, json=body)
            # httpx's own error would name the URL, which has a secret in its path.
            trouble = "" if response.is_success else f"HTTP {response.status_code}"
        except httpx.HTTPError as error:
            trouble = str(error) or type(error).__name__
        if trouble:
            self.failed += len(notices)
            for notice in notices:
                log.warning("sandbox_hook_failed", message_id=notice.message_id, error=trouble)
        else:
            self.posted += len(notices)
