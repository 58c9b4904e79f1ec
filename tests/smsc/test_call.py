"""A call's parameters: required ones, numbers within their bounds."""

from __future__ import annotations

import pytest

from bridge.dialect.answers import Format
from bridge.model.failure import Failure, Reason
from bridge.smsc.call import AnsweredRefusal, Call
from bridge.smsc.parameters import Parameters
from tests.samples import NOW, account


def call(**parameters: str) -> Call:
    return Call(account(), Parameters(parameters, "utf-8"), Format.JSON, "127.0.0.1", NOW)


def test_a_required_parameter_is_given_without_blanks_around() -> None:
    assert call(name=" Friday ").needed("name") == "Friday"


@pytest.mark.parametrize("given", [{}, {"name": ""}, {"name": " \t"}])
def test_a_missing_parameter_is_named(given: dict[str, str]) -> None:
    with pytest.raises(Failure) as refused:
        call(**given).needed("name")
    assert refused.value.reason is Reason.BAD_PARAMETER
    assert refused.value.description.endswith("name missing")


@pytest.mark.parametrize(
    ("given", "number"),
    [("", 7), ("0", 0), (" 12 ", 12), ("007", 7), ("100", 100)],
)
def test_a_number_has_a_default(given: str, number: int) -> None:
    assert call(n=given).number("n", 7, 100) == number


@pytest.mark.parametrize("given", ["101", "-1", "1.0", "x", "٣", "1 2", "+1", "0" * 19])
def test_anything_else_is_no_number(given: str) -> None:
    with pytest.raises(Failure) as refused:
        call(n=given).number("n", 7, 100)
    assert refused.value.reason is Reason.BAD_PARAMETER
    assert refused.value.description.endswith("n")


def test_a_refusal_may_have_an_answer_of_its_own() -> None:
    failure = Failure(Reason.WRONG_PHONE)
    refusal = AnsweredRefusal(failure, "1,-7")
    assert (refusal.failure, refusal.answer) == (failure, "1,-7")
