"""Versions of data that nodes keep in memory."""

from __future__ import annotations

import asyncio

import pytest

from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.verb import Verb
from bridge.store.directory.versions import BLACK_LIST, GROUPS, next_version, versions


async def test_each_account_and_topic_has_versions_of_its_own(store: Store) -> None:
    assert await store.look_up(versions, GROUPS) == {}
    changes = (("crm", GROUPS), ("crm", GROUPS), ("crm", BLACK_LIST), ("shop", GROUPS))
    given = [await store.change(next_version, *change) for change in changes]
    assert given == [1, 2, 1, 1]
    assert await store.look_up(versions, GROUPS) == {"crm": 2, "shop": 1}
    assert await store.look_up(versions, BLACK_LIST) == {"crm": 1}


async def test_simultaneous_changes_share_no_version(store: Store) -> None:
    changes = [store.change(next_version, "crm", GROUPS) for _ in range(20)]
    assert sorted(await asyncio.gather(*changes)) == list(range(1, 21))


async def test_a_change_that_fails_uses_up_no_version(store: Store) -> None:
    def fail() -> Verb[None]:
        yield from next_version("crm", GROUPS)
        raise Failure(Reason.NOT_FOUND)

    with pytest.raises(Failure):
        await store.change(fail)
    assert await store.change(next_version, "crm", GROUPS) == 1
