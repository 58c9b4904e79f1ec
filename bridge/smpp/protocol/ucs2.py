"""UCS-2 as clients write it: big-endian by the specification; some use little-endian or a mark.

Decides the octet order of a text. Without a byte-order mark it is big-endian, unless only the other
order gives letters, or the octets are ASCII or UTF-8: some clients set data_coding 8 without
converting their text.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from bridge.model.scripts import beyond_ascii, exist, form_words

_BIG: Final = b"\xfe\xff"
_LITTLE: Final = b"\xff\xfe"
_MARKS: Final = {_BIG: "utf-16-be", _LITTLE: "utf-16-le"}
_FIRST_OF_MARKS: Final = 0xFE

#: High octets of the alphabets, those that stand together in a text.
_ALPHABETS: Final = (
    frozenset((0x01, 0x02, 0x03, 0x1E)),  # Latin with its accents, Vietnamese
    frozenset((0x03, 0x1F)),  # Greek
    frozenset((0x04, 0x05)),  # Cyrillic
    frozenset((0x05,)),  # Armenian, Hebrew
    frozenset((0x06, 0x07, 0xFB, 0xFE)),  # Arabic
    *(frozenset((high,)) for high in (*range(0x09, 0x10), 0x17, 0x18)),  # of India to Mongolia
    frozenset((0x10, 0x1C, 0x2D)),  # Georgian
    frozenset((0x12, 0x13)),  # Ethiopic
)
#: ASCII, punctuation, signs, and surrogates: in texts of any alphabet.
_COMMON: Final = frozenset((0x00, 0x20, 0x21, 0x22, *range(0xD8, 0xE0)))
_HIGH_OCTETS: Final = bytes(sorted(_COMMON.union(*_ALPHABETS)))
#: Fewest characters by which the other order is recognised, and how many of them must differ.
_FEWEST: Final = (4, 3)
#: The same for ASCII letters and digits alone.
_FEWEST_OF_ASCII: Final = (3, 2)


#: Controls that no text has: the high octets of many alphabets in UCS-2.
_CONTROLS: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
#: High octets of signs and ideographs that are hardly used, as those of ASCII's signs, digits and
#: capitals would be; not those of kana, jamo and punctuation.
_RARE: Final = frozenset((*range(0x21, 0x30), *range(0x33, 0x4E)))
#: Punctuation with a low octet that is printable ASCII.
_PUNCTUATION: Final = b"\x22\x26\x30\x32\x33\x39\x3a\x3b"
#: Fewest octets of an ASCII text with letters.
_FEWEST_OCTETS: Final = 6
#: The same for UTF-8 with a single character beyond ASCII.
_FEWEST_WITH_ONE: Final = 12


def decode(octets: bytes) -> str:
    """The text without its byte-order mark; raises UnicodeDecodeError."""
    if len(octets) > 1:
        if octets[0] >= _FIRST_OF_MARKS and (codec := _MARKS.get(octets[:2])):
            return octets[2:].decode(codec)
        if not octets[1:8:2].strip(_HIGH_OCTETS) and _is_little_endian(octets):
            return octets.decode("utf-16-le")
        if octets[0] > 0x1F and octets[1] > 0x1F and (text := _in_octets(octets)):
            return text
    return octets.decode("utf-16-be")


def _in_octets(octets: bytes) -> str:
    """The text of octets that prove to be ASCII or UTF-8; empty for others."""
    if _CONTROLS.search(octets):
        return ""
    try:
        text = octets.decode("utf-8")
    except UnicodeDecodeError:
        return ""
    if not text.isascii():
        strange = beyond_ascii(text)
        several = len(strange) > 1 or len(octets) > _FEWEST_WITH_ONE
        return text if several and exist(strange, marks=False) and form_words(text) else ""
    rare = sum(
        first in _RARE or (first == 0x20 and second not in _PUNCTUATION)
        for first, second in zip(octets[::2], octets[1::2], strict=False)
    )
    return text if rare and (len(octets) >= _FEWEST_OCTETS or octets.isdigit()) else ""


def join(parts: Sequence[bytes]) -> bytes:
    """The octets of a text in parts; each part may begin with a mark."""
    marks = [part[:2] for part in parts if part[:2] in _MARKS]
    without = [part[2:] if part[:2] in _MARKS else part for part in parts]
    return b"".join((*marks[:1], *without))


def _is_little_endian(octets: bytes) -> bool:
    """Whether every second octet is the high one of one alphabet's letters, and the others vary.

    Read as big-endian, this would be a row of unrelated ideographs and symbols whose low octets are
    nearly all the same: no real text is like that.
    """
    high, low = set(octets[1::2]), set(octets[::2])
    ascii = high == {0} and octets[::2].isalnum()
    characters, different = _FEWEST_OF_ASCII if ascii else _FEWEST
    if len(octets) < 2 * characters or len(low) < different:
        return False
    if not _is_one_alphabet(high) or _is_one_alphabet(low):
        return False
    letters = sum(octets[1::2].count(octet) for octet in high - _COMMON | {0})
    return 4 * letters > len(octets) and _decodes(octets)


def _is_one_alphabet(high: set[int]) -> bool:
    letters = high - _COMMON
    return any(letters <= alphabet for alphabet in _ALPHABETS)


def _decodes(octets: bytes) -> bool:
    try:
        octets.decode("utf-16-le")
    except UnicodeDecodeError:
        return False
    return True
