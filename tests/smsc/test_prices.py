"""Prices by country, and the balance."""

from __future__ import annotations

import pytest

from bridge.smsc.prices import balance_of, cost_of

PRICES = {"UA": "0.40", "CZ": "1.5"}


@pytest.mark.parametrize(
    ("parts", "cost"),
    [
        ([("+380501234567", 1)], "0.4"),
        ([("+380501234567", 2), ("+420601123456", 2)], "3.8"),
        ([("+420601123456", 20)], "30"),
        ([("+491701234567", 3)], "0"),
        ([], "0"),
    ],
)
def test_the_price_is_that_of_each_countrys_parts(parts: list[tuple[str, int]], cost: str) -> None:
    assert cost_of(PRICES, parts) == cost


def test_without_a_table_nothing_has_a_price() -> None:
    assert cost_of({}, [("+380501234567", 1)]) == "0"


def test_the_balance_is_the_configured_figure_or_what_is_left_of_the_day() -> None:
    assert balance_of("100.5", 10, 3) == "100.5"
    assert balance_of("", 10, 3) == "7"
    assert balance_of("", 10, 30) == "0"
    assert balance_of("", 0, 3) == "0"
