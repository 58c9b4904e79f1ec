"""GSM 03.38: the default alphabet, its extension and national tables, packing, counting of parts.

Decides which characters fit in seven bits, and the number of short messages of a text. The
listeners decide the alphabet of a submission.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from functools import cache
from typing import Final, NamedTuple, TypeVar

from bridge.model.national_languages import LOCKING, SINGLE

#: 3GPP TS 23.038 §6.2.1: the index is the septet. 0x1B is the escape to the extension table.
DEFAULT_ALPHABET: Final = (
    "@£$¥èéùìòÇ\nØø\rÅå"
    "Δ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ"
    " !\"#¤%&'()*+,-./"
    "0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNO"
    "PQRSTUVWXYZÄÖÑÜ§"
    "¿abcdefghijklmno"
    "pqrstuvwxyzäöñüà"
)

#: 3GPP TS 23.038 §6.2.1.1: the characters after the escape.
EXTENSION: Final = {
    0x0A: "\f",
    0x14: "^",
    0x28: "{",
    0x29: "}",
    0x2F: "\\",
    0x3C: "[",
    0x3D: "~",
    0x3E: "]",
    0x40: "|",
    0x65: "€",
}

#: Septets (UTF-16 units) in a message of one part, and in each of several parts, which have a user
#: data header of six octets (3GPP TS 23.040 §9.2.3.24.1).
GSM_SINGLE: Final = 160
GSM_PART: Final = 153
UCS2_SINGLE: Final = 70
UCS2_PART: Final = 67

assert len(DEFAULT_ALPHABET) == 128

_SEPTETS: Final = codecs.charmap_build(DEFAULT_ALPHABET + "\ufffe" * 128)  # U+FFFE: undefined
_TO_ESCAPES: Final = str.maketrans(
    {char: "\x1b" + DEFAULT_ALPHABET[code] for code, char in EXTENSION.items()}
)
_FROM_ESCAPES: Final = {DEFAULT_ALPHABET[code]: char for code, char in EXTENSION.items()} | {
    "\x1b": " "
}
_EXTENDED: Final = "".join(EXTENSION.values())
_BASIC: Final = DEFAULT_ALPHABET.replace("\x1b", "")
_NOT_PLAIN: Final = re.compile(f"[^{re.escape(_BASIC)}]")
_NOT_GSM: Final = re.compile(f"[^{re.escape(_BASIC + _EXTENDED)}]")
_PAIR: Final = re.compile("\x1b(.?)", re.DOTALL)
_SEPTET_PAIR: Final = re.compile(b"\x1b(.?)", re.DOTALL)
_ESCAPE: Final = 0x1B

_Unit = TypeVar("_Unit")


class Shifts(NamedTuple):
    """The language codes of the tables in a user data header; 0 is GSM 03.38's own table."""

    locking: int = 0
    single: int = 0


NO_SHIFTS: Final = Shifts()

#: Combinations of tables for a text: a single shift table, a locking shift table, or both, of one
#: language. Those that phones without the tables show more readably come first.
_WRITABLE: Final = (
    *(Shifts(0, language) for language in SINGLE),
    *(Shifts(language, 0) for language in LOCKING),
    *(Shifts(language, language) for language in LOCKING),
)


def encode(text: str) -> bytes | None:
    """One octet per septet, two for extension characters; None if a character is in neither
    table."""
    if _NOT_GSM.search(text) is not None:
        return None
    return codecs.charmap_encode(text.translate(_TO_ESCAPES), "strict", _SEPTETS)[0]


def is_gsm(text: str) -> bool:
    """Whether every character is in the default alphabet or its extension table."""
    return _NOT_GSM.search(text) is None


def decode(octets: bytes) -> str:
    """The text of unpacked septets, as lenient as 3GPP TS 23.038 §6.2.1.1 requires.

    An unknown extension is read as the character of the default alphabet, a double escape as a
    space; an escape at the end is ignored. An octet above 0x7F raises UnicodeDecodeError.
    """
    text = codecs.charmap_decode(octets, "strict", DEFAULT_ALPHABET)[0]
    if "\x1b" in text:
        text = _PAIR.sub(lambda pair: _FROM_ESCAPES.get(pair[1], pair[1]), text)
    return text


def decode_shifted(octets: bytes, shifts: Shifts) -> str:
    """The text of unpacked septets in national tables.

    A language without such a table is ignored (3GPP TS 23.040 §9.2.3.24.15, §9.2.3.24.16). A septet
    without a character raises UnicodeDecodeError.
    """
    alphabet = _alphabet(shifts.locking)
    extension = _extension(shifts.single)
    text: list[str] = []
    for index, piece in enumerate(_SEPTET_PAIR.split(octets)):
        if index % 2 and piece and piece[0] in extension:
            text.append(extension[piece[0]])
        else:
            text.append(codecs.charmap_decode(piece, "strict", alphabet)[0])
    return "".join(text)


