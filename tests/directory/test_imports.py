"""Requested imports: one after the other, with their progress and their end."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.directory.directory import Directory
from bridge.directory.imports import READERS, ImportRun, Imports
from bridge.directory.verbs import list_contacts
from bridge.model.failure import Failure, Reason
from bridge.store import Store
from bridge.store.directory.staging import CONTACTS, TEMPLATES
from bridge.store.directory.versions import BLACK_LIST, GROUPS
from tests.relaying import taking_no, without

FILE = b"Phone,Name\n0501234567,Anna\n12,Wrong\n0671112233,Boris\n"
PHONE = "+380501234567"


class Importing:
    def __init__(self, store: Store) -> None:
        self.directory = Directory(store)
        self.imports = Imports(self.directory)

    def begin(
        self, kind: str = CONTACTS, octets: bytes = FILE, *, preview: bool = False
    ) -> ImportRun:
        return self.imports.begin("crm", kind, octets, "UA", preview=preview)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.imports.run())
        try:
            yield
        finally:
            task.cancel()


async def finished(*runs: ImportRun) -> None:
    async with asyncio.timeout(30):
        while any(run.phase != "finished" for run in runs):  # noqa: ASYNC110 - a value, no event
            await asyncio.sleep(0.01)


async def test_an_import_has_a_result_and_a_line_in_the_log(store: Store) -> None:
    at = Importing(store)
    with capture_logs() as logs:
        async with at.running():
            run = at.begin()
            assert (run.phase, run.result) == ("waiting", None)
            await finished(run)
    assert run.failure is None
    assert run.result is not None
    assert (run.result.added, len(run.result.wrong)) == (2, 1)
    assert (run.done, run.of) == (2, 2)
    [event] = logs
    assert (event["event"], event["account"], event["added"]) == ("file_imported", "crm", 2)
    names = [one.name for one in await at.directory.look_up(list_contacts, "crm")]
    assert sorted(names) == ["Anna", "Boris"]


async def test_a_preview_changes_nothing_and_is_not_logged(store: Store) -> None:
    at = Importing(store)
    with capture_logs() as logs:
        async with at.running():
            run = at.begin(preview=True)
            await finished(run)
    assert run.result is not None
    assert run.result.added == 2
    assert logs == []
    assert await at.directory.look_up(list_contacts, "crm") == []


async def test_an_imported_black_list_takes_effect_at_once(store: Store) -> None:
    at = Importing(store)
    async with at.running():
        await finished(at.begin(BLACK_LIST, f"phone\n{PHONE}\n".encode()))
    entries = at.directory.black_lists.of("crm")
    assert entries is not None
    assert entries.block(PHONE, bulk=False)


def test_every_kind_of_file_has_a_reader() -> None:
    assert READERS.keys() == {CONTACTS, GROUPS, TEMPLATES, BLACK_LIST}


async def test_a_file_that_cannot_be_read_ends_its_run_and_no_other(store: Store) -> None:
    at = Importing(store)
    async with at.running():
        bad, good = at.begin(octets=b"\0\1\2"), at.begin()
        await finished(bad, good)
    assert bad.failure is not None
    assert bad.failure.reason is Reason.BAD_PARAMETER
    assert good.result is not None


async def test_a_store_that_does_not_work_ends_the_run(store: Store, tmp_path: Path) -> None:
    at = Importing(store)
    with capture_logs() as logs:
        async with at.running():
            with without(tmp_path, "import_line"):
                run = at.begin()
                await finished(run)
            again = at.begin()
            await finished(again)
    assert run.failure is not None
    assert run.failure.reason is Reason.OPERATION_FAILED
    assert "import_failed" in [event["event"] for event in logs]
    assert again.result is not None


async def test_a_committed_file_is_imported_when_the_store_works_again(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.directory.importing._AGAIN_AFTER", 0.01)
    at = Importing(store)
    with capture_logs() as logs:
        async with at.running():
            with taking_no(tmp_path, "contact"):
                run = at.begin()
                async with asyncio.timeout(30):
                    while "import_delayed" not in [event["event"] for event in logs]:  # noqa: ASYNC110
                        await asyncio.sleep(0.01)
            await finished(run)
    assert run.failure is None
    assert run.result is not None
    assert (run.result.added, len(run.result.wrong)) == (2, 1)
    assert len(await store.look_up(list_contacts, "crm")) == 2


async def test_only_so_many_files_wait(store: Store) -> None:
    at = Importing(store)
    for _ in range(8):
        at.begin()
    with pytest.raises(Failure) as refused:
        at.begin()
    assert refused.value.reason is Reason.BRIDGE_FULL


async def test_a_run_is_found_by_its_account_alone(store: Store) -> None:
    at = Importing(store)
    run = at.begin()
    assert (run.id, run.done, run.of) == (1, 0, 0)
    assert at.imports.find("crm", run.id) is run
    for account, id in (("shop", run.id), ("crm", 4711)):
        with pytest.raises(Failure) as refused:
            at.imports.find(account, id)
        assert refused.value.reason is Reason.NOT_FOUND


async def test_a_hundred_finished_runs_are_remembered_besides_those_that_wait(store: Store) -> None:
    at = Importing(store)
    async with at.running():
        for _ in range(120):
            await finished(at.begin(octets=b"\0"))
    found = []
    for id in range(1, 121):
        with contextlib.suppress(Failure):
            found.append(at.imports.find("crm", id).id)
    assert found == list(range(13, 121))
