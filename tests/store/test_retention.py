"""Retention: when messages may be deleted, and the walk over old rows."""

from __future__ import annotations

from bridge.store.retention import Walk, is_over


def test_a_message_may_go_after_its_end_once_nothing_is_owed() -> None:
    assert is_over("delivered", 9, False, 10)
    assert is_over("", 9, False, 10)
    assert not is_over("sent", 9, False, 10)
    assert not is_over("delivered", 10, False, 10)
    assert not is_over("delivered", 9, True, 10)


def test_skipped_rows_are_looked_at_again_in_the_next_walk() -> None:
    walk = Walk()
    assert walk.step([(1, True), (2, False)], 2, 10) == ([1], 2)
    assert walk.after == 2
    assert walk.step([(3, True)], 2, 10) == ([3], 1)
    assert walk.after == 1
    assert walk.step([(2, True)], 2, 10) == ([2], 1)
    assert walk.after == 2


def test_a_walk_rests_before_it_begins_again() -> None:
    walk = Walk(again_after=100)
    walk.step([(1, False)], 2, 10)
    assert walk.after == 0
    walk.step([(1, False)], 2, 109)
    assert walk.after == 1
    walk.step([], 2, 110)
    assert walk.after == 0
