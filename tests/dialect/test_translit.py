"""Transliteration of Russian and Ukrainian."""

from __future__ import annotations

import pytest

from bridge.dialect.translit import transliterated


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("Привет, мир", "Privet, mir"),
        ("Щедрий вечір", "Shhedrij vechir"),
        ("№5 — да", "#5 - da"),
        ("Hello ä 你", "Hello ä 你"),
    ],
)
def test_cyrillic_letters_become_latin_and_others_stay(text: str, latin: str) -> None:
    assert transliterated(text) == latin


def test_a_capital_letter_of_several_latin_ones_has_one_capital() -> None:
    assert transliterated("Ж").istitle()
