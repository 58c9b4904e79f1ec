"""The schemas: both engines store the same things under the same names."""

from __future__ import annotations

import asyncio

from bridge.store.directory.verb import Statement, Verb
from bridge.store.postgres.schema import MIGRATIONS as POSTGRES
from bridge.store.sqlite.schema import MIGRATIONS as SQLITE
from tests.store.conftest import Engine

_SQLITE = (
    "SELECT t.name, c.name, c.type FROM sqlite_schema AS t, pragma_table_info(t.name) AS c "
    "WHERE t.type = 'table' AND t.name NOT LIKE 'sqlite_%'"
)
_POSTGRES = (
    "SELECT table_name::text, column_name::text, data_type::text FROM information_schema.columns "
    "WHERE table_schema = 'public'"
)
#: The kinds of SQLite's columns for those of PostgreSQL.
_KINDS = {"bigint": "INTEGER", "integer": "INTEGER", "smallint": "INTEGER", "text": "TEXT"}
_KINDS |= {"bytea": "BLOB", "ARRAY": "TEXT", "boolean": "INTEGER"}
#: Only nodes that share a database need these.
_OF_NODES = {("message", "owner"), ("notice", "owner"), ("attempt", "node"), ("part_group", "turn")}
_TABLES_OF_NODES = {"node", "swept"}


def columns(sql: str) -> Verb[dict[tuple[str, str], str]]:
    rows = yield Statement(sql)
    return {(table, column): _KINDS.get(kind, str(kind)) for table, column, kind in rows}


async def test_both_engines_have_the_same_tables_and_columns(
    sqlite: Engine, postgresql: Engine
) -> None:
    stores = await asyncio.gather(sqlite.open(), postgresql.open())
    first, second = [
        await store.look_up(columns, sql)
        for store, sql in zip(stores, (_SQLITE, _POSTGRES), strict=True)
    ]
    assert len(first) > 100
    more = {key for key in second if key not in first and key[0] not in _TABLES_OF_NODES}
    assert more == _OF_NODES
    assert {key: second.get(key) for key in first} == first


def test_both_engines_have_the_same_versions() -> None:
    assert len(SQLITE) == len(POSTGRES)


async def test_a_store_that_is_up_to_date_is_opened_again_without_a_migration(
    engine: Engine,
) -> None:
    def times() -> Verb[list[tuple[int, int]]]:
        rows = yield Statement("SELECT version, at FROM migration ORDER BY version")
        return [(version, at) for version, at in rows]

    store = await engine.open()
    before = await store.look_up(times)
    assert [version for version, _ in before] == list(range(1, len(SQLITE) + 1))
    await store.close()
    store = await engine.open()
    assert await store.look_up(times) == before
