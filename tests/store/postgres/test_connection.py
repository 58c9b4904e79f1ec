"""Connections: their settings, the meaning of errors, and texts that need escaping."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.store import StoreError, StoreFull
from bridge.store.postgres import connection as pg
from bridge.store.postgres.connection import Trouble
from bridge.store.rows import STORED, to_row
from tests.samples import message

STRANGE = "\0 and \ue000 and \ue0000"


@pytest.mark.parametrize(
    ("error", "trouble"),
    [
        (asyncpg.ConnectionDoesNotExistError("x"), Trouble.LOST),
        (asyncpg.AdminShutdownError("x"), Trouble.LOST),
        (asyncpg.IdleInTransactionSessionTimeoutError("x"), Trouble.LOST),
        (asyncpg.InterfaceError("connection is closed"), Trouble.LOST),
        (ConnectionResetError(), Trouble.LOST),
        (TimeoutError(), Trouble.LOST),
        (asyncpg.DiskFullError("x"), Trouble.FULL),
        (asyncpg.TooManyConnectionsError("x"), Trouble.FULL),
        (asyncpg.QueryCanceledError("x"), Trouble.FULL),
        (asyncpg.ReadOnlySQLTransactionError("x"), Trouble.FULL),
        (asyncpg.InternalServerError("x"), Trouble.FULL),
        (asyncpg.DeadlockDetectedError("x"), Trouble.BUSY),
        (asyncpg.SerializationError("x"), Trouble.BUSY),
        (asyncpg.LockNotAvailableError("x"), Trouble.BUSY),
        (asyncpg.UniqueViolationError("x"), Trouble.FAULT),
        (asyncpg.UndefinedTableError("x"), Trouble.FAULT),
        (ValueError("half a pair"), Trouble.FAULT),
        # asyncpg's own check of an argument is both.
        (asyncpg.DataError("x"), Trouble.FAULT),
    ],
    ids=lambda value: value.name if isinstance(value, Trouble) else type(value).__name__,
)
def test_an_error_says_whether_a_retry_may_succeed(error: Exception, trouble: Trouble) -> None:
    assert pg.trouble(error) is trouble
    expected = StoreError if trouble is Trouble.FAULT else StoreFull
    assert type(pg.store_error(error)) is expected


def test_an_error_without_a_text_is_shown_by_its_name() -> None:
    assert str(pg.store_error(asyncpg.DiskFullError(""))) == "DiskFullError"


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (TimeoutError(), ""),
        (ConnectionRefusedError(111, "Connection refused"), ": Connection refused"),
        (asyncpg.InterfaceError("connection is closed"), ": connection is closed"),
    ],
)
def test_a_database_that_is_away_is_named_in_plain_words(error: Exception, words: str) -> None:
    assert str(pg.store_error(error)) == f"the database cannot be reached{words}"


async def test_statements_use_indexes_and_no_silent_node_keeps_its_locks(database: str) -> None:
    wanted = {
        "enable_seqscan": "off",
        "plan_cache_mode": "force_generic_plan",
        "idle_in_transaction_session_timeout": "15s",
        "lock_timeout": "10s",
        "TimeZone": "UTC",
    }
    connection = await pg.connect(database)
    pool = await pg.connect_pool(database)
    reading = await pg.connect_pool(database, read_only=True)
    try:
        pooled, reader = await asyncio.gather(pool.acquire(), reading.acquire())
        for one in (connection, pooled, reader):
            assert {name: await one.fetchval(f"SHOW {name}") for name in wanted} == wanted
        shown = "SHOW default_transaction_read_only"
        assert [await one.fetchval(shown) for one in (pooled, reader)] == ["off", "on"]
    finally:
        await connection.close()
        pool.terminate()
        reading.terminate()


@given(st.text(st.sampled_from("a0\0\ue000я")))
def test_every_text_comes_back_as_it_was(text: str) -> None:
    stored = pg.storable(text)
    assert "\0" not in stored
    assert pg.original(stored) == text


def test_different_texts_have_different_stored_forms() -> None:
    texts = ["\0", "\ue000", "\ue0000", "\ue000\0", "\0\ue000", "\ue000\ue000", "0"]
    assert len({pg.storable(text) for text in texts}) == len(texts)


@pytest.mark.parametrize(
    "field", ["peer", "sender", "text", "fallback", "reference", "envelope", "options"]
)
def test_rows_come_back_as_they_were_whichever_column_is_strange(field: str) -> None:
    value = (STRANGE, "x") if field == "options" else STRANGE
    plain, strange = to_row(message(1)), to_row(message(2, **{field: value}))
    written = pg.free_text([plain, strange])
    assert not [
        value for row in written for value in row if isinstance(value, str) and "\0" in value
    ]
    assert written[0] == plain
    assert [pg.as_written(row) for row in written] == [plain, strange]


def test_plain_rows_are_left_alone() -> None:
    rows = [to_row(message(1)), to_row(message(2))]
    assert pg.free_text(rows) is rows
    more = ("sent", "up-1", 7, "", "", 7, "", 0, "", 0, 0)
    assert pg.as_written((*rows[0], *more)) == (*rows[0], *more)


@pytest.mark.parametrize("column", ["upstream_id", "cause", "status", "cost"])
def test_texts_of_the_api_are_read_as_they_were(column: str) -> None:
    row = [*to_row(message(1)), "sent", "", 7, "", "", 7, "", 0, "", 0, 0]
    at = STORED.index(column)
    row[at] = pg.storable(STRANGE)
    assert pg.as_written(row)[at] == STRANGE
