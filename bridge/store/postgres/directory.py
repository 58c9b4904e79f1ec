"""Runs verbs of the directory on PostgreSQL.

Lists of values and many rows go as arrays: one statement, whose text does not depend on their
number, instead of one for each row.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache
from itertools import count, islice
from typing import Final, NamedTuple, TypeVar

from bridge.store.directory.verb import Verb
from bridge.store.postgres.connection import PgConnection, original, storable
from bridge.store.rows import Row

T = TypeVar("T")

#: Most rows of one statement, which has a time limit.
_ROWS: Final = 5000
#: From so many values on, a list gets a plan of its own.
_MANY: Final = 50
_ARGUMENT: Final = re.compile(r"(?<!NOT )IN \((\?(?:,\?)*)\)|\?")
#: The row of an INSERT.
_VALUES: Final = re.compile(r"VALUES \(\?(?:, ?\?)*\)")


class _Translated(NamedTuple):
    """A statement with ``$1, $2 …``; ``lists`` are the lengths of its lists of values by argument
    (0: a single value)."""

    sql: str
    lists: tuple[int, ...]


@lru_cache(maxsize=256)
def _translated(sql: str) -> _Translated:
    numbers, lists = count(1), []

    def number(found: re.Match[str]) -> str:
        marks: str | None = found[1]
        lists.append(0 if marks is None else marks.count("?"))
        return f"${next(numbers)}" if marks is None else f"= ANY(${next(numbers)})"

    return _Translated(_ARGUMENT.sub(number, sql), tuple(lists))


async def run(connection: PgConnection, verb: Verb[T]) -> T:
    """Runs the statements of a verb within the caller's transaction; raises the verb's Failure."""
    try:
        statement = next(verb)
        while True:
            if statement.many is None:
                rows = await _fetch(connection, statement.sql, statement.args)
            else:
                rows = await _run_many(connection, statement.sql, statement.many)
            statement = verb.send([_as_written(row) for row in rows])
    except StopIteration as end:
        answer: T = end.value
        return answer


async def _fetch(connection: PgConnection, sql: str, args: Row) -> Sequence[Row]:
    sql, lists = _translated(sql)
    given = iter(_as_stored(args))
    values = [list(islice(given, length)) if length else next(given) for length in lists]
    if max(lists, default=0) < _MANY:
        return await connection.fetch(sql, *values)
    async with connection.transaction():
        # A plan cached while the table was small would scan the whole table for each value.
        await connection.execute("SET LOCAL plan_cache_mode = force_custom_plan")
        rows = await connection.fetch(sql, *values)
        await connection.execute("SET LOCAL plan_cache_mode = force_generic_plan")
        return rows


async def _run_many(connection: PgConnection, sql: str, rows: Sequence[Row]) -> Sequence[Row]:
    """Runs a statement for all rows; returns those of an INSERT with RETURNING."""
    found: list[Row] = []
    is_insert = _VALUES.search(sql) is not None
    for start in range(0, len(rows), _ROWS):
        some = [_as_stored(row) for row in rows[start : start + _ROWS]]
        if is_insert:
            insert = await _of_arrays(connection, sql)
            found += await connection.fetch(insert, *map(list, zip(*some, strict=True)))
        else:
            await connection.executemany(_translated(sql).sql, some)
    return found


#: Statements that insert arrays, by those that insert a row.
_INSERTS: Final[dict[str, str]] = {}


async def _of_arrays(connection: PgConnection, sql: str) -> str:
    """The statement that inserts an array of values for each column."""
    insert = _INSERTS.get(sql)
    if insert is None:
        types = (await connection.prepare(_translated(sql).sql)).get_parameters()
        arrays = ", ".join(f"${n}::{one.name}[]" for n, one in enumerate(types, 1))
        rows = f"SELECT * FROM unnest({arrays})"  # noqa: S608 - types of PostgreSQL
        insert = _INSERTS[sql] = _VALUES.sub(rows, sql)
    return insert


def _as_stored(values: Row) -> Row:
    return [storable(value) if isinstance(value, str) else value for value in values]


def _as_written(row: Row) -> Row:
    return tuple(original(value) if isinstance(value, str) else value for value in row)
