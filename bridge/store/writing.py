"""Many rows in few statements: what every module that writes to SQLite needs.

SQLite lets go of the interpreter while a statement runs, and taking it back from a busy event loop
is what costs the time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

T = TypeVar("T")

#: What became of a message, and the words that came with it: its row keeps the last alone.
INSERT_EVENT = "INSERT INTO event (message_id, at, what, detail) VALUES "
#: Rows a statement is prepared for; a group is cut into these.
_SIZES = (256, 64, 16, 4, 1)


@lru_cache(maxsize=128)
def _statement(template: str, columns: int, rows: int) -> str:
    values = ",".join(["(" + ",".join("?" * columns) + ")"] * rows)
    return template.format(rows=values) if "{rows}" in template else template + values


def write_rows(
    connection: sqlite3.Connection, template: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Runs ``template`` for all rows, in as few statements as the prepared sizes allow.

    The rows stand at ``{rows}``, or at its end.
    """
    if not rows:
        return
    columns = len(rows[0])
    for some in _cut(rows):
        parameters: list[Any] = []
        for row in some:
            parameters += row
        connection.execute(_statement(template, columns, len(some)), parameters)


def read_rows(
    connection: sqlite3.Connection, template: str, keys: Sequence[Any], *parameters: Any
) -> Iterator[Any]:
    """The rows that ``template`` finds, with some of the keys at a time at ``{keys}``.

    ``parameters`` are those of the places before the keys.
    """
    for some in _cut(keys):
        marks = ",".join("?" * len(some))
        yield from connection.execute(template.format(keys=marks), (*parameters, *some))


def _cut(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
