"""Limits on an account's calls of the directory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.calls import AT_ONCE, IDENTICAL, WITHIN, begin_call, end_call
from tests.samples import NOW


async def call(store: Store, digest: bytes, now: int = NOW, account: str = "crm") -> None:
    """A call with its answer."""
    await store.change(end_call, await store.change(begin_call, account, digest, now))


@asynccontextmanager
async def refused(reason: Reason) -> AsyncIterator[None]:
    with pytest.raises(Failure) as caught:
        yield
    assert caught.value.reason is reason


async def test_identical_calls_are_limited_for_a_minute(store: Store) -> None:
    for at in range(IDENTICAL):
        await call(store, b"same", NOW + at)
    async with refused(Reason.DUPLICATE):
        await call(store, b"same", NOW + WITHIN)
    await call(store, b"other", NOW + WITHIN)
    await call(store, b"same", NOW + WITHIN, "shop")
    # The first of them is forgotten; a refused call is not counted.
    await call(store, b"same", NOW + WITHIN + 1)


async def test_calls_at_once_are_limited_until_one_is_answered(store: Store) -> None:
    open_calls = [await store.change(begin_call, "crm", b"%d" % n, NOW) for n in range(AT_ONCE - 1)]
    async with refused(Reason.TOO_MANY_SESSIONS):
        await call(store, b"one more")
    await call(store, b"one more", account="shop")
    await store.change(end_call, open_calls[3])
    await call(store, b"one more")


async def test_a_call_that_was_never_answered_counts_for_a_minute(store: Store) -> None:
    for n in range(AT_ONCE - 1):
        await store.change(begin_call, "crm", b"%d" % n, NOW)
    async with refused(Reason.TOO_MANY_SESSIONS):
        await call(store, b"one more", NOW + WITHIN)
    await call(store, b"one more", NOW + WITHIN + 1)
