"""data_coding → text (SMPP 3.4 §5.2.19, and the message classes of 3GPP TS 23.038 §4).

Decides in which alphabet octets are written. What data_coding 0 means is the account's matter
(``default_alphabet``) or the bind's (``system_type`` ISO).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from itertools import groupby
from typing import Final, NamedTuple

from bridge.model import gsm0338
from bridge.model.failure import Failure, Reason

DEFAULT: Final = "default"  # whatever the account takes for the SMSC default alphabet
OCTETS: Final = "octets"  # no text
IA5: Final = "ia5"
LATIN1_OR_OCTETS: Final = "latin1 or octets"  # octets where the header names an application port

#: data_coding → alphabet: one of the words above, or a codec of Python.
DATA_CODINGS: Final[dict[int, str]] = {
    0x00: DEFAULT,
    0x01: IA5,
    0x02: OCTETS,
    0x03: "latin-1",
    0x04: LATIN1_OR_OCTETS,  # the specification says octets, but clients write text
    0x05: "shift_jis",  # JIS X 0208-1990
    0x06: "iso8859-5",
    0x07: "iso8859-8",
    0x08: "utf-16-be",
    0x0A: "iso2022_jp",  # music codes
    0x0D: "euc_jp",  # extended Kanji, JIS X 0212-1990
    0x0E: "euc_kr",  # KS C 5601
    # Message classes: bits 3-2 (in the F group bit 2) name the alphabet, bits 1-0 the class.
    **dict.fromkeys(range(0x10, 0x14), DEFAULT),
    **dict.fromkeys(range(0x14, 0x18), OCTETS),
    **dict.fromkeys(range(0x18, 0x1C), "utf-16-be"),
    **dict.fromkeys(range(0xF0, 0xF4), DEFAULT),
    **dict.fromkeys(range(0xF4, 0xF8), OCTETS),
}


#: Controls that no IA5 text has, but where GSM 03.38 has @, $, _, é and the escape.
_NO_IA5: Final = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


def _ia5(octets: bytes) -> str:
    """Widespread clients (node-smpp) write GSM 03.38 and call it IA5: controls tell them apart."""
    if _NO_IA5.search(octets):
        return gsm0338.decode(octets)
    return octets.decode("ascii")


def _septets(octets: bytes, header_length: int) -> bytes:
    fill_bits = -8 * header_length % 7  # text starts on a septet border after the header
    return gsm0338.unpack(octets, fill_bits)


def _packed(octets: bytes, header_length: int) -> str:
    return gsm0338.decode(_septets(octets, header_length))


#: Alphabets that Python has no codec for, or whose names are the configuration's: the text of
#: octets that follow a user data header of so many octets.
_DECODERS: Final[dict[str, Callable[[bytes, int], str]]] = {
    "gsm7": lambda octets, _: gsm0338.decode(octets),
    "gsm7-packed": _packed,
    "latin1": lambda octets, _: octets.decode("latin-1"),
    "ascii": lambda octets, _: octets.decode("ascii"),
    "utf8": lambda octets, _: octets.decode("utf-8"),
    IA5: lambda octets, _: _ia5(octets),
}

#: Alphabets in which a character may be cut at the border of a part: octets of it here and there.
#: (What GSM 03.38 leaves of an escape sequence is always a text.)
_MULTI_OCTET: Final = frozenset(
    {"utf8", "utf-16-be", "shift_jis", "iso2022_jp", "euc_jp", "euc_kr"}
)


class Encoded(NamedTuple):
    """Octets of a text with all that says how they are written.

    ``header_length`` counts the octets of the user data header before them, ``has_ports`` says that
    it names an application port.
    """

    data_coding: int
    octets: bytes
    default_alphabet: str = "gsm7"
    header_length: int = 0
    has_ports: bool = False


def alphabet_of(encoded: Encoded) -> str:
    """The alphabet; raises Failure(UNDECODABLE_TEXT) for binary and for an unknown data_coding."""
    alphabet = DATA_CODINGS.get(encoded.data_coding)
    if alphabet is DEFAULT:
        return encoded.default_alphabet
    if alphabet is LATIN1_OR_OCTETS:
        alphabet = OCTETS if encoded.has_ports else "latin-1"
    if alphabet is None:
        raise Failure(
            Reason.UNDECODABLE_TEXT, f"data_coding {encoded.data_coding} is not supported"
        )
    if alphabet is OCTETS:
        raise Failure(Reason.UNDECODABLE_TEXT, "binary content is not supported")
    return alphabet


def decode_text(encoded: Encoded) -> str:
    """The text of a short message, nothing trimmed.

    Raises Failure(UNDECODABLE_TEXT), also for octets that are no text in their alphabet.
    """
    return _decode(alphabet_of(encoded), encoded.octets, encoded.header_length)


def decode_part(encoded: Encoded) -> str:
    """The text of a part on its own, characters that are cut at its borders being replaced."""
    alphabet = alphabet_of(encoded)
    if alphabet in _MULTI_OCTET:
        return encoded.octets.decode(alphabet, "replace")
    return _decode(alphabet, encoded.octets, encoded.header_length)


def decode_parts(parts: Iterable[Encoded]) -> str:
    """The text that parts make together.

    Neighbours in one alphabet are joined before they are decoded, so that surrogate pairs, escape
    sequences and other characters that were cut at the border survive.
    """
    pieces = []
    for alphabet, some in groupby(map(_unpacked, parts), key=lambda piece: piece[0]):
        pieces.append(_decode(alphabet, b"".join([octets for _, octets in some]), 0))
    return "".join(pieces)


def _unpacked(encoded: Encoded) -> tuple[str, bytes]:
    alphabet = alphabet_of(encoded)
    if alphabet == "gsm7-packed":
        return "gsm7", _septets(encoded.octets, encoded.header_length)
    return alphabet, encoded.octets


def _decode(alphabet: str, octets: bytes, header_length: int) -> str:
    decoder = _DECODERS.get(alphabet)
    try:
        return octets.decode(alphabet) if decoder is None else decoder(octets, header_length)
    except UnicodeDecodeError as error:
        raise Failure(
            Reason.UNDECODABLE_TEXT, f"octet {error.start + 1} is not {alphabet}"
        ) from None
