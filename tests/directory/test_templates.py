"""Templates: values for placeholders."""

from __future__ import annotations

import pytest

from bridge.dialect.variables import read_variable
from bridge.directory.templates import filled, from_template, variables_of
from bridge.model.contact import Template
from bridge.model.failure import Failure, Reason
from tests.samples import submission

TEXT = "{name}, замовлення {order_no} {name}! {1} {} {{x}}"


def test_the_variables_of_a_text_each_once() -> None:
    assert variables_of(TEXT) == ["name", "order_no", "x"]
    assert variables_of("{ім'я} {ім_я}") == ["ім_я"]


def test_values_take_the_places_and_are_not_looked_through() -> None:
    values = {"name": "{order_no}", "order_no": "17", "x": ""}
    assert filled(TEXT, values) == "{order_no}, замовлення 17 {order_no}! {1} {} {}"


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(Failure, match="variable order_no missing") as caught:
        filled(TEXT, {"name": "Anna"})
    assert caught.value.reason is Reason.BAD_PARAMETER


def test_a_submission_has_the_templates_text_and_its_own_sender_first() -> None:
    template = Template(1, "ready", "{who}: ready", sender="Shop")
    named = submission(text="")._replace(template="ready", variables=(("who", "Anna"),))
    done = from_template(named, template)
    assert (done.text, done.sender, done.template, done.variables) == (
        "Anna: ready",
        named.sender or "Shop",
        "",
        (),
    )
    assert from_template(named._replace(sender="Bank"), template).sender == "Bank"


@pytest.mark.parametrize(
    ("written", "read"),
    [("name=Anna", ("name", "Anna")), (" a_1 = x=y ", ("a_1", "x=y")), ("n=", ("n", ""))],
)
def test_a_variable_is_a_name_and_a_value(written: str, read: tuple[str, str]) -> None:
    assert read_variable(written) == read


@pytest.mark.parametrize("written", ["", "name", "=x", "1=x", "a b=x"])
def test_anything_else_is_none(written: str) -> None:
    with pytest.raises(Failure, match="name=value"):
        read_variable(written)
