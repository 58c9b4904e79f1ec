"""Long texts between nodes, in pieces."""

from __future__ import annotations

import pytest

from bridge.store.postgres.node_words import Hearing, pieces


@pytest.mark.parametrize("words", ["short", "Ж" * 10_000, "two words\n" * 500])
def test_a_text_is_heard_when_its_last_piece_has_come(words: str) -> None:
    hearing = Hearing()
    *first, last = pieces(3, words)
    assert all(len(piece.encode()) < 8_000 for piece in (*first, last))
    assert [hearing.hear(piece) for piece in first] == [None] * len(first)
    assert hearing.hear(last) == words


def test_the_texts_of_several_nodes_do_not_mix() -> None:
    hearing = Hearing()
    one, other = pieces(1, "a" * 4_000), pieces(2, "b" * 4_000)
    heard = [hearing.hear(piece) for pair in zip(one, other, strict=True) for piece in pair]
    assert [text[0] for text in heard if text] == ["a", "b"]


def test_a_text_whose_beginning_was_missed_is_not_heard() -> None:
    hearing = Hearing()
    assert hearing.hear(pieces(1, "a" * 4_000)[-1]) is None
