"""Runs verbs of the directory on PostgreSQL."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import count
from typing import Final, TypeVar

from bridge.store.directory.verb import Row, Verb
from bridge.store.postgres.connection import PgConnection, original, storable

T = TypeVar("T")

#: Most rows of one executemany, which has a time limit.
_ROWS: Final = 5000
#: From so many arguments on, a statement searches for a list of values.
_MANY: Final = 50


@lru_cache(maxsize=256)
def _numbered(sql: str) -> str:
    """Replaces each ``?`` by ``$1, $2 …``."""
    pieces, numbers = sql.split("?"), count(1)
    return "".join([pieces[0], *(f"${next(numbers)}{piece}" for piece in pieces[1:])])


async def run(connection: PgConnection, verb: Verb[T]) -> T:
    """Runs the statements of a verb within the caller's transaction; raises the verb's Failure."""
    try:
        statement = next(verb)
        while True:
            sql = _numbered(statement.sql)
            rows: Sequence[Row] = ()
            if statement.many is None:
                rows = [
                    _as_written(row)
                    for row in await _fetch(connection, sql, _as_stored(statement.args))
                ]
            else:
                for start in range(0, len(statement.many), _ROWS):
                    some = statement.many[start : start + _ROWS]
                    await connection.executemany(sql, [_as_stored(row) for row in some])
            statement = verb.send(rows)
    except StopIteration as end:
        answer: T = end.value
        return answer


async def _fetch(connection: PgConnection, sql: str, args: Row) -> Sequence[Row]:
    if len(args) < _MANY:
        return await connection.fetch(sql, *args)
    async with connection.transaction():
        # A plan cached while the table was small would scan the whole table for each value.
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        rows = await connection.fetch(sql, *args)
        await connection.execute("SET LOCAL plan_cache_mode = auto")
        return rows


def _as_stored(values: Row) -> Row:
    return [storable(value) if isinstance(value, str) else value for value in values]


def _as_written(row: Row) -> Row:
    return tuple(original(value) if isinstance(value, str) else value for value in row)
