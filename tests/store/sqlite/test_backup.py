"""A copy of the store while the daemon writes: consistent, complete or absent."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
from pathlib import Path

import pytest

from bridge.store import Acceptance, StoreError
from bridge.store.sqlite.engine import SqliteStore
from tests.samples import NOW, message


async def test_a_copy_is_completed_under_constant_commits(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bridge.db", clock=lambda: NOW)
    await store.open()
    # So large that a copy in steps, which begins again after each commit, would not end in time.
    with contextlib.closing(sqlite3.connect(tmp_path / "bridge.db")) as other, other:
        other.execute("CREATE TABLE large AS SELECT zeroblob(40000000) AS octets")
    reader = SqliteStore(tmp_path / "bridge.db")
    await reader.open_reading()
    ended = asyncio.Event()
    committed = 0

    async def write() -> None:
        nonlocal committed
        while not ended.is_set():
            committed += 1
            await store.accept(Acceptance((message(committed),)))

    copy = tmp_path / "copy.db"
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(write())
        while committed < 20:  # noqa: ASYNC110 - writes, no event
            await asyncio.sleep(0.01)
        before = committed - 1
        await reader.backup(copy)
        ended.set()
    with contextlib.closing(sqlite3.connect(copy)) as connection:
        [found] = connection.execute("SELECT count(*) FROM message").fetchone()
    assert before <= found <= committed
    # It is the state at its beginning: the commits during the copy did not make it begin again.
    assert found - before <= max(10, (committed - before) / 2)
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    await reader.close()
    await store.close()
    # The copy can be opened as a store.
    restored = SqliteStore(copy, clock=lambda: NOW)
    await restored.open()
    assert await restored.backlog() == found
    await restored.close()


async def test_a_failed_copy_overwrites_nothing_and_leaves_nothing(tmp_path: Path) -> None:
    store = SqliteStore(tmp_path / "bridge.db", clock=lambda: NOW)
    await store.open()
    there = tmp_path / "there.db"
    there.write_text("mine")
    with pytest.raises(StoreError, match="exists already"):
        await store.backup(there)
    assert there.read_text() == "mine"
    with pytest.raises(StoreError, match="missing"):
        await store.backup(tmp_path / "missing" / "copy.db")
    assert not [name for name in os.listdir(tmp_path) if name.endswith(".part")]
    await store.close()
