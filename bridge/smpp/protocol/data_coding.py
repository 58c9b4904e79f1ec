"""data_coding → text (SMPP 3.4 §5.2.19, and the message classes of 3GPP TS 23.038 §4).

Decides the alphabet of the octets. The account (``default_alphabet``) or the bind (``system_type``
ISO) sets the alphabet of data_coding 0.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import groupby
from typing import Final, NamedTuple

from bridge.model import gsm0338
from bridge.model.failure import Failure, Reason
from bridge.model.gsm0338 import NO_SHIFTS, Shifts
from bridge.smpp.protocol import ucs2
from bridge.smpp.protocol.japanese import NEC_ROWS

DEFAULT: Final = "default"  # the alphabet that the account has as SMSC default
OCTETS: Final = "octets"  # no text
IA5: Final = "ia5"
LATIN1: Final = "latin1"
LATIN1_OR_OCTETS: Final = "latin1 or octets"  # octets for an application port or with controls
UCS2: Final = "ucs2"
EUC_JP: Final = "euc_jp"
ISO_2022_JP: Final = "iso2022_jp_ext"

#: data_coding → alphabet: one of the words above, or a codec of Python. Clients use the Windows
#: superset of an alphabet where there is one.
DATA_CODINGS: Final[dict[int, str]] = {
    0x00: DEFAULT,
    0x01: IA5,
    0x02: OCTETS,
    0x03: LATIN1,
    0x04: LATIN1_OR_OCTETS,  # the specification says octets, but clients write text
    0x05: "cp932",  # JIS X 0208-1990
    0x06: "iso8859-5",
    0x07: "iso8859-8",
    0x08: UCS2,
    0x0A: ISO_2022_JP,  # music codes
    0x0D: EUC_JP,  # extended Kanji, JIS X 0212-1990
    0x0E: "cp949",  # KS C 5601
    # 3GPP TS 23.038 §4. Message classes, and texts to be deleted after reading: bits 3-2 name the
    # alphabet; reserved values mean the default one. Compressed texts are not supported.
    **dict.fromkeys((*range(0x10, 0x14), *range(0x40, 0x44), *range(0x50, 0x54)), DEFAULT),
    **dict.fromkeys((*range(0x14, 0x18), *range(0x44, 0x48), *range(0x54, 0x58)), OCTETS),
    **dict.fromkeys((*range(0x18, 0x1C), *range(0x48, 0x4C), *range(0x58, 0x5C)), UCS2),
    **dict.fromkeys((*range(0x1C, 0x20), *range(0x4C, 0x50), *range(0x5C, 0x60)), DEFAULT),
    **dict.fromkeys(range(0x80, 0xC0), DEFAULT),  # reserved groups
    # Message waiting: the phone may discard the text of 0xC0-0xCF.
    **dict.fromkeys(range(0xC0, 0xE0), DEFAULT),
    **dict.fromkeys(range(0xE0, 0xF0), UCS2),
    **dict.fromkeys(range(0xF0, 0xF4), DEFAULT),
    **dict.fromkeys(range(0xF4, 0xF8), OCTETS),
}


#: Controls that IA5 texts do not have; GSM 03.38 has @, $, _, é and the escape there.
_NO_IA5: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


#: Controls that no text has; a NUL may end it.
_NO_TEXT: Final = re.compile(rb"[\x01-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _ia5(octets: bytes) -> str:
    """Decodes IA5, or GSM 03.38 if it has controls: some clients (node-smpp) write that instead."""
    if _NO_IA5.search(octets):
        return gsm0338.decode(octets)
    return octets.decode("ascii")


#: Controls of Latin-1, which no text has: windows-1252 has quotation marks and the euro sign there.
_CONTROLS: Final = re.compile(r"[\x80-\x9f]")


#: Phonetic letters and marks, which Latin-1 would be in UTF-8 by chance.
_NO_LETTERS: Final = re.compile("[\x80-\x9f\u0250-\u036f]")


def _latin1(octets: bytes) -> str:
    """Decodes Latin-1, or UTF-8 that a client did not convert: no words in Latin-1 are that."""
    text = octets.decode("latin-1")
    if text.isascii():
        return text
    try:
        unconverted = octets.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    else:
        if not _NO_LETTERS.search(unconverted):
            return unconverted
    return _CONTROLS.sub(lambda found: found[0].encode("latin-1").decode("cp1252", "ignore"), text)


def _iso_2022_jp(octets: bytes) -> str:
    """Decodes ISO-2022-JP, also with half-width kana between SO and SI (code page 50222)."""
    if b"\x0e" in octets:
        octets = octets.replace(b"\x0e", b"\x1b(I").replace(b"\x0f", b"\x1b(B")
    return octets.decode(ISO_2022_JP, NEC_ROWS)


#: Alphabets without a codec in Python, or with a name of the configuration.
_DECODERS: Final[dict[str, Callable[[bytes], str]]] = {
    "gsm7": gsm0338.decode,
    "gsm7-packed": lambda octets: gsm0338.decode(gsm0338.unpack(octets)),
    "latin1": _latin1,
    "ascii": _ia5,
    "utf8": lambda octets: octets.decode("utf-8-sig"),
    IA5: _ia5,
    UCS2: ucs2.decode,
    EUC_JP: lambda octets: octets.decode(EUC_JP, NEC_ROWS),
    ISO_2022_JP: _iso_2022_jp,
}

#: Alphabets in which a character may be cut at the border of two parts. (A cut escape sequence of
#: GSM 03.38 is still a text.)
_MULTI_OCTET: Final = {
    "utf8": "utf8",
    UCS2: "utf-16-be",
    "cp932": "cp932",
    ISO_2022_JP: ISO_2022_JP,
    EUC_JP: EUC_JP,
    "cp949": "cp949",
}

#: Alphabets that are really GSM 03.38 if a user data header names a national language table.
_SHIFTABLE: Final = frozenset({"gsm7", "latin1", "ascii", "utf8", IA5})


class Encoded(NamedTuple):
    """Octets of a text, with the properties that decide their alphabet.

    ``header_length`` counts the octets of the user data header before them; ``has_ports``: they are
    for an application port; ``shifts``: the header's national language tables.
    """

    data_coding: int
    octets: bytes
    default_alphabet: str = "gsm7"
    header_length: int = 0
    has_ports: bool = False
    shifts: Shifts = NO_SHIFTS


def alphabet_of(encoded: Encoded) -> str:
    """The alphabet; raises Failure(UNDECODABLE_TEXT) for binary and for an unknown data_coding."""
    alphabet = DATA_CODINGS.get(encoded.data_coding)
    if alphabet is DEFAULT:
        return encoded.default_alphabet
    if alphabet is LATIN1_OR_OCTETS:
        binary = encoded.has_ports or _NO_TEXT.search(encoded.octets)
        alphabet = OCTETS if binary else LATIN1
    if alphabet is None:
        raise Failure(
            Reason.UNDECODABLE_TEXT, f"data_coding {encoded.data_coding} is not supported"
        )
    if alphabet is OCTETS:
        raise Failure(Reason.UNDECODABLE_TEXT, "binary content is not supported")
    return alphabet


@lru_cache(1024)
def described(data_coding: int, default_alphabet: str) -> str:
    """A data_coding with the alphabet that it means, for the trace."""
    alphabet = DATA_CODINGS.get(data_coding, "unknown")
    return f"data_coding {data_coding} ({default_alphabet if alphabet is DEFAULT else alphabet})"


def decode_text(encoded: Encoded) -> str:
    """The text of a short message, untrimmed.

    Raises Failure(UNDECODABLE_TEXT), also for octets that are invalid in their alphabet.
    """
    if encoded.header_length:
        return _decode(*_unpacked(encoded))
    return _decode(alphabet_of(encoded), NO_SHIFTS, encoded.octets)


def decode_part(encoded: Encoded) -> str:
    """The text of a single part; characters cut at its borders are replaced."""
    alphabet, shifts, octets = _unpacked(encoded)
    if alphabet in _MULTI_OCTET:
        return octets.decode(_MULTI_OCTET[alphabet], "replace")
    return _decode(alphabet, shifts, octets)


def decode_parts(parts: Iterable[Encoded]) -> str:
    """The text of all parts together.

    Successive parts in one alphabet are joined before decoding, so that surrogate pairs, escape
    sequences and other characters that were cut at the border survive.
    """
    pieces = []
    for (alphabet, shifts), some in groupby(map(_unpacked, parts), key=lambda piece: piece[:2]):
        octets = [octets for _, _, octets in some]
        joined = ucs2.join(octets) if alphabet is UCS2 else b"".join(octets)
        pieces.append(_decode(alphabet, shifts, joined))
    return "".join(pieces)


def _unpacked(encoded: Encoded) -> tuple[str, Shifts, bytes]:
    """Alphabet, national tables and octets; packed septets become one octet each."""
    alphabet, octets, shifts = alphabet_of(encoded), encoded.octets, encoded.shifts
    if alphabet == "gsm7-packed":
        # Text starts on a septet border after the header.
        return "gsm7", shifts, gsm0338.unpack(octets, -8 * encoded.header_length % 7)
    if shifts != NO_SHIFTS and alphabet in _SHIFTABLE:
        return "gsm7", shifts, octets
    return alphabet, NO_SHIFTS, octets


def _decode(alphabet: str, shifts: Shifts, octets: bytes) -> str:
    try:
        if shifts != NO_SHIFTS:
            return gsm0338.decode_shifted(octets, shifts)
        decoder = _DECODERS.get(alphabet)
        return octets.decode(alphabet) if decoder is None else decoder(octets)
    except UnicodeDecodeError as error:
        raise Failure(
            Reason.UNDECODABLE_TEXT, f"octet {error.start + 1} is not {alphabet}"
        ) from None
