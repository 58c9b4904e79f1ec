"""Proves that octets under the label of an East Asian charset are UTF-8.

In these charsets a character has two octets too, so that a short text in one of them may be valid
UTF-8 by chance: 知识 in GB 2312 is ֪ʶ in UTF-8. :mod:`bridge.model.scripts` tells such a reading
from a text.
"""

from __future__ import annotations

import re
from itertools import islice

from bridge.model.scripts import are_latin, beyond_ascii, exist, form_words

#: The charsets, by codec.
CODECS = frozenset({"gb18030", "big5hkscs", "cp932", "cp949", "euc-jp", "johab"})

_THREE = re.compile(rb"[\xe0-\xf4][\x80-\xbf]{2,3}")
#: Codec → the charset of its common characters, and the last first octet of these.
_COMMON = {
    "gb18030": ("gb2312", 0xD7),
    "big5hkscs": ("big5", 0xC6),
    "cp949": ("euc_kr", 0xC8),
    "cp932": ("euc_jp", 0xCF),
    "euc-jp": ("euc_jp", 0xCF),
}
#: Octets beyond ASCII with their neighbours, and how many of these are looked at.
_BEYOND_ASCII = re.compile(rb"(?:[ -~]{0,8}[\x80-\xff]++){1,60}[ -~]{0,8}")
_MOST_RUNS = 40
_MOST = 400


def is_utf_8(octets: bytes, codec: str, *, broken: bool) -> bool:
    """Whether octets in UTF-8, most of them valid, are no text in ``codec``.

    ``broken``: not all of them are.
    """
    runs = islice(_BEYOND_ASCII.finditer(octets), _MOST_RUNS)
    octets = b" ".join([run[0] for run in runs])[:_MOST]
    text = octets.decode("utf-8", "ignore")
    strange = beyond_ascii(text)
    if not exist(strange, marks=True):
        return False
    if broken or len(_THREE.findall(octets)) > 1:
        return len(_THREE.findall(octets)) > 1
    if len(strange) > 5 or not _decodes(octets, codec):
        return True
    if not exist(strange, marks=False):
        return False
    if form_words(text):
        return True
    rare = codec in _COMMON and not _are_common(octets.decode(codec, "ignore"), codec)
    return rare and are_latin(strange)


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
