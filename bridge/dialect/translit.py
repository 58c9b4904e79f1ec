"""Transliteration of Cyrillic text into Latin letters: the dialect's field ``translit``.

1 writes letters by their sound, 2 by their look. The provider's table of 2 is not public: this one
agrees with the sample in its documentation, "mpaHc/Ium" for "транслит".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final
from unicodedata import normalize

from bridge.model.failure import Failure, Reason

#: By the sound of Russian and Ukrainian, as usual for such services; other letters stay.
_SOUND: Final = {
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
}
#: By the look, printed or handwritten, of the small letter and of the capital one, in characters
#: that take one septet of the GSM alphabet. An apostrophe is the mark of a letter that has one.
_LOOK: Final = {
    "а": ("a", "A"),
    "б": ("6", "6"),
    "в": ("B", "B"),
    "г": ("r", "r"),
    "ґ": ("r'", "r'"),
    "д": ("g", "D"),
    "е": ("e", "E"),
    "ё": ("e'", "E'"),
    "є": ("(-", "(-"),
    "ж": (">I<", ">I<"),
    "з": ("3", "3"),
    "и": ("u", "U"),
    "і": ("i", "I"),
    "ї": ("i'", "I'"),
    "й": ("u'", "U'"),
    "к": ("K", "K"),
    "л": ("/I", "/I"),
    "м": ("M", "M"),
    "н": ("H", "H"),
    "о": ("o", "O"),
    "п": ("n", "II"),
    "р": ("p", "P"),
    "с": ("c", "C"),
    "т": ("m", "T"),
    "у": ("y", "Y"),
    "ў": ("y'", "Y'"),
    "ф": ("qp", "QP"),
    "х": ("x", "X"),
    "ц": ("LI", "LI"),
    "ч": ("4", "4"),
    "ш": ("w", "W"),
    "щ": ("w'", "W'"),
    "ъ": ("'b", "'b"),
    "ы": ("bI", "bI"),
    "ь": ("b", "b"),
    "э": ("-)", "-)"),
    "ю": ("IO", "IO"),
    "я": ("9I", "9I"),
}
#: Signs that Cyrillic texts have and the GSM alphabet has not.
_SIGNS: Final = {
    "’": "'",
    "«": '"',
    "»": '"',
    "„": '"',
    "“": '"',
    "”": '"',
    "…": "...",
    "—": "-",
    "–": "-",
    "№": "#",
}

_BY_SOUND: Final = str.maketrans(
    _SOUND | {small.upper(): latin.capitalize() for small, latin in _SOUND.items()} | _SIGNS
)
_BY_LOOK: Final = str.maketrans(
    {small: latin for small, (latin, _) in _LOOK.items()}
    | {small.upper(): latin for small, (_, latin) in _LOOK.items()}
    | _SIGNS
)


def by_sound(text: str) -> str:
    """``text`` with every Cyrillic letter replaced by Latin ones that sound like it."""
    return normalize("NFC", text).translate(_BY_SOUND)


def by_look(text: str) -> str:
    """``text`` with every Cyrillic letter replaced by characters that look like it."""
    return normalize("NFC", text).translate(_BY_LOOK)


def _unchanged(text: str) -> str:
    return text


_BY_FIELD: Final[dict[str, Callable[[str], str]]] = {
    "": _unchanged,
    "0": _unchanged,
    "false": _unchanged,
    "1": by_sound,
    "true": by_sound,
    "2": by_look,
}


def transliteration(field: str) -> Callable[[str], str]:
    """The transliteration that the field ``translit`` asks for. Raises Failure (bad parameter)."""
    try:
        return _BY_FIELD[field.lower()]
    except KeyError:
        raise Failure(Reason.BAD_PARAMETER, "translit") from None
