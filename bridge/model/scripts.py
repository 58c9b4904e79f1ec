"""Whether the letters of a text belong together: one script, in words.

Octets of one charset may be valid in another by chance. What comes out then is a text of unrelated
letters; a text whose letters form words is no chance.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final
from unicodedata import category

#: The letters of Latin alphabets in use.
_LATIN: Final = re.compile(
    "[\xaa\xba\xc0-\xd6\xd8-\xf6\xf8-\u0107\u010a-\u011b\u011e-\u0123\u0128-\u0131\u0136"
    "\u0137\u0139-\u013e\u0141-\u0148\u014c-\u015b\u015e-\u0165\u0168-\u017e\u0218-\u021b"
    "\u1ea0-\u1ef9]"
)
#: Other scripts with their usual letters, of which three are no chance.
_OTHERS: Final = (
    re.compile("[\u0401-\u045f\u0490\u0491]"),
    re.compile("[\u0386-\u03ce]"),
    re.compile("[\u05d0-\u05ea]"),
    re.compile("[\u0621-\u064a\u067e\u0686\u06a9\u06af\u06cc]"),
)
#: Characters within or beside words of small letters, where ideographs do not stand; and signs
#: where they belong.
_IN_A_WORD: Final = re.compile(
    r"(?<=[a-z])[^\x00-\x7f]{1,3}(?=[a-z])|(?<=[a-z])[^\x00-\x7f](?![^\x00-\x7f])"
    r"|(?<![^\x00-\x7f])[^\x00-\x7f\xfb\xff](?:(?=[a-z])|[^\x00-\x7f](?=[a-z]{3}))|\xb0(?=[CF]\b)"
)
_SIGNS: Final = re.compile(
    r"[\xa1\xab\xbf\u201c\u201e](?=[A-Za-z])|(?<=[A-Za-z.?!])[\xbb\u201d]"
    r"|(?<=\s)[\xc0\xc8\xc9\xe0\xe1\xe8\xe9\xed\xf2\xf3\xfa](?=\s)"
)
#: Surrogates, private and unassigned characters.
_NO_CHARACTERS: Final = frozenset({"Cs", "Co", "Cn"})
#: The form of an emoji is a mark.
_ALLOWED: Final = "\ufe0f"


def beyond_ascii(text: str) -> list[str]:
    """The characters of a text that are not ASCII."""
    return [char for char in text if char > "\x7f"]


def exist(characters: Sequence[str], *, marks: bool) -> bool:
    """Whether none of the characters is unassigned or private; without ``marks`` also none a mark
    that changes its neighbour."""
    for char in characters:
        kind = category(char)
        mark = not marks and kind[0] == "M"
        if (kind in _NO_CHARACTERS or mark) and char not in _ALLOWED:
            return False
    return True


def are_latin(characters: Sequence[str]) -> bool:
    """Whether all letters among the characters are Latin."""
    return all(_LATIN.match(char) for char in characters if char.isalpha())


def form_words(text: str) -> bool:
    """Whether the letters beyond ASCII are several of one script, or stand in words of Latin
    letters."""
    strange = beyond_ascii(text)
    letters = [char for char in strange if char.isalpha()]
    if len(letters) > 2 and any(all(map(script.match, letters)) for script in _OTHERS):
        return True
    if not are_latin(letters) or any(category(char) == "Sk" for char in strange):
        return False
    left = _IN_A_WORD.sub("", text)
    return left != text and (len(letters) > 3 or _SIGNS.sub("", left).isascii())
