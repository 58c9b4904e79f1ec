"""The engine: the file, its lock, its faults, and what survives a kill."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import sqlite3
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from bridge.model.ids import first_id
from bridge.model.message import State
from bridge.store import Acceptance, Change, StoreError, StoreFull, StoreInUse
from bridge.store.directory.staging import (
    CONTACTS,
    SEND_OUT,
    abandoned_imports,
    begin_import,
    commit_import,
)
from bridge.store.directory.verb import Statement, Verb
from bridge.store.sqlite.engine import SqliteStore, path_of
from tests.samples import NOW, message


def test_the_address_names_the_file() -> None:
    assert path_of("sqlite:////var/lib/bridge.db") == Path("/var/lib/bridge.db")
    assert path_of("sqlite:///bridge.db") == Path("bridge.db")
    with pytest.raises(ValueError, match="sqlite:///PATH"):
        path_of("postgresql://localhost/bridge")


async def test_a_second_daemon_is_kept_out_and_told_by_whom(tmp_path: Path) -> None:
    first, second = (SqliteStore(tmp_path / "bridge.db") for _ in range(2))
    await first.open()
    with pytest.raises(StoreInUse, match=f"in use by another cascade-bridge .pid {os.getpid()}"):
        await second.open()
    await first.close()
    await second.open()
    await second.close()


async def test_an_accepted_send_out_goes_on_at_once_after_a_restart(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bridge.db", clock=lambda: NOW)
    await store.open()
    accepted = await store.change(begin_import, "crm", SEND_OUT, NOW)
    await store.change(begin_import, "crm", CONTACTS, NOW)
    await store.change(commit_import, accepted.id, NOW)
    kinds = (SEND_OUT, CONTACTS)
    assert await store.change(abandoned_imports, kinds, NOW - 60, NOW) == []
    await store.close()
    again = SqliteStore(tmp_path / "bridge.db", clock=lambda: NOW)
    await again.open()
    left = await again.change(abandoned_imports, kinds, NOW - 60, NOW)
    assert left == [accepted._replace(committed=True)], "the other may be staged still"
    await again.close()


async def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "missing" / "bridge.db")
    with pytest.raises(StoreError, match="missing"):
        await store.open()
    await store.close()


async def test_a_message_that_cannot_be_stored_fails_no_other(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bridge.db", clock=lambda: NOW)
    await store.open()
    await store.accept(Acceptance((message(1),)))
    results = await asyncio.gather(
        *(store.accept(Acceptance((message(id),))) for id in (2, 1, 3)), return_exceptions=True
    )
    assert [isinstance(result, StoreError) for result in results] == [False, True, False]
    assert await store.backlog() == 3
    await store.close()


_KILLED = """
import asyncio, os, sys
from pathlib import Path
from bridge.store import Acceptance
from bridge.store.sqlite.engine import SqliteStore
from tests.samples import message

async def main():
    store = SqliteStore(Path(sys.argv[1]))
    await store.open()
    def said(id):
        return lambda future: os.write(1, b"%d\\n" % id)
    for id in range(1, 1_000_000):
        store.accept(Acceptance((message(id),))).add_done_callback(said(id))
        if id % 10 == 0:
            await asyncio.sleep(0)

