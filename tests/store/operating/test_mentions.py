"""A number is found in free text in any form, and cut out of it."""

from __future__ import annotations

import pytest

from bridge.store.operating.mentions import Numbers

NUMBERS = Numbers(["+380501234567"], {"crm": "UA", "berlin": "DE"})


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("+380501234567", ""),
        ("0501234567", ""),
        ("8 (050) 123-45-67", ""),
        ("8-050-123-45-67 (home)", "(home)"),
        ("(050) 123-45-67", ""),
        ("call 050 123 45 67 or 067 111-22-33", "call or 067 111-22-33"),
        ("0671112233, 0501234567; 0931112233", "0671112233, 0931112233"),
        ("0501234567 0671112233", "0671112233"),
        ("0671112233 +380501234567 0931112233", "0671112233 0931112233"),
        ("home:+38\u00a0050\u202f1234567.", "home:."),
        ("Anna (0501234567)", "Anna"),
        ("00380501234567/0671112233", "/0671112233"),
    ],
)
def test_a_number_is_cut_out_and_the_rest_stays(text: str, rest: str) -> None:
    assert NUMBERS.cut(text, "crm") == rest
    assert NUMBERS.named_in(text, "crm") == (text != rest)


@pytest.mark.parametrize(
    "text",
    [
        *("", "Anna", "0501234568", "10501234567", "05012345671", "order 501234567890"),
        *("  two  spaces, ", "1 2 3 4 5 6 7"),
    ],
)
def test_other_texts_stay_as_they_are(text: str) -> None:
    assert NUMBERS.cut(text, "crm") == text
    assert not NUMBERS.named_in(text, "crm")


def test_without_regions_the_international_form_is_found() -> None:
    assert Numbers(["+380501234567"], {}).cut("tel +38 050 1234567", "crm") == "tel"


def test_a_national_number_is_one_of_the_country_of_its_account() -> None:
    text = "office 0441234567, home +380441234567"
    numbers = Numbers(["+380441234567"], {"crm": "UA", "berlin": "DE"})
    assert numbers.cut(text, "crm") == "office , home"
    assert numbers.cut(text, "berlin") == "office 0441234567, home"
    assert numbers.cut(text, "an account that is no more") == numbers.cut(text, "crm")
