"""The national language tables: complete, without doubles, in the order of their scripts."""

from __future__ import annotations

import unicodedata
from collections import Counter

import pytest

from bridge.model.national_languages import LOCKING, SINGLE

ESCAPE = 0x1B
#: It stands at 0x24 too, where the order of the alphabet has DDA.
KANNADA_PA = "\u0caa"
TELUGU, URDU = 12, 13
#: Language code → a word of the names of its letters (3GPP TS 23.038 §6.2.1.2.4).
SCRIPTS = {
    4: "BENGALI",
    5: "GUJARATI",
    6: "DEVANAGARI",
    7: "KANNADA",
    8: "MALAYALAM",
    9: "ORIYA",
    10: "GURMUKHI",
    11: "TAMIL",
    12: "TELUGU",
    13: "ARABIC",
}


def septets(runs: dict[int, str]) -> list[tuple[int, str]]:
    return [(first + at, char) for first, run in runs.items() for at, char in enumerate(run)]


TABLES = [
    pytest.param(runs, id=f"{kind} {language}")
    for kind, tables in (("locking", LOCKING), ("single", SINGLE))
    for language, runs in tables.items()
]


def test_languages_have_their_codes() -> None:
    assert LOCKING.keys() == {1, 3, *SCRIPTS}
    assert SINGLE.keys() == {1, 2, 3, *SCRIPTS}


@pytest.mark.parametrize("runs", TABLES)
def test_no_septet_is_named_twice_and_the_escape_never(runs: dict[int, str]) -> None:
    places = [septet for septet, _ in septets(runs)]
    assert len(places) == len(set(places))
    assert set(places) <= set(range(0x80)) - {ESCAPE}


@pytest.mark.parametrize("runs", TABLES)
def test_no_letter_stands_twice(runs: dict[int, str]) -> None:
    twice = Counter(char for _, char in septets(runs)) - Counter({*"".join(runs.values())})
    # As the specification prints them.
    assert set(twice) <= ({"*", "¡"} if runs in SINGLE.values() else {KANNADA_PA})


@pytest.mark.parametrize("language", sorted(SCRIPTS))
def test_letters_of_an_indian_language_are_of_its_script_and_in_its_order(language: int) -> None:
    letters = [char for _, char in sorted(septets(LOCKING[language])) if char > "\x7f"]
    assert len(letters) > 50
    for char in letters:
        assert SCRIPTS[language] in unicodedata.name(char)
    if language != URDU:  # its own letters stand between those of Arabic
        # The last ones are later additions to the script.
        alphabet = [char for char in letters if char != KANNADA_PA][:45]
        assert alphabet == sorted(alphabet)


@pytest.mark.parametrize("language", sorted(LOCKING))
def test_a_locking_table_has_digits_and_stops_in_their_places(language: int) -> None:
    found = dict(septets(LOCKING[language]))
    assert "".join(found[septet] for septet in range(0x30, 0x3A)) == "0123456789"
    assert (found[0x0A], found[0x0D], found[0x20], found[0x21]) == ("\n", "\r", " ", "!")
    assert (found[0x2C], found[0x2E], found[0x3F]) == (",", ".", "?")


@pytest.mark.parametrize("language", sorted(SINGLE))
def test_a_single_shift_table_has_the_euro_and_the_brackets_in_their_places(language: int) -> None:
    found = dict(septets(SINGLE[language]))
    assert found.get(0x65) == (None if language == TELUGU else "€")
    assert [found[septet] for septet in (0x28, 0x29, 0x2F, 0x3C, 0x3D, 0x3E, 0x40)] == list(
        "{}\\[~]|"
    )
