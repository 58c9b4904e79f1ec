"""Letters that belong together."""

from __future__ import annotations

import pytest

from bridge.model.scripts import are_latin, beyond_ascii, exist, form_words


@pytest.mark.parametrize(
    "text",
    [
        *("Größe", "café", "Zażółć gęślą jaźń", "¿Qué pasó?", "«Trésor» à 5 m", "45 °C", "Įėjimas"),
        *("Дім", "Ціна — 5 €", "Φως", "שלום", "مرحبا", "it’s"),
    ],
)
def test_words_of_one_script(text: str) -> None:
    assert form_words(text)


@pytest.mark.parametrize(
    "text", ["֪ʶ", "Ŀ¼", "лл", "ȣȯ", "íí", "ĳserver", "z˓/", "дѡ", "β", "5 ° x"]
)
def test_letters_that_form_no_words(text: str) -> None:
    assert not form_words(text)


def test_characters_that_do_not_exist_and_mere_marks() -> None:
    assert exist(beyond_ascii("é\u200d🔥"), marks=False)
    assert exist(beyond_ascii("\u202bכן\u202c"), marks=False)  # of a right-to-left line
    assert not exist(["\ue404"], marks=True)
    assert not exist(["\U000a5e65"], marks=True)
    assert exist(["\u05d7", "\u0301"], marks=True)
    assert not exist(["\u05d7", "\u0301"], marks=False)


def test_signs_are_no_letters_of_another_script() -> None:
    assert are_latin(beyond_ascii("é — «5 €»"))
    assert not are_latin(beyond_ascii("é д"))
