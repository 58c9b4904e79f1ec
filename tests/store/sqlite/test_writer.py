"""The writing thread: requests of one turn of the loop are one transaction."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.model.measures import STORE_COMMIT_SECONDS
from bridge.store import Acceptance, Repeats
from bridge.store.sqlite.engine import SqliteStore
from tests.samples import message


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqliteStore]:
    store = SqliteStore(tmp_path / "bridge.db")
    await store.open()
    yield store
    await store.close()


def accept_slowly(store: SqliteStore) -> list[asyncio.Future[Repeats]]:
    asked = []
    for id in range(1, 4):
        asked.append(store.accept(Acceptance((message(id),))))
        time.sleep(0.02)  # the writer's thread could begin
    return asked


async def test_requests_of_one_turn_of_the_loop_are_one_commit(store: SqliteStore) -> None:
    before = STORE_COMMIT_SECONDS.count
    await asyncio.gather(*accept_slowly(store))
    assert STORE_COMMIT_SECONDS.count - before == 1
