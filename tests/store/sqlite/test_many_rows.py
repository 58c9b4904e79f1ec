"""Many rows in few statements: written and read back unchanged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.store.sqlite.many_rows import cut, read_rows, write_rows

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
NUMBERS = st.integers(-(2**63), 2**63 - 1)


@pytest.fixture
def connection() -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, number INTEGER)")
        yield connection


@given(st.lists(st.tuples(st.none() | TEXTS, st.none() | NUMBERS), max_size=30))
def test_rows_come_back_as_they_were_written(
    rows: list[tuple[str | None, int | None]],
) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, number INTEGER)")
        numbered = [(n, *row) for n, row in enumerate(rows)]
        write_rows(connection, "INSERT INTO t (id, word, number) VALUES ", numbered)
        found = "FROM t WHERE id IN ({keys})"
        read = read_rows(connection, ("id", "word", "number"), found, range(len(rows) + 3))
        assert sorted(map(tuple, read), key=lambda row: row[0]) == numbered


KEYS = st.sets(st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=20), max_size=10)


@given(KEYS, KEYS)
def test_rows_are_found_by_texts(stored: set[str], asked: set[str]) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, word TEXT, number INTEGER)")
        rows = list(enumerate(stored))
        write_rows(connection, "INSERT INTO t (id, word) VALUES ", rows)
        read = read_rows(connection, ("word",), "FROM t WHERE word IN ({keys})", list(asked))
        assert {word for (word,) in read} == stored & asked


@pytest.mark.parametrize("count", [0, 1, 2, 3, 5, 255, 256, 257, 700])
def test_every_number_of_rows_is_written_once(connection: sqlite3.Connection, count: int) -> None:
    rows = [(n, str(n), n) for n in range(count)]
    write_rows(connection, "INSERT INTO t (id, word, number) VALUES ", rows)
    assert connection.execute("SELECT * FROM t ORDER BY id").fetchall() == rows
    assert sum(len(some) for some, _ in cut(rows)) == count
    assert all(len(some) <= size for some, size in cut(rows))
