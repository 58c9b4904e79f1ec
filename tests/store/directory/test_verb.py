"""Pieces of long lists of values, and their places in a statement."""

from __future__ import annotations

import pytest

from bridge.store.directory.verb import chunks, marks


@pytest.mark.parametrize(
    ("values", "sizes"), [(0, []), (1, [1]), (500, [500]), (501, [500, 1]), (1500, [500] * 3)]
)
def test_values_are_cut_into_pieces_without_a_loss(values: int, sizes: list[int]) -> None:
    pieces = list(chunks(range(values)))
    assert [len(piece) for piece in pieces] == sizes
    assert [value for piece in pieces for value in piece] == list(range(values))


def test_each_value_has_a_mark() -> None:
    assert [marks(range(n)) for n in range(4)] == ["", "?", "?,?", "?,?,?"]
