"""Clients of the HTTP API that submit send-outs.

A client keeps a request without an answer or with a temporary refusal, and sends it again with the
same ``Idempotency-Key``.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Final

import httpx

from tests.chaos.node import Node, one_ready
from tests.chaos.record import Record, Said, Text, Try

ACCOUNT: Final = "jobs"
_WITHIN: Final = 30.0
#: Most tries of a request.
_TRIES: Final = 6
#: Most recipients of a send-out.
_MOST: Final = 8
#: Temporary refusals.
_LATER: Final = frozenset({408, 429})


class ApiClient:
    """Submits send-outs one after the other while ``busy``."""

    def __init__(
        self,
        nodes: list[Node],
        record: Record,
        chance: random.Random,
        busy: Callable[[], bool],
        pause: float,
    ) -> None:
        self._nodes = nodes
        self._record = record
        self._chance = chance
        self._busy = busy
        self._pause = pause

    async def run(self) -> None:
        """Runs until it is no longer busy and its last send-out is accepted or given up."""
        async with httpx.AsyncClient(
            trust_env=False, timeout=_WITHIN, auth=(ACCOUNT, "secret12")
        ) as client:
            while self._busy():
                text = self._record.text(ACCOUNT, "send-out")
                count = self._chance.randint(1, _MOST)
                text.phones = (text.phone, *(self._record.phone() for _ in range(count - 1)))
                text.final = False
                await self._submit(client, text, self._chance.choice((0, 0, 3)))
                await asyncio.sleep(self._chance.expovariate(1 / self._pause))

    async def _submit(self, client: httpx.AsyncClient, text: Text, over: int) -> None:
        for _ in range(_TRIES):
            one = await self._try(client, text, over)
            refused = one.status.startswith("4") and int(one.status) not in _LATER
            if one.said is Said.YES or refused:
                return
            await asyncio.sleep(self._chance.uniform(0.2, 2))

    async def _try(self, client: httpx.AsyncClient, text: Text, over: int) -> Try:
        node, at = await one_ready(self._nodes, self._chance)
        one = Try(node.run, time.monotonic())
        text.parts[0].append(one)
        document = {"to": text.phones, "text": text.text, "name": text.text, "over": over}
        try:
            answer = await client.post(
                f"http://127.0.0.1:{at.api}/api/v1/messages",
                json=document,
                headers={"Idempotency-Key": text.phone},
            )
        except httpx.HTTPError:
            return one
        one.status = str(answer.status_code)
        if answer.status_code == httpx.codes.ACCEPTED:
            one.said, one.id = Said.YES, answer.json()["id"]
        else:
            one.said = Said.NO
        self._record.answered(text, one)
        return one
