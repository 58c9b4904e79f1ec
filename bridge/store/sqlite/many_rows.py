"""Writes and reads many rows with few statements, for all modules of this engine.

Python releases the interpreter lock (GIL) for each SQLite statement; taking it back from a busy
event loop costs most of the time.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Any, TypeVar

import orjson

T = TypeVar("T")

#: A line of a message's story: state and text. The message's own row has only the last one.
INSERT_EVENT = "INSERT INTO event (message_id, at, what, detail) VALUES "
#: Most rows of one statement, a power of two.
_MOST = 256


@lru_cache(maxsize=256)
def _statement(template: str, columns: int, rows: int, padded: bool) -> str:
    values = ",".join(["(" + ",".join("?" * columns) + ")"] * rows)
    if "{rows}" in template:
        return template.format(rows=values)
    if padded:
        into = template.removesuffix("VALUES ")
        return f"{into}SELECT * FROM (VALUES {values}) WHERE column1 IS NOT NULL"  # noqa: S608
    return template + values


def write_rows(
    connection: sqlite3.Connection, template: str, rows: Sequence[tuple[Any, ...]]
) -> None:
    """Runs ``template`` for all rows, in as few statements as the prepared sizes allow.

    The rows are inserted at ``{rows}``, where a row of NULLs must have no effect, or at the end.
    The first column of a row is never NULL.
    """
    if not rows:
        return
    columns = len(rows[0])
    for some, size in cut(rows):
        parameters: list[Any] = []
        for row in some:
            parameters += row
        missing = size - len(some)
        # Only the first counts, and the module looks for an adapter of each None.
        parameters += [None, *[0] * (columns - 1)] * missing
        connection.execute(_statement(template, columns, size, missing > 0), parameters)


def insert_rows(
    connection: sqlite3.Connection, template: str, rows: Sequence[tuple[Any, ...]]
) -> list[tuple[Any, ...]]:
    """As :func:`write_rows`; returns the rows of RETURNING."""
    found: list[tuple[Any, ...]] = []
    for some, size in cut(rows):
        parameters = [value for row in some for value in row]
        parameters += [None, *[0] * (len(rows[0]) - 1)] * (size - len(some))
        found += connection.execute(_statement(template, len(rows[0]), size, False), parameters)
    return found


def read_rows(
    connection: sqlite3.Connection,
    columns: Sequence[str],
    found: str,
    keys: Sequence[int] | Sequence[str],
) -> list[list[Any]]:
    """These columns of the rows that ``found`` selects, in any order. ``found`` is the rest of a
    SELECT from FROM on, with ``{keys}`` for the keys, which are texts without NUL. Columns are
    numbers and texts.

    The rows are read as one text: each single row would release the interpreter lock once.
    """
    if not keys:
        return []
    rows = _packed(", ".join(columns), found)
    [(text,)] = connection.execute(rows, (orjson.dumps(list(keys)).decode(),))
    read: list[list[Any]] = orjson.loads(text)
    return read


@lru_cache(maxsize=32)
def _packed(columns: str, found: str) -> str:
    found = found.format(keys="SELECT value FROM json_each(?)")
    return f"SELECT json_group_array(json_array({columns})) {found}"


def cut(rows: Sequence[T]) -> Iterator[tuple[Sequence[T], int]]:
    """The rows in pieces, each with the size of its statement, a power of two, so that few
    statements are prepared and a group needs one or two. A piece has at least three quarters of
    the statement's rows."""
    start = 0
    while (left := len(rows) - start) > 0:
        size = min(_MOST, 1 << (left - 1).bit_length())
        if left < size - size // 4:
            size //= 2
        yield rows[start : start + size], size
        start += size