asyncio.run(main())
"""


def test_answered_requests_survive_kill_9(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", _KILLED, str(tmp_path / "bridge.db")], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    said = [process.stdout.readline() for _ in range(2000)]
    process.kill()
    said += process.stdout.read().splitlines(keepends=True)
    process.wait()
    process.stdout.close()
    answered = {int(line) for line in said if line.endswith(b"\n")}
    connection = sqlite3.connect(tmp_path / "bridge.db")
    stored = {id for (id,) in connection.execute("SELECT id FROM message")}
    assert connection.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    connection.close()
    assert len(answered) >= 2000
    assert answered <= stored


async def test_a_full_disk_refuses_messages_and_keeps_results(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = SqliteStore(path, clock=lambda: NOW)
    await store.open()
    await store.accept(Acceptance((message(1),)))
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    # No file can grow: for SQLite the disk is full.
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(StoreFull):
            await store.accept(Acceptance((message(2),)))
        result = store.finish(0, [Change(1, State.SENT, "upstream")])
        with pytest.raises(StoreFull):
            await store.accept(Acceptance((message(3),)))
        assert not result.done()
        # A shared error would keep the frames of all its raisers.
        refused = [store.accept(Acceptance((message(number),))) for number in (5, 6)]
        errors = {id(error) for error in await asyncio.gather(*refused, return_exceptions=True)}
        assert len(errors) == 2
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    async with asyncio.timeout(30):
        await result
    await store.accept(Acceptance((message(4),)))
    stored = await store.message(1)
    assert stored is not None
    assert stored.state is State.SENT
    assert await store.message(2) is None
    await store.close()


async def test_a_value_that_cannot_be_stored_fails_its_own_request_alone(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bridge.db", clock=lambda: NOW)
    await store.open()
    results = await asyncio.gather(
        store.accept(Acceptance((message(1),))),
        store.accept(Acceptance((message(2, reference="half a pair: \ud83d"),))),
        store.accept(Acceptance((message(3, expires_at=10**30),))),
        store.accept(Acceptance((message(4),))),
        return_exceptions=True,
    )
    assert [isinstance(result, StoreError) for result in results] == [False, True, True, False]
    assert await store.backlog() == 2
    await store.close()


async def test_another_programs_lock_delays_results_and_loses_none(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = SqliteStore(path, clock=lambda: NOW)
    await store.open()
    await store.accept(Acceptance((message(1),)))
    other = sqlite3.connect(path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreFull):
        await store.accept(Acceptance((message(2),)))
    result = store.finish(0, [Change(1, State.SENT, "upstream")])
    with pytest.raises(StoreFull):
        await store.accept(Acceptance((message(3),)))
    assert not result.done()
    other.execute("ROLLBACK")
    other.close()
    async with asyncio.timeout(30):
        await result
    stored = await store.message(1)
    assert stored is not None
    assert stored.state is State.SENT
    await store.close()


async def test_a_file_that_cannot_be_read_is_an_error_of_the_store(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = SqliteStore(path, clock=lambda: NOW)
    await store.open()
    with sqlite3.connect(path) as other:
        other.execute("ALTER TABLE message RENAME TO elsewhere")
    other.close()
    for question in (store.message(1), store.lanes(), store.overdue(NOW, 10), store.backlog()):
        with pytest.raises(StoreError, match="no such"):
            await question
    await store.close()
    with pytest.raises(StoreError, match="not open"):
        await store.message(1)


async def test_incremental_vacuum_frees_more_than_a_page_at_once(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = SqliteStore(path, clock=lambda: NOW + 90 * 86400)
    await store.open()
    first = first_id(NOW)
    texts = [message(first + n, text="x" * 3000) for n in range(400)]
    await asyncio.gather(*(store.accept(Acceptance((one,))) for one in texts))
    await store.finish(0, [Change(one.id, State.REJECTED) for one in texts])
    before = pages(path)
    later = NOW + 100 * 86400
    while await store.sweep(later, later, 100):
        pass
    assert pages(path) < before - 100
    await store.close()


def pages(path: Path) -> int:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA page_count").fetchone()[0])


async def test_a_file_that_cannot_be_read_fails_the_verb_and_nothing_else(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bridge.db")
    await store.open()
    with contextlib.closing(sqlite3.connect(tmp_path / "bridge.db")) as other:
        other.execute("ALTER TABLE early_status RENAME TO gone")
        with pytest.raises(StoreError, match="early_status"):
            await store.match_early(NOW, NOW)
        other.execute("ALTER TABLE gone RENAME TO early_status")
    assert await store.match_early(NOW, NOW) == 0
    await store.close()


def test_a_process_ends_with_its_error_though_the_store_is_open(tmp_path: Path) -> None:
    program = (
        "import asyncio, pathlib, sys\n"
        "from bridge.store.sqlite.engine import SqliteStore\n"
        "async def main():\n"
        "    await SqliteStore(pathlib.Path(sys.argv[1])).open()\n"
        "    raise KeyError('a fault')\n"
        "asyncio.run(main())\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path / "bridge.db")],
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 1
    assert b"a fault" in ended.stderr


async def test_requests_of_a_group_keep_their_order(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bridge.db", clock=lambda: NOW)
    await store.open()
    await store.accept(Acceptance((message(1), message(2))))
    go, under_way = threading.Event(), threading.Event()

    def slow() -> Verb[None]:
        under_way.set()
        go.wait(20)
        yield Statement("SELECT 1")

    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        # All that follows is one group, which begins with rare work.
        tasks.create_task(store.change(slow))
        await asyncio.to_thread(under_way.wait)
        tasks.create_task(store.set_hold("account", "bank", True))
        await asyncio.sleep(0)
        begun = store.begin(9, [message(1)])
        moved = tasks.create_task(store.move([1, 2], State.CANCELLED))
        await asyncio.sleep(0)
        go.set()
        assert await begun == set()
    assert moved.result() == [2], "the other is being posted"
    await store.close()
