"""The schema of the file: its settings, its versions, and migrations from each of them."""

from __future__ import annotations

import contextlib
import sqlite3
import stat
from pathlib import Path

import pytest

from bridge.store import Acceptance, SchemaTooNew, StoreError
from bridge.store.sqlite.engine import SqliteStore
from bridge.store.sqlite.schema import MIGRATIONS
from tests.samples import message


async def test_a_new_file_has_the_settings_that_cannot_be_changed_later(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    store = SqliteStore(path)
    await store.open()
    await store.close()
    connection = sqlite3.connect(path)
    pragmas = {
        name: connection.execute(f"PRAGMA {name}").fetchone()[0]
        for name in ("journal_mode", "auto_vacuum", "user_version")
    }
    versions = connection.execute("SELECT version FROM migration").fetchall()
    connection.close()
    assert pragmas == {"journal_mode": "wal", "auto_vacuum": 2, "user_version": len(MIGRATIONS)}
    assert versions == [(n + 1,) for n in range(len(MIGRATIONS))]
    assert not stat.S_IMODE(path.stat().st_mode) & stat.S_IRWXO


async def test_a_file_of_a_later_program_is_refused_with_both_versions(tmp_path: Path) -> None:
    path = tmp_path / "bridge.db"
    with sqlite3.connect(path) as connection:
        connection.execute("PRAGMA user_version = 999")
    connection.close()
    store = SqliteStore(path)
    with pytest.raises(SchemaTooNew, match=f"999.*up to {len(MIGRATIONS)}"):
        await store.open()
    await store.close()


def schema(path: Path) -> dict[str, str]:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        return dict(connection.execute("SELECT name, sql FROM sqlite_schema"))


@pytest.mark.parametrize("version", range(len(MIGRATIONS)))
async def test_a_file_of_each_earlier_version_becomes_like_a_new_one(
    version: int, tmp_path: Path
) -> None:
    new, old = tmp_path / "new.db", tmp_path / "old.db"
    with contextlib.closing(sqlite3.connect(old)) as connection:
        connection.executescript("".join(MIGRATIONS[:version]))
        connection.execute(f"PRAGMA user_version = {version}")
    if version:
        reader = SqliteStore(old)
        with pytest.raises(StoreError, match="earlier version: start the daemon"):
            await reader.open_reading()
        await reader.close()
    for path in (new, old):
        store = SqliteStore(path)
        await store.open()
        await store.accept(Acceptance((message(1),)))
        await store.close()
    assert schema(old) == schema(new)


async def test_a_migration_that_fails_leaves_the_file_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "bridge.db"
    store = SqliteStore(path)
    await store.open()
    await store.close()
    before = schema(path)
    broken = (*MIGRATIONS, "CREATE TABLE one (id INTEGER); CREATE TABLE message (id INTEGER);")
    monkeypatch.setattr("bridge.store.sqlite.engine.MIGRATIONS", broken)
    store = SqliteStore(path)
    with pytest.raises(StoreError, match="already exists"):
        await store.open()
    await store.close()
    assert schema(path) == before
    monkeypatch.undo()
    store = SqliteStore(path)
    await store.open()
    await store.close()
