"""The directory in the daemon: its memory follows its own changes, and those of other nodes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.directory import directory as module
from bridge.directory.directory import Directory
from bridge.directory.verbs import add_group, add_to_black_list, list_black_list, list_groups
from bridge.model.contact import Blocks, Group
from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.staging import CONTACTS, begin_import, commit_import, stage_contacts
from tests.relaying import without

PHONE = "+380501234567"


def stopped(directory: Directory) -> bool:
    entries = directory.black_lists.of("crm")
    return entries is not None and entries.block(PHONE, bulk=True)


@asynccontextmanager
async def following(directory: Directory) -> AsyncIterator[None]:
    """The directory looks for changes of other nodes without a pause."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "REFRESH_EVERY", 0.01)
        running = asyncio.create_task(directory.run())
        try:
            yield
        finally:
            running.cancel()


async def until(met: Callable[[], object]) -> None:
    async with asyncio.timeout(30):
        while not met():  # noqa: ASYNC110 - another task looks at the store meanwhile
            await asyncio.sleep(0.01)


async def test_a_change_takes_effect_at_once(store: Store) -> None:
    directory = Directory(store)
    await directory.open()
    assert not stopped(directory)
    await directory.change(add_to_black_list, "crm", PHONE, Blocks.ALL)
    await directory.change(add_group, "crm", Group(0, "Night"))
    assert stopped(directory)
    assert directory.groups.find("crm", "night").name == "Night"


async def test_the_memory_is_filled_before_anything_is_served(store: Store) -> None:
    await Directory(store).change(add_to_black_list, "crm", PHONE, Blocks.ALL)
    another = Directory(store)
    assert not stopped(another)
    await another.open()
    assert stopped(another)


async def test_changes_of_other_nodes_are_followed(store: Store) -> None:
    directory, other = Directory(store), Directory(store)
    await directory.open()
    async with following(directory):
        await other.change(add_to_black_list, "crm", PHONE, Blocks.ALL)
        await until(lambda: stopped(directory))


async def test_an_import_of_a_process_that_is_gone_is_finished(store: Store) -> None:
    file = await store.change(begin_import, "crm", CONTACTS, 1_000)
    await store.change(stage_contacts, file.id, [], 1_000)
    await store.change(commit_import, file.id, 1_000)
    with capture_logs() as logs:
        async with following(Directory(store)):
            await until(lambda: logs)
    assert logs[0]["event"] == "import_resumed"


async def test_a_lookup_and_a_note_leave_the_memory_as_it_is(store: Store) -> None:
    directory = Directory(store)
    await directory.note(add_to_black_list, "crm", PHONE, Blocks.ALL)
    [entry] = await directory.look_up(list_black_list, "crm")
    assert entry.phone == PHONE
    assert not stopped(directory)


async def test_a_refused_change_is_a_failure(store: Store) -> None:
    directory = Directory(store)
    await directory.change(add_group, "crm", Group(0, "Night"))
    with pytest.raises(Failure):
        await directory.change(add_group, "crm", Group(0, "night"))
    assert len(await directory.look_up(list_groups, "crm")) == 1


async def test_a_store_that_does_not_work_is_a_failure_and_the_memory_stays(
    store: Store, tmp_path: Path
) -> None:
    directory = Directory(store)
    await directory.change(add_to_black_list, "crm", PHONE, Blocks.ALL)
    with without(tmp_path, "black_list"):
        for verb in (
            directory.look_up(list_black_list, "crm"),
            directory.change(add_to_black_list, "crm", "+1", Blocks.ALL),
            directory.note(add_to_black_list, "crm", "+1", Blocks.ALL),
        ):
            with pytest.raises(Failure) as failed:
                await verb
            assert failed.value.reason is Reason.OPERATION_FAILED
        assert stopped(directory)


async def test_after_an_outage_changes_are_followed_and_the_next_one_is_logged(
    store: Store, tmp_path: Path
) -> None:
    directory, other = Directory(store), Directory(store)
    with capture_logs() as logs:
        async with following(directory):
            with without(tmp_path, "directory_version"):
                await until(lambda: logs)
            await other.change(add_to_black_list, "crm", PHONE, Blocks.ALL)
            await until(lambda: stopped(directory))
            first = len(logs)
            with without(tmp_path, "directory_version"):
                await until(lambda: len(logs) > first)
    assert {event["event"] for event in logs} == {"directory_not_read"}
