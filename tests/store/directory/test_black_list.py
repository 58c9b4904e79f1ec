"""The black list in the store, and the changes by which other nodes follow it."""

from __future__ import annotations

import asyncio

import pytest

from bridge.model.contact import BlackListEntry, Blocks
from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.black_list import (
    BlackListChange,
    add_to_black_list,
    black_list_changes,
    delete_from_black_list,
    list_black_list,
    start_bulk,
    stop_bulk,
)
from bridge.store.directory.versions import BLACK_LIST, versions

PHONE = "+380501234567"


async def test_an_entry_comes_back_whole(store: Store) -> None:
    id = await store.change(add_to_black_list, "crm", PHONE, Blocks.BULK, "asked for it")
    entry = BlackListEntry(id, PHONE, Blocks.BULK, "asked for it")
    assert await store.look_up(list_black_list, "crm") == [entry]
    assert await store.look_up(list_black_list, "crm", phone=PHONE) == [entry]
    assert await store.look_up(list_black_list, "crm", after=id) == []
    assert await store.look_up(list_black_list, "shop") == []


async def test_a_listed_number_is_not_added_again(store: Store) -> None:
    await store.change(add_to_black_list, "crm", PHONE, Blocks.BULK)
    with pytest.raises(Failure) as caught:
        await store.change(add_to_black_list, "crm", PHONE, Blocks.ALL)
    assert caught.value.reason is Reason.OPERATION_FAILED


@pytest.mark.parametrize(
    ("before", "stopped", "started"),
    [
        (None, Blocks.BULK, None),
        (Blocks.BULK, Blocks.BULK, None),
        # What somebody else blocked stays blocked.
        (Blocks.SINGLE, Blocks.ALL, Blocks.ALL),
        (Blocks.ALL, Blocks.ALL, Blocks.ALL),
    ],
)
async def test_a_phone_stops_and_starts_bulk_messages_only(
    store: Store, before: Blocks | None, stopped: Blocks, started: Blocks | None
) -> None:
    async def there() -> list[tuple[Blocks, str]]:
        found = await store.look_up(list_black_list, "crm")
        return [(entry.blocks, entry.comment) for entry in found]

    comment = "STOP" if before is None else "by hand"
    if before is not None:
        await store.change(add_to_black_list, "crm", PHONE, before, comment)
    for _ in range(2):
        await store.change(stop_bulk, "crm", PHONE, "STOP")
        assert await there() == [(stopped, comment)]
    [*_, (_, change)] = await store.look_up(black_list_changes, "crm", 0)
    assert change == BlackListChange(PHONE, stopped)
    for _ in range(2):
        await store.change(start_bulk, "crm", PHONE)
        assert await there() == ([] if started is None else [(started, comment)])
    [*_, (_, change)] = await store.look_up(black_list_changes, "crm", 0)
    assert change == BlackListChange(PHONE, started)


async def test_an_entry_is_deleted_once(store: Store) -> None:
    await store.change(add_to_black_list, "crm", PHONE, Blocks.ALL)
    assert await store.change(delete_from_black_list, "crm", [PHONE, "+1"]) == 1
    with pytest.raises(Failure) as caught:
        await store.change(delete_from_black_list, "crm", [PHONE])
    assert caught.value.reason is Reason.NOT_FOUND


async def test_each_change_has_a_version(store: Store) -> None:
    await store.change(add_to_black_list, "crm", PHONE, Blocks.BULK)
    await store.change(add_to_black_list, "crm", "+1", Blocks.ALL)
    await store.change(delete_from_black_list, "crm", [PHONE])
    with pytest.raises(Failure):
        await store.change(add_to_black_list, "crm", "+1", Blocks.ALL)
    await store.change(add_to_black_list, "shop", PHONE, Blocks.ALL)
    assert await store.look_up(versions, BLACK_LIST) == {"crm": 3, "shop": 1}
    assert await store.look_up(black_list_changes, "crm", 1) == [
        (2, BlackListChange("+1", Blocks.ALL)),
        (3, BlackListChange(PHONE, None)),
    ]


async def test_simultaneous_changes_have_versions_in_order(store: Store) -> None:
    changes = [store.change(add_to_black_list, "crm", f"+{n}", Blocks.ALL) for n in range(20)]
    await asyncio.gather(*changes)
    versions = [version for version, _ in await store.look_up(black_list_changes, "crm", 0)]
    assert versions == list(range(1, 21))
