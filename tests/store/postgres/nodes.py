"""Several nodes on one database, and their signals."""

from __future__ import annotations

import asyncio
from collections.abc import Set

import asyncpg

from bridge.model.message import Receipts, State
from bridge.model.notice import Owed, Told
from bridge.store import Acceptance, Change, Status
from bridge.store.postgres.engine import PostgresStore
from tests.samples import NOW, message
from tests.store.samples import BOTH, CRM

LATER = NOW + 60


class Nodes:
    def __init__(self, url: str) -> None:
        self.url = url
        self._opened: list[PostgresStore] = []

    async def open(self, lease: float = 15.0) -> PostgresStore:
        store = PostgresStore(self.url, clock=lambda: NOW, lease=lease)
        self._opened.append(store)
        await store.open()
        return store

    async def open_reading(self, lease: float = 15.0) -> PostgresStore:
        store = PostgresStore(self.url, lease=lease)
        self._opened.append(store)
        await store.open_reading()
        return store

    async def execute(self, sql: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.url)
        try:
            rows: list[asyncpg.Record] = await connection.fetch(sql)
            return rows
        finally:
            await connection.close()

    async def close(self) -> None:
        for store in self._opened:
            await store.close()


def work_signal(store: PostgresStore) -> asyncio.Event:
    """An event that is set when other nodes have made messages available."""
    event = asyncio.Event()
    store.signals.work.listen(event.set)
    return event


async def signalled(event: asyncio.Event) -> None:
    async with asyncio.timeout(30):
        await event.wait()
    event.clear()


def unclaimed(*ids: int) -> Acceptance:
    return Acceptance(tuple(message(id) for id in ids), claimed=False)


def of_node(node: int, n: int = 1) -> int:
    """An id of this node."""
    return node << 16 | n


async def sent(store: PostgresStore, *ids: int, receipts: Receipts = BOTH) -> None:
    messages = tuple(message(id, receipts=receipts) for id in ids)
    for one in messages:
        await store.accept(Acceptance((one,)))
    await store.finish(0, [Change(id, State.SENT, f"up-{id}", poll_at=NOW) for id in ids])


def delivered(id: int) -> Status:
    return Status(f"up-{id}", "delivered", State.DELIVERED, NOW)


def taken(owed: Owed) -> Told:
    return Told(owed.notice.id, True, "taken")


async def claimed(store: PostgresStore, now: int = LATER) -> list[int]:
    return [one.notice.about for one in await store.claim_notices(CRM, now, 1000)]


def owed_signal(store: PostgresStore) -> tuple[asyncio.Event, list[Set[str] | None]]:
    """An event that is set when there are new notices, and the queues of all signals."""
    event, all_heard = asyncio.Event(), list[Set[str] | None]()

    def hear(queues: Set[str] | None) -> None:
        all_heard.append(queues)
        event.set()

    store.signals.owed.listen(hear)
    return event, all_heard
