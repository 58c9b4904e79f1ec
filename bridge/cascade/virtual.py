"""Stands in for the API for virtual accounts: accepts all messages, and sends none.

For trials and migrations: the bridge does everything up to the request, and then the message counts
as delivered.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final

import orjson
import structlog

from bridge.cascade.answers import HttpAnswer
from bridge.cascade.status import ApiStatus
from bridge.model.failure import Failure
from bridge.model.message import VIRTUAL, Route

log = structlog.get_logger()

#: Time until such a message is delivered (seconds).
_ON_ITS_WAY: Final = 0.5
_DELIVERED: Final = "delivered"


class VirtualDeliveries:
    """Tells the statuses of virtual messages; :meth:`run` it."""

    def __init__(self) -> None:
        self._taken: list[str] = []
        self._wanted = asyncio.Event()

    def add(self, upstream_ids: Sequence[str]) -> None:
        """Takes messages that will be delivered soon."""
        self._taken += upstream_ids
        self._wanted.set()

    async def run(self, note: Callable[[Sequence[ApiStatus]], Awaitable[None]]) -> None:
        """Notes deliveries until it is cancelled; polling finds those that could not be noted."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            await asyncio.sleep(_ON_ITS_WAY)
            taken, self._taken = self._taken, []
            try:
                await note([ApiStatus(id, _DELIVERED) for id in taken])
            except Failure as failure:
                log.warning("statuses_not_matched", cause=str(failure))


class VirtualClient:
    """Answers as :class:`bridge.cascade.client.CascadeClient` does, without a request."""

    def __init__(self, deliveries: VirtualDeliveries) -> None:
        self._deliveries = deliveries

    async def post(self, route: Route, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Accepts all messages."""
        ids = [str(item["id"]) for item in orjson.loads(body)]
        answer = [{"trackinId": id, "messageId": VIRTUAL + id} for id in ids]
        self._deliveries.add([VIRTUAL + id for id in ids])
        return HttpAnswer(200, orjson.dumps(answer))

    async def ask(self, headers: Mapping[str, str], upstream_id: str) -> HttpAnswer:
        """Answers that the message is delivered, if it was accepted here: an account that was not
        always virtual has others too, whose statuses only the API knows."""
        if not upstream_id.startswith(VIRTUAL):
            return HttpAnswer(404)
        return HttpAnswer(
            200, orjson.dumps({"messageId": upstream_id, "deliveryStatus": _DELIVERED})
        )

    async def upload(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer:
        """Accepts all variables."""
        return HttpAnswer(200)

    async def close(self) -> None:
        """Nothing is open."""
