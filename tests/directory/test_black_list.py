"""Black lists in memory, and their updates from the store."""

from __future__ import annotations

import pytest

from bridge.directory.black_list import BlackLists, Entries
from bridge.model.contact import BlackListEntry, Blocks
from bridge.store import Store
from bridge.store.directory.black_list import add_to_black_list, delete_from_black_list
from bridge.store.directory.staging import (
    begin_import,
    commit_import,
    merge_step,
    stage_black_list,
)
from bridge.store.directory.versions import BLACK_LIST

PHONE, OTHER = "+380501234567", "+380671112233"


@pytest.mark.parametrize(
    ("blocks", "bulk", "single"),
    [(Blocks.ALL, True, True), (Blocks.BULK, True, False), (Blocks.SINGLE, False, True)],
)
def test_what_each_kind_of_entry_stops(blocks: Blocks, bulk: bool, single: bool) -> None:
    entries = Entries()
    entries.put(PHONE, blocks)
    assert entries.block(PHONE, bulk=True) is bulk
    assert entries.block(PHONE, bulk=False) is single
    assert not entries.block(OTHER, bulk=True)


def test_a_number_has_one_kind_of_entry() -> None:
    entries = Entries()
    entries.put(PHONE, Blocks.ALL)
    entries.put(PHONE, Blocks.SINGLE)
    assert not entries.block(PHONE, bulk=True)
    assert len(entries) == 1
    entries.put(PHONE, None)
    assert len(entries) == 0


async def test_changes_come_into_memory(store: Store) -> None:
    lists = BlackLists(store)
    await lists.refresh()
    assert lists.of("crm") is None
    await store.change(add_to_black_list, "crm", PHONE, Blocks.ALL)
    await lists.refresh()
    first = lists.of("crm")
    assert first is not None
    assert first.block(PHONE, bulk=False)
    await store.change(delete_from_black_list, "crm", [PHONE])
    await store.change(add_to_black_list, "crm", OTHER, Blocks.BULK)
    await lists.refresh()
    # A few changes do not read the whole list again.
    assert lists.of("crm") is first
    assert not first.block(PHONE, bulk=False)
    assert first.block(OTHER, bulk=True)


async def test_an_imported_list_is_read_whole(store: Store) -> None:
    await store.change(add_to_black_list, "crm", PHONE, Blocks.ALL)
    lists = BlackLists(store)
    await lists.refresh()
    file = await store.change(begin_import, "crm", BLACK_LIST, 100)
    entries = [BlackListEntry(n, f"+38067{n:07}") for n in range(30_000)]
    await store.change(stage_black_list, file.id, entries, 101)
    await store.change(commit_import, file.id, 102)
    while await store.change(merge_step, file, 10_000, 103) is not None:
        pass
    await store.change(add_to_black_list, "crm", OTHER, Blocks.ALL)
    await lists.refresh()
    found = lists.of("crm")
    assert found is not None
    assert len(found) == 30_002
    assert found.block(entries[-1].phone, bulk=False)


async def test_more_changes_than_are_kept_are_read_whole(store: Store) -> None:
    await store.change(add_to_black_list, "crm", PHONE, Blocks.ALL)
    lists = BlackLists(store)
    await lists.refresh()
    for n in range(1005):
        await store.change(add_to_black_list, "crm", f"+38067{n:07}", Blocks.ALL)
    await lists.refresh()
    found = lists.of("crm")
    assert found is not None
    assert len(found) == 1006
