"""The limit on identical calls."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.calls import IDENTICAL, WITHIN, count_call
from tests.samples import NOW


@asynccontextmanager
async def refused() -> AsyncIterator[None]:
    with pytest.raises(Failure) as caught:
        yield
    assert caught.value.reason is Reason.DUPLICATE


async def test_identical_calls_are_limited_for_a_minute(store: Store) -> None:
    for at in range(IDENTICAL):
        await store.change(count_call, "crm", b"same", NOW + at)
    async with refused():
        await store.change(count_call, "crm", b"same", NOW + WITHIN)
    await store.change(count_call, "crm", b"other", NOW + WITHIN)
    await store.change(count_call, "shop", b"same", NOW + WITHIN)
    # The first of them is forgotten; a refused call is not counted.
    await store.change(count_call, "crm", b"same", NOW + WITHIN + 1)


async def test_identical_calls_at_the_same_time_are_limited_too(store: Store) -> None:
    calls = [store.change(count_call, "crm", b"same", NOW) for _ in range(8)]
    answers = await asyncio.gather(*calls, return_exceptions=True)
    assert [answer for answer in answers if answer is None] == [None] * IDENTICAL
