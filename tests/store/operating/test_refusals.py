"""Refusals: found by number, account, kind and time, and kept within bounds."""

from __future__ import annotations

import pytest

from bridge.store import Store
from bridge.store.operating import refusals
from bridge.store.operating.refusals import (
    Refusal,
    find_refusals,
    forget_refusals,
    keep_refusals,
)
from tests.samples import NOW

SOME = [
    Refusal(NOW + n, "submission", "smpp", "crm", "192.0.2.7", f"+38050000000{n}", "no")
    for n in range(3)
]


async def test_refusals_are_found_by_number_account_kind_and_time(store: Store) -> None:
    login = Refusal(NOW + 9, "login", "smtp", "erp", "192.0.2.8", "", "wrong login or password")
    await store.change(keep_refusals, [*SOME, login])
    find = find_refusals
    assert await store.look_up(find, ["+380500000001"], "", "", 0, 9) == [SOME[1]]
    assert await store.look_up(find, [], "crm", "", 0, 2) == [SOME[2], SOME[1]]
    assert await store.look_up(find, [], "", "login", 0, 9) == [login]
    assert await store.look_up(find, [], "", "", NOW + 2, 9) == [login, SOME[2]]


async def test_old_refusals_are_forgotten(store: Store) -> None:
    await store.change(keep_refusals, SOME)
    await store.change(forget_refusals, NOW + 2)
    assert await store.look_up(find_refusals, [], "", "", 0, 9) == [SOME[2]]


async def test_the_oldest_of_too_many_refusals_go(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(refusals, "MOST", 2)
    await store.change(keep_refusals, SOME[:2])
    await store.change(keep_refusals, SOME[2:])
    assert await store.look_up(find_refusals, [], "", "", 0, 9) == [SOME[2], SOME[1]]
