"""data_coding → text (SMPP 3.4 §5.2.19, and the message classes of 3GPP TS 23.038 §4).

Decides in which alphabet octets are written. What data_coding 0 means is the account's matter
(``default_alphabet``) or the bind's (``system_type`` ISO).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

from bridge import gsm0338
from bridge.failure import Failure, Reason

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


def _packed(octets: bytes, header_length: int) -> str:
    fill_bits = -8 * header_length % 7  # text starts on a septet border after the header
    return gsm0338.decode(gsm0338.unpack(octets, fill_bits))


#: ``default_alphabet`` → the text of octets that follow a user data header of so many octets.
DEFAULT_ALPHABETS: Final[dict[str, Callable[[bytes, int], str]]] = {
    "gsm7": lambda octets, _: gsm0338.decode(octets),
    "gsm7-packed": _packed,
    "latin1": lambda octets, _: octets.decode("latin-1"),
    "ascii": lambda octets, _: octets.decode("ascii"),
    "utf8": lambda octets, _: octets.decode("utf-8"),
}


def decode_text(
    data_coding: int,
    octets: bytes,
    *,
    default_alphabet: str = "gsm7",
    header_length: int = 0,
    has_ports: bool = False,
) -> str:
    """The text of a short message, nothing trimmed.

    ``header_length`` counts the octets of the user data header before it. Raises
    Failure(UNDECODABLE_TEXT) for binary content, an unknown data_coding, and octets that are no
    text in it.
    """
    alphabet = DATA_CODINGS.get(data_coding)
    if alphabet is LATIN1_OR_OCTETS:
        alphabet = OCTETS if has_ports else "latin-1"
    if alphabet is None:
        raise Failure(Reason.UNDECODABLE_TEXT, f"data_coding {data_coding} is not supported")
    if alphabet is OCTETS:
        raise Failure(Reason.UNDECODABLE_TEXT, "binary content is not supported")
    try:
        if alphabet is DEFAULT:
            return DEFAULT_ALPHABETS[default_alphabet](octets, header_length)
        if alphabet is IA5:
            return _ia5(octets)
        return octets.decode(alphabet)
    except UnicodeDecodeError as error:
        where = default_alphabet if alphabet is DEFAULT else alphabet
        raise Failure(Reason.UNDECODABLE_TEXT, f"octet {error.start + 1} is not {where}") from None
