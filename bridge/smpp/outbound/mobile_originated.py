"""A message from a phone as deliver_sm: in which data_coding, and in how many of them.

What data_coding 0 can carry goes as that, everything else as UCS-2. A text that is too long for one
short message comes in parts with user data headers, or whole in message_payload where the account
says so and it fits.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from bridge.model import gsm0338
from bridge.model.notice import Incoming
from bridge.smpp.outbound.deliver_pdu import Outgoing, Style, addresses, deliver_sm, tlv
from bridge.smpp.protocol.tlvs import MESSAGE_PAYLOAD
from bridge.smpp.protocol.udh import CONCATENATED_8, ESM_CLASS_UDHI

UCS2: Final = 8

#: 3GPP TS 23.040 §9.2.3.24.1: what is left of 140 octets beside a user data header of six.
_OCTETS_SINGLE: Final = 140
_OCTETS_PART: Final = 134
#: After the header of a part, where septets are packed, text begins on a septet border.
_FILL_BITS: Final = 1
_MOST_PARTS: Final = 255
#: The length of a TLV's value has 16 bits (SMPP 3.4 §3.2.4.1).
_LONGEST_PAYLOAD: Final = 0xFFFF


class _Alphabet(NamedTuple):
    """How a text is written: its units (septets, octets) and how many of them go in one message
    and in a part of several. ``leads`` says that a unit must not be the last of a part; ``write``
    makes octets of the units of a part that has so many fill bits before it."""

    data_coding: int
    units: bytes
    single: int
    part: int
    leads: Callable[[bytes, int], bool]
    write: Callable[[bytes, int], bytes] = lambda units, fill_bits: units


def incoming_pdus(incoming: Incoming, style: Style) -> list[Outgoing]:
    """The requests that bring it, in order; most are one."""
    written = _write(incoming.text, style.alphabet)
    to = addresses(incoming.phone, incoming.to)
    data_coding, units = written.data_coding, written.units
    if len(units) <= written.single:
        return [deliver_sm(to, 0, data_coding, written.write(units, 0))]
    if style.payload:
        payload = written.write(units, 0)
        if len(payload) <= _LONGEST_PAYLOAD:
            return [deliver_sm(to, 0, data_coding, b"", tlv(MESSAGE_PAYLOAD, payload))]
    pieces = _cut(written)
    total = len(pieces)
    reference = incoming.id & 0xFF
    parts = []
    for number, piece in enumerate(pieces, 1):
        header = bytes((5, CONCATENATED_8, 3, reference, total, number))
        text = header + written.write(piece, _FILL_BITS)
        parts.append(deliver_sm(to, ESM_CLASS_UDHI, data_coding, text))
    return parts


def _write(text: str, alphabet: str) -> _Alphabet:
    """In the alphabet of data_coding 0 if that has all of the characters, else in UCS-2."""
    if alphabet.startswith("gsm7"):
        septets = gsm0338.encode(text)
        if septets is not None:
            write = gsm0338.pack if alphabet == "gsm7-packed" else lambda units, _: units
            single, part = gsm0338.GSM_SINGLE, gsm0338.GSM_PART
            return _Alphabet(0, septets, single, part, _leads_escape, write)
    else:
        try:
            octets = text.encode(alphabet)
        except UnicodeEncodeError:
            pass
        else:
            leads = _leads_utf8 if alphabet == "utf8" else _leads_nothing
            return _Alphabet(0, octets, _OCTETS_SINGLE, _OCTETS_PART, leads)
    octets = text.encode("utf-16-be", "surrogatepass")
    return _Alphabet(UCS2, octets, _OCTETS_SINGLE, _OCTETS_PART, _leads_surrogate)


def _leads_escape(units: bytes, end: int) -> bool:
    return units[end - 1] == 0x1B


def _leads_utf8(units: bytes, end: int) -> bool:
    return units[end] & 0xC0 == 0x80  # the next octet goes on with this one's character


def _leads_surrogate(units: bytes, end: int) -> bool:
    return 0xD8 <= units[end - 2] < 0xDC


def _leads_nothing(units: bytes, end: int) -> bool:
    return False


def _cut(written: _Alphabet) -> list[bytes]:
    """The units of each part; no character is cut in two. What is over 255 parts is left out."""
    pieces: list[bytes] = []
    units, start = written.units, 0
    step = 2 if written.data_coding == UCS2 else 1
    while start < len(units) and len(pieces) < _MOST_PARTS:
        end = start + written.part
        while end < len(units) and written.leads(units, end):
            end -= step
        pieces.append(units[start:end])
        start = end
    return pieces
