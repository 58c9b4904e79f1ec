"""Runs verbs of the directory on SQLite."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Sequence
from functools import lru_cache
from typing import Final, TypeVar

from bridge.model.failure import Failure
from bridge.store.directory.verb import Verb
from bridge.store.rows import Row
from bridge.store.sqlite.many_rows import insert_rows

T = TypeVar("T")

#: The row of an INSERT.
_VALUES: Final = re.compile(r"VALUES \(\?(?:, ?\?)*\)")


def run(connection: sqlite3.Connection, verb: Verb[T]) -> T:
    """Runs the statements of a verb; raises the Failure that it raises."""
    try:
        statement = next(verb)
        while True:
            if statement.many is None:
                rows: Sequence[Row] = connection.execute(statement.sql, statement.args).fetchall()
            elif (insert := _of_many(statement.sql)) is not None:
                rows = insert_rows(connection, insert, _tuples(statement.many))
            else:
                connection.executemany(statement.sql, statement.many)
                rows = []
            statement = verb.send(rows)
    except StopIteration as end:
        answer: T = end.value
        return answer


@lru_cache(maxsize=64)
def _of_many(sql: str) -> str | None:
    """The statement that inserts ``{rows}``; None of one that inserts nothing."""
    if _VALUES.search(sql) is None:
        return None
    # Without a WHERE, SQLite would take ON CONFLICT for the condition of a join.
    return _VALUES.sub("SELECT * FROM (VALUES {rows}) WHERE column1 IS NOT NULL", sql)


def _tuples(rows: Sequence[Row]) -> list[tuple[object, ...]]:
    return [tuple(row) for row in rows]


def run_within(connection: sqlite3.Connection, verb: Verb[T]) -> T | Failure:
    """As :func:`run`, in a transaction of several verbs: a Failure rolls back this verb only, and
    is returned."""
    connection.execute("SAVEPOINT directory")
    try:
        answer: T | Failure = run(connection, verb)
    except Failure as failure:
        connection.execute("ROLLBACK TO directory")
        answer = failure
    connection.execute("RELEASE directory")
    return answer
