"""Transliteration of Cyrillic text into Latin letters (``translit`` 1)."""

from __future__ import annotations

#: By the sound of Russian and Ukrainian, as usual for such services; other letters stay.
_SMALL = {
    "а": "a",
    "б": "b",
    "в": "v",
    "г": "g",
    "ґ": "g",
    "д": "d",
    "е": "e",
    "ё": "yo",
    "є": "ye",
    "ж": "zh",
    "з": "z",
    "и": "i",
    "і": "i",
    "ї": "yi",
    "й": "j",
    "к": "k",
    "л": "l",
    "м": "m",
    "н": "n",
    "о": "o",
    "п": "p",
    "р": "r",
    "с": "s",
    "т": "t",
    "у": "u",
    "ў": "w",
    "ф": "f",
    "х": "h",
    "ц": "c",
    "ч": "ch",
    "ш": "sh",
    "щ": "shh",
    "ъ": "",
    "ы": "y",
    "ь": "'",
    "э": "e",
    "ю": "yu",
    "я": "ya",
    "’": "'",
    "«": '"',
    "»": '"',
    "—": "-",
    "–": "-",
    "№": "#",
}
_TABLE = str.maketrans(
    _SMALL | {small.upper(): latin.capitalize() for small, latin in _SMALL.items()}
)


def transliterated(text: str) -> str:
    """``text`` with every Cyrillic letter replaced by its Latin ones."""
    return text.translate(_TABLE)
