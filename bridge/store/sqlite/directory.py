"""Runs verbs of the directory on SQLite."""

from __future__ import annotations

import sqlite3
from typing import TypeVar

from bridge.model.failure import Failure
from bridge.store.directory.verb import Verb

T = TypeVar("T")


def run(connection: sqlite3.Connection, verb: Verb[T]) -> T:
    """Runs the statements of a verb; raises the Failure that it raises."""
    try:
        statement = next(verb)
        while True:
            if statement.many is None:
                rows = connection.execute(statement.sql, statement.args).fetchall()
            else:
                connection.executemany(statement.sql, statement.many)
                rows = []
            statement = verb.send(rows)
    except StopIteration as end:
        answer: T = end.value
        return answer


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
