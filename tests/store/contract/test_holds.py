"""Holds of whole accounts and upstreams."""

from __future__ import annotations

from bridge.store import Store
from tests.store.conftest import Engine


async def test_a_hold_lasts_until_it_is_released(engine: Engine) -> None:
    store = await engine.open()
    await store.set_hold("account", "crm", True)
    await store.set_hold("upstream", "cascade", True)
    await store.set_hold("account", "crm", True)
    await store.close()
    store = await engine.open()
    assert await store.holds() == {("account", "crm"), ("upstream", "cascade")}
    await store.set_hold("account", "crm", False)
    assert await store.holds() == {("upstream", "cascade")}


async def test_an_account_and_an_upstream_of_the_same_name_are_held_apart(store: Store) -> None:
    await store.set_hold("account", "crm", True)
    await store.set_hold("upstream", "crm", True)
    await store.set_hold("upstream", "other", False)
    await store.set_hold("upstream", "crm", False)
    assert await store.holds() == {("account", "crm")}
