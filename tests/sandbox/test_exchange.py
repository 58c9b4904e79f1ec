"""Requests and answers as values."""

from __future__ import annotations

import pytest

from bridge.sandbox.errors import JSON
from bridge.sandbox.exchange import Answer
from bridge.sandbox.faults import Manner


def test_an_answer_is_a_success_in_json_at_once_unless_it_says_otherwise() -> None:
    answer = Answer()
    assert (answer.status, answer.content_type, answer.seconds) == (200, JSON, 0)
    assert not answer.is_silent


@pytest.mark.parametrize("manner", list(Manner))
def test_only_some_manners_leave_the_client_without_any_answer(manner: Manner) -> None:
    silent = {Manner.HANG, Manner.CLOSE, Manner.RESET}
    assert Answer(manner=manner).is_silent is (manner in silent)
