"""Proves that octets under the label of an East Asian charset are UTF-8.

In these charsets a character has two octets too, so that a short text in one of them may be valid
UTF-8 by chance: 知识 in GB 2312 is ֪ʶ in UTF-8. It is UTF-8 if that reading is more than valid:
letters of one script, in words.
"""

from __future__ import annotations

import re
from unicodedata import category

#: The charsets, by codec.
CODECS = frozenset({"gb18030", "big5hkscs", "cp932", "cp949", "euc-jp", "johab"})

_THREE = re.compile(rb"[\xe0-\xf4][\x80-\xbf]{2,3}")
#: The letters of Latin alphabets in use.
_LATIN = re.compile(
    "[\xaa\xba\xc0-\xd6\xd8-\xf6\xf8-\u0107\u010a-\u011b\u011e-\u0123\u0128-\u0131\u0136"
    "\u0137\u0139-\u013e\u0141-\u0148\u014c-\u015b\u015e-\u0165\u0168-\u017e\u0218-\u021b"
    "\u1ea0-\u1ef9]"
)
#: Scripts with their usual letters, of which three in a row are no chance.
_OTHERS = (
    re.compile("[\u0401-\u045f\u0490\u0491]"),
    re.compile("[\u0386-\u03ce]"),
    re.compile("[\u05d0-\u05ea]"),
    re.compile("[\u0621-\u064a\u067e\u0686\u06a9\u06af\u06cc]"),
)
#: Characters within or beside words of small letters, where ideographs do not stand; and signs
#: where they belong.
_IN_A_WORD = re.compile(
    r"(?<=[a-z])[^\x00-\x7f]{1,3}(?=[a-z])|(?<=[a-z])[^\x00-\x7f](?![^\x00-\x7f])"
    r"|(?<![^\x00-\x7f])[^\x00-\x7f\xfb\xff](?:(?=[a-z])|[^\x00-\x7f](?=[a-z]{3}))|\xb0(?=[CF]\b)"
)
_SIGNS = re.compile(r"[\xa1\xab\xbf\u201c\u201e](?=[A-Za-z])|(?<=[A-Za-z.?!])[\xbb\u201d]")
#: Codec → the charset of its common characters, and the last first octet of these.
_COMMON = {
    "gb18030": ("gb2312", 0xD7),
    "big5hkscs": ("big5", 0xC6),
    "cp949": ("euc_kr", 0xC8),
    "cp932": ("euc_jp", 0xCF),
    "euc-jp": ("euc_jp", 0xCF),
}
_JOINERS = "\u200b\u200c\u200d\u200e\u200f\u2060\ufeff\ufe0f\x85\xad"
#: The characters that are looked at.
_MOST = 400


def is_utf_8(octets: bytes, codec: str, *, broken: bool) -> bool:
    """Whether octets in UTF-8, most of them valid, are no text in ``codec``.

    ``broken``: not all of them are.
    """
    octets = octets[:_MOST]
    text = octets.decode("utf-8", "ignore")
    strange = [char for char in text if char > "\x7f"]
    if any(category(char)[0] == "C" and char not in _JOINERS for char in strange):
        return False  # Characters that do not exist.
    if broken or len(_THREE.findall(octets)) > 1:
        return len(_THREE.findall(octets)) > 1
    if len(strange) > 5 or not _decodes(octets, codec):
        return True
    if any(category(char)[0] == "M" and char not in _JOINERS for char in strange):
        return False  # Mere marks.
    letters = "".join(filter(str.isalpha, strange))
    if len(letters) > 2 and any(len(script.findall(letters)) == len(letters) for script in _OTHERS):
        return True
    if len(_LATIN.findall(letters)) < len(letters):
        return False
    left = _IN_A_WORD.sub("", text)
    if left != text and _SIGNS.sub("", left).isascii():
        return True
    return codec in _COMMON and not _are_common(octets.decode(codec, "ignore"), codec)


def _decodes(octets: bytes, codec: str) -> bool:
    try:
        octets.decode(codec)
    except UnicodeDecodeError as error:
        return error.start > _MOST - 4
    return True


def _are_common(text: str, codec: str) -> bool:
    """Whether the characters of a text are those of usual texts in its charset, and not the rare
    ones that fill the rest of the table."""
    charset, last = _COMMON[codec]
    for char in text:
        if char <= "\x7f" or "\uff61" <= char <= "\uff9f":
            continue  # Half-width kana are common in Japanese.
        octets = char.encode(charset, "ignore")
        if len(octets) != 2 or octets[0] > last:
            return False
    return True
