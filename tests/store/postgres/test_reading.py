"""Reading: callers that leave, and stores that cannot be read."""

from __future__ import annotations

import asyncio
import gc
from pathlib import Path

import asyncpg
import pytest

from bridge.model.message import State
from bridge.store import Acceptance, StoreError
from bridge.store.postgres.engine import PostgresStore
from tests.samples import message
from tests.store.conftest import Engine
from tests.store.postgres.nodes import Nodes, delivered
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


async def test_a_backup_is_refused_with_the_command_for_pg_dump(
    postgresql: Engine, tmp_path: Path
) -> None:
    store = await postgresql.open()
    with pytest.raises(StoreError, match="pg_dump --format=custom"):
        await store.backup(tmp_path / "copy")


async def test_a_reader_writes_nothing(nodes: Nodes) -> None:
    store = await nodes.open()
    await store.accept(Acceptance((message(1),)))
    reader = PostgresStore(nodes.url)
    await reader.open_reading()
    assert await reader.nodes() == 1
    with pytest.raises(StoreError, match="not open"):
        reader.note_statuses([delivered(1)])
    with pytest.raises(StoreError, match="not open"):
        await reader.move([1], State.CANCELLED)
    with pytest.raises(StoreError, match="read-only"):
        await reader._rows("DELETE FROM message")
    await reader.close()


async def test_a_database_that_cannot_be_read_is_an_error_with_the_cause(nodes: Nodes) -> None:
    with pytest.raises(StoreError, match="holds no store yet"):
        await PostgresStore(nodes.url).open_reading()
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1"):
        await PostgresStore("postgresql://me:secret@127.0.0.1:1/bridge").open_reading()
