"""Statements of the directory's verbs, translated for PostgreSQL."""

from __future__ import annotations

import pytest

from bridge.store.postgres.directory import _translated


@pytest.mark.parametrize(
    ("sql", "translated", "lists"),
    [
        ("SELECT 1", "SELECT 1", ()),
        ("WHERE a = ? AND b = ?", "WHERE a = $1 AND b = $2", (0, 0)),
        (
            "WHERE a = ? AND b IN (?,?,?) AND c = ?",
            "WHERE a = $1 AND b = ANY($2) AND c = $3",
            (0, 3, 0),
        ),
        ("WHERE a IN (?)", "WHERE a = ANY($1)", (1,)),
        # NOT IN takes an array in another way: its values stay single.
        ("WHERE a NOT IN (?,?) AND b = ?", "WHERE a NOT IN ($1,$2) AND b = $3", (0, 0, 0)),
        (
            "WHERE a IN (SELECT b FROM c WHERE d = ?)",
            "WHERE a IN (SELECT b FROM c WHERE d = $1)",
            (0,),
        ),
    ],
)
def test_arguments_are_numbered_and_lists_are_arrays(
    sql: str, translated: str, lists: tuple[int, ...]
) -> None:
    assert _translated(sql) == (translated, lists)
