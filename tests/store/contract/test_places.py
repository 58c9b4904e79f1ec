"""Places of accounts for calls under way."""

from __future__ import annotations

import asyncio

from bridge.store import Store


async def test_an_account_has_so_many_places(store: Store) -> None:
    assert await asyncio.gather(*(store.take_place("crm", 3) for _ in range(3))) == [True] * 3
    assert not await store.take_place("crm", 3)
    assert await store.take_place("shop", 3)
    await store.give_back_place("crm")
    assert await store.take_place("crm", 3)
    assert not await store.take_place("crm", 3)
    for account in ("crm", "crm", "crm", "shop"):
        await store.give_back_place(account)
    assert await asyncio.gather(*(store.take_place("crm", 3) for _ in range(3))) == [True] * 3
