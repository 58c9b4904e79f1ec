"""UCS-2 as clients write it: big-endian by the specification; some use little-endian or a mark.

Decides the octet order of a text. Without a byte-order mark it is big-endian, unless only the other
order gives letters.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

_BIG: Final = b"\xfe\xff"
_LITTLE: Final = b"\xff\xfe"
_MARKS: Final = {_BIG: "utf-16-be", _LITTLE: "utf-16-le"}
_FIRST_OF_MARKS: Final = 0xFE

#: High octets of Latin and Cyrillic letters, digits and blanks.
_LETTERS: Final = b"\x00\x04"
#: Fewest characters by which the other order is recognised.
_FEWEST_CHARACTERS: Final = 4
_FEWEST_DIFFERENT: Final = 3


def decode(octets: bytes) -> str:
    """The text without its byte-order mark; raises UnicodeDecodeError."""
    if len(octets) > 1:
        if octets[0] >= _FIRST_OF_MARKS and (codec := _MARKS.get(octets[:2])):
            return octets[2:].decode(codec)
        if octets[1] in _LETTERS and _is_little_endian(octets):
            return octets.decode("utf-16-le")
    return octets.decode("utf-16-be")


def join(parts: Sequence[bytes]) -> bytes:
    """The octets of a text in parts; each part may begin with a mark."""
    marks = [part[:2] for part in parts if part[:2] in _MARKS]
    without = [part[2:] if part[:2] in _MARKS else part for part in parts]
    return b"".join((*marks[:1], *without))


def _is_little_endian(octets: bytes) -> bool:
    """Whether every second octet is the high one of a letter, and the other octets vary.

    Read as big-endian, this would be a row of rare ideographs and symbols with the low octets 00
    and 04 only: no real text is like that.
    """
    if octets[1::2].strip(_LETTERS) or len(octets) < 2 * _FEWEST_CHARACTERS:
        return False
    low = set(octets[::2])
    return len(low) >= _FEWEST_DIFFERENT and not low <= set(_LETTERS)
