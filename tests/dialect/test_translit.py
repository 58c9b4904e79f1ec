"""Transliteration of Russian and Ukrainian."""

from __future__ import annotations

import pytest

from bridge.dialect.translit import by_look, by_sound, transliteration
from bridge.model.failure import Failure, Reason
from bridge.model.gsm0338 import DEFAULT_ALPHABET

_SMALL = "абвгґдеёєжзиіїйклмнопрстуўфхцчшщъыьэюя"
_SIGNS = "’«»„“”…—–№"


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("Привет, мир", "Privet, mir"),
        ("Щедрий вечір", "Shhedrij vechir"),
        ("№5 — да…", "#5 - da..."),
        ("Hello ä 你", "Hello ä 你"),
    ],
)
def test_cyrillic_letters_become_latin_and_others_stay(text: str, latin: str) -> None:
    assert by_sound(text) == latin


def test_a_capital_letter_of_several_latin_ones_has_one_capital() -> None:
    assert by_sound("Ж").istitle()


def test_by_look_agrees_with_the_sample_of_the_providers_documentation() -> None:
    assert by_look("транслит") == "mpaHc/Ium"


@pytest.mark.parametrize(
    ("text", "latin"),
    [
        ("Привет, мир", "IIpuBem, Mup"),
        ("Ваш код 493817", "Baw Kog 493817"),
        ("Щедрий вечір, її м’яч", "W'egpuu' Be4ip, i'i' M'9I4"),
        ("Ещё один этаж: объезд", "Ew'e' oguH -)ma>I<: o6'be3g"),
        ("Є ґанок №5 — «Юля»", '(- r\'aHoK #5 - "IO/I9I"'),
        ("Hello ä 你", "Hello ä 你"),
    ],
)
def test_by_look(text: str, latin: str) -> None:
    assert by_look(text) == latin


def test_by_look_every_letter_is_written_in_single_septets_and_differs_from_all_others() -> None:
    for letters in (_SMALL, _SMALL.upper()):
        written = [by_look(letter) for letter in letters]
        assert len(set(written)) == len(letters)
        assert set("".join(written)) <= set(DEFAULT_ALPHABET)


@pytest.mark.parametrize("transliterated", [by_look, by_sound])
def test_signs_are_written_in_single_septets(transliterated: object) -> None:
    assert callable(transliterated)
    assert set(transliterated(_SIGNS)) <= set(DEFAULT_ALPHABET)


def test_a_letter_with_a_combining_mark_is_that_letter() -> None:
    assert by_look("и\u0306і\u0308") == "u'i'"
    assert by_sound("и\u0306і\u0308") == "jyi"


@pytest.mark.parametrize(
    ("field", "text"),
    [("", "да"), ("0", "да"), ("false", "да"), ("1", "da"), ("True", "da"), ("2", "ga")],
)
def test_the_field(field: str, text: str) -> None:
    assert transliteration(field)("да") == text


def test_any_other_value_of_the_field_is_refused() -> None:
    for field in ("3", "x", "-1"):
        with pytest.raises(Failure, match="translit") as caught:
            transliteration(field)
        assert caught.value.reason is Reason.BAD_PARAMETER
