"""Holds of whole accounts and upstreams."""

from __future__ import annotations

from bridge.store import (
    Store,
)


async def test_holds_stay(store: Store) -> None:
    await store.set_hold("account", "crm", True)
    await store.set_hold("upstream", "cascade", True)
    await store.set_hold("account", "crm", True)
    assert await store.holds() == {("account", "crm"), ("upstream", "cascade")}
    await store.set_hold("account", "crm", False)
    assert await store.holds() == {("upstream", "cascade")}
