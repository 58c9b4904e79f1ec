"""The store knows which accounts have receivers bound here."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.notices.bound_receivers import BoundReceivers
from bridge.store.sqlite.engine import SqliteStore


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "bridge.db")
    await store.open()
    yield store
    await store.close()


async def bound(store: SqliteStore, account: str) -> list[bool]:
    return [found.bound for found in await store.receivers(account)]


async def test_an_account_has_receivers_while_its_queue_has_takers(store: SqliteStore) -> None:
    receivers = BoundReceivers(store)
    receivers.add("smpp:crm", "crm")
    receivers.add("smpp:shop", "shop")
    await receivers.note({"smpp:crm", "mail"})
    assert await bound(store, "crm") == [True]
    assert await bound(store, "shop") == []
    await receivers.note({"smpp:shop"})
    assert await bound(store, "crm") == [False]
    assert await bound(store, "shop") == [True]
    await receivers.note(())
    assert await bound(store, "shop") == [False]


async def test_nothing_is_noted_twice(store: SqliteStore) -> None:
    receivers = BoundReceivers(store)
    receivers.add("smpp:crm", "crm")
    await receivers.note({"smpp:crm"})
    await store.note_receivers("crm", False)
    await receivers.note({"smpp:crm"})
    assert await bound(store, "crm") == [False]
