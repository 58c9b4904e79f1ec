"""The API's webhooks of messages from phones, each posted until it is acknowledged."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable
from typing import Any

import httpx

from tests.chaos.node import Node, one_ready
from tests.chaos.record import Phoned, Record

SECRET = "9f86d081884c7d659a2feaa0c55ad015"
#: Senders that phones answer to → their accounts.
SENDERS = {"Shop": "crm", "Desk": "desk"}


def path(what: str) -> str:
    return f"/hooks/cascade/{SECRET}/{what}"


class Phones:
    """Writes to the accounts while ``busy``. ``twice``: the share of acknowledged messages that are
    posted again, as providers do."""

    def __init__(
        self,
        nodes: list[Node],
        record: Record,
        chance: random.Random,
        busy: Callable[[], bool],
        pause: float,
        twice: float = 0.1,
    ) -> None:
        self._nodes = nodes
        self._record = record
        self._chance = chance
        self._busy = busy
        self._pause = pause
        self._twice = twice

    async def run(self) -> None:
        """Runs until it is no longer busy and all messages are acknowledged."""
        async with (
            httpx.AsyncClient(trust_env=False, timeout=5) as client,
            asyncio.TaskGroup() as tasks,
        ):
            while self._busy():
                tasks.create_task(self._write(client))
                await asyncio.sleep(self._chance.expovariate(1 / self._pause))

    async def _write(self, client: httpx.AsyncClient) -> None:
        sender = self._chance.choice([*SENDERS])
        phone = self._record.phone()
        words = self._chance.choice(("Yes", "Так", "yes " * 60, "так " * 40)).strip()
        text = f"{phone[1:]} {words}"
        phoned = Phoned(f"uid-{phone}", text, phone, SENDERS[sender])
        self._record.phoned[phone] = phoned
        document = {
            "idUuid": phoned.uid,
            "alphaName": sender,
            "phoneNumber": phone[1:],
            "text": text,
            "dt": int(time.time()),
        }
        while not phoned.acknowledged or self._chance.random() < self._twice:
            if not await self._post(client, phoned, document):
                await asyncio.sleep(self._chance.uniform(0.2, 1))

    async def _post(self, client: httpx.AsyncClient, phoned: Phoned, document: Any) -> bool:
        _, at = await one_ready(self._nodes, self._chance)
        phoned.posts += 1
        try:
            url = f"http://127.0.0.1:{at.hooks}{path('incoming')}"
            answer = await client.post(url, json=document)
        except httpx.HTTPError:
            return False
        if answer.status_code in (400, 403, 404, 422):
            words = f"a message from a phone was refused with {answer.status_code}"
            self._record.violations.append(f"{words}: {phoned}, {answer.text[:200]}")
            phoned.acknowledged = True
        phoned.acknowledged |= answer.status_code == 200
        return answer.status_code == 200