def encode_shifted(text: str) -> Iterator[tuple[bytes, Shifts]]:
    """The septets of the text for each combination of national tables that has all characters.

    Combinations that phones without the tables show better come first.
    """
    for shifts in _WRITABLE:
        table = _septets_of(shifts)
        with suppress(KeyError):
            yield b"".join([table[char] for char in text]), shifts


@cache
def _alphabet(language: int) -> str:
    """The alphabet for a charmap codec: U+FFFE means no character."""
    if language not in LOCKING:
        return DEFAULT_ALPHABET
    characters = ["\ufffe"] * 128
    for first, run in LOCKING[language].items():
        characters[first : first + len(run)] = run
    characters[_ESCAPE] = "\x1b"
    return "".join(characters)


@cache
def _extension(language: int) -> dict[int, str]:
    if language not in SINGLE:
        return EXTENSION | {_ESCAPE: " "}
    runs = SINGLE[language].items()
    return {first + at: char for first, run in runs for at, char in enumerate(run)} | {_ESCAPE: " "}


@cache
def _septets_of(shifts: Shifts) -> dict[str, bytes]:
    extension = {
        char: bytes((_ESCAPE, septet)) for septet, char in _extension(shifts.single).items()
    }
    alphabet = {char: bytes((septet,)) for septet, char in enumerate(_alphabet(shifts.locking))}
    table = extension | alphabet
    del table["\x1b"]
    table.pop("\ufffe", None)
    return table


def pack(septets: bytes, fill_bits: int = 0) -> bytes:
    """Packs septets, given one per octet (3GPP TS 23.038 §6.1.2.1).

    ``fill_bits`` zero bits come first; they align text after a user data header to a septet border.
    """
    packed = bytearray()
    for start in range(0, len(septets), 8):
        group = septets[start : start + 8]
        bits = 0
        for index, septet in enumerate(group):
            bits |= septet << (7 * index)
        packed += bits.to_bytes((7 * len(group) + 7) // 8, "little")
    if not fill_bits:
        return bytes(packed)
    length = (7 * len(septets) + fill_bits + 7) // 8
    return (int.from_bytes(packed, "little") << fill_bits).to_bytes(length, "little")


def unpack(octets: bytes, fill_bits: int = 0) -> bytes:
    """Unpacks septets, one per octet, after ``fill_bits`` bits.

    The number of septets is not known: seven spare bits at the end are padding if they are zero or
    a carriage return (3GPP TS 23.038 §6.1.2.3.1).
    """
    count = max(0, (8 * len(octets) - fill_bits) // 7)
    padded = (8 * len(octets) - fill_bits) % 7 == 0
    if fill_bits:
        octets = (int.from_bytes(octets, "little") >> fill_bits).to_bytes(len(octets), "little")
    septets = bytearray()
    for start in range(0, len(octets), 7):
        bits = int.from_bytes(octets[start : start + 7], "little")
        septets += bytes((bits >> shift) & 0x7F for shift in range(0, 56, 7))
    del septets[count:]
    if padded and septets and septets[-1] in (0x00, 0x0D):
        del septets[-1]
    return bytes(septets)


def count_parts(text: str) -> int:
    """The number of short messages of the text; one for an empty text.

    Parts are filled one after the other, without cutting an escape sequence or a surrogate pair.
    """
    length = len(text)
    # One part in any alphabet: 35 characters have at most 70 UTF-16 units.
    if length <= 35 or (length <= UCS2_SINGLE and text.isascii()):
        return 1
    odd = _NOT_PLAIN.search(text)
    if odd is None:
        return _count(length, GSM_SINGLE, GSM_PART)
    if odd[0] in _EXTENDED and _NOT_GSM.search(text, odd.end()) is None:
        if length + sum(map(text.count, _EXTENDED)) <= GSM_SINGLE:
            return 1
        septets = text.translate(_TO_ESCAPES)
        return _count_uncut(septets, GSM_PART, lambda last: last == "\x1b")
    octets = text.encode("utf-16", "surrogatepass")[2:]  # native byte order, no mark
    if len(octets) == 2 * length:
        return _count(length, UCS2_SINGLE, UCS2_PART)
    units = memoryview(octets).cast("H")
    if len(units) <= UCS2_SINGLE:
        return 1
    return _count_uncut(units, UCS2_PART, lambda last: 0xD800 <= last < 0xDC00)


def _count(length: int, single: int, part: int) -> int:
    return 1 if length <= single else -(-length // part)


def _count_uncut(units: Sequence[_Unit], part: int, leads_a_pair: Callable[[_Unit], bool]) -> int:
    """The number of parts of up to ``part`` units; a part must not end with the first unit of a
    pair."""
    parts, start = 0, 0
    while len(units) - start > part:
        start += part - 1 if leads_a_pair(units[start + part - 1]) else part
        parts += 1
    return parts + 1


def fitting(text: str, max_parts: int) -> str:
    """The longest beginning of ``text`` that fits in ``max_parts`` parts."""
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if count_parts(text[:middle]) <= max_parts:
            low = middle
        else:
            high = middle - 1
    return text[:low]
