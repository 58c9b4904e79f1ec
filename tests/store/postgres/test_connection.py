"""Connections: the meaning of errors, and texts that need escaping."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from bridge.store.postgres import connection as pg


@given(st.text(st.sampled_from("a0\0\ue000я")))
def test_every_text_comes_back_as_it_was(text: str) -> None:
    stored = pg.storable(text)
    assert "\0" not in stored
    assert pg.original(stored) == text
