"""Reading: callers that leave, and stores that cannot be read."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import asyncpg
import pytest

from bridge.store import StoreError
from bridge.store.postgres.engine import PostgresStore
from tests.store.conftest import Engine
from tests.store.postgres.server import Wire


async def test_a_caller_that_leaves_as_its_connection_breaks_leaves_no_error(
    remote: PostgresStore, wire: Wire
) -> None:
    left: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: left.append(context))
    await remote.message(1)
    # The pool's reset of a returned connection.
    wire.lose(b"pg_advisory_unlock_all")
    asking = asyncio.create_task(remote.message(1))
    await asyncio.wait({asking}, timeout=0.5)
    asking.cancel()
    await asyncio.wait({asking})
    wire.mend()
    assert await remote.message(99) is not None
    gc.collect()
    await asyncio.sleep(0)
    assert not left


async def test_a_caller_cancelled_while_its_connection_breaks_is_cancelled(
    remote: PostgresStore,
) -> None:
    reading = asyncio.Event()

    async def read() -> None:
        async with remote._connection():
            reading.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                # As the driver says it where both come at once.
                raise asyncpg.InterfaceError("connection is closed") from None

    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_backup_of_postgresql_is_pg_dumps(postgresql: Engine, tmp_path: Path) -> None:
    store = await postgresql.open()
    with pytest.raises(StoreError, match="pg_dump --format=custom"):
        await store.backup(tmp_path / "copy")
