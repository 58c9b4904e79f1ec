"""A message from a phone as deliver_sm: the data_coding, and the number of PDUs.

A text in the alphabet of data_coding 0 goes in that, any other text as UCS-2. A text that is too
long for one short message goes whole in message_payload if the account is set so and it fits;
otherwise in parts with user data headers, in the national tables of GSM 03.38 if these make fewer
parts than UCS-2.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, NamedTuple

from bridge.model import gsm0338
from bridge.model.gsm0338 import NO_SHIFTS, Shifts
from bridge.model.notice import Incoming
from bridge.smpp.outbound.deliver_pdu import Outgoing, Style, addresses, deliver_sm, tlv
from bridge.smpp.protocol.tlvs import MESSAGE_PAYLOAD
from bridge.smpp.protocol.udh import CONCATENATED_8, ESM_CLASS_UDHI, LOCKING_SHIFT, SINGLE_SHIFT

UCS2: Final = 8

#: 3GPP TS 23.040 §9.2.3.24.1: the room of 140 octets that a user data header of six leaves.
_OCTETS_SINGLE: Final = 140
_OCTETS_PART: Final = 134
#: Octets of a user data header with only the concatenation element.
_CONCATENATION_HEADER: Final = 6
_MOST_PARTS: Final = 255
#: The length of a TLV's value has 16 bits (SMPP 3.4 §3.2.4.1).
_LONGEST_PAYLOAD: Final = 0xFFFF


class _Written(NamedTuple):
    """A text as units (septets or octets), and how many of them fit in a single message and in a
    part. ``leads``: whether a unit must not be the last of a part. ``write`` makes octets of a
    part's units, after so many fill bits. ``elements`` go in the user data header of every
    message."""

    data_coding: int
    units: bytes
    single: int
    part: int
    leads: Callable[[bytes, int], bool]
    write: Callable[[bytes, int], bytes] = lambda units, fill_bits: units
    elements: bytes = b""


def incoming_pdus(incoming: Incoming, style: Style) -> list[Outgoing]:
    """The requests for a message from a phone, in order; mostly one."""
    text, to = incoming.text, addresses(incoming.phone, incoming.to)
    written = _write(text, style.alphabet)
    if len(written.units) > written.single and style.payload:
        payload = written.write(written.units, 0)
        if len(payload) <= _LONGEST_PAYLOAD:
            tlvs = tlv(MESSAGE_PAYLOAD, payload)
            return [deliver_sm(to, 0, written.data_coding, b"", tlvs)]
    pieces = _cut(written)
    if len(pieces) > 1 and written.data_coding == UCS2 and style.alphabet.startswith("gsm7"):
        for septets, shifts in gsm0338.encode_shifted(text):
            shifted = _septets(septets, shifts, style.alphabet)
            if len(fewer := _cut(shifted)) < len(pieces):
                written, pieces = shifted, fewer
    total = len(pieces)
    reference = incoming.id & 0xFF
    pdus = []
    for number, piece in enumerate(pieces, 1):
        elements = written.elements
        if total > 1:
            elements = bytes((CONCATENATED_8, 3, reference, total, number)) + elements
        header = bytes((len(elements),)) + elements if elements else b""
        octets = header + written.write(piece, _fill_bits(header))
        esm_class = ESM_CLASS_UDHI if header else 0
        pdus.append(deliver_sm(to, esm_class, written.data_coding, octets))
    return pdus


def _fill_bits(header: bytes) -> int:
    """Fill bits, so that packed septets begin on a septet border after the header."""
    return -8 * len(header) % 7


def _write(text: str, alphabet: str) -> _Written:
    """Writes in the alphabet of data_coding 0 if that has all characters, else in UCS-2."""
    if alphabet.startswith("gsm7"):
        septets = gsm0338.encode(text)
        if septets is not None:
            return _septets(septets, NO_SHIFTS, alphabet)
    else:
        try:
            octets = text.encode(alphabet)
        except UnicodeEncodeError:
            pass
        else:
            leads = _leads_utf8 if alphabet == "utf8" else _leads_nothing
            return _Written(0, octets, _OCTETS_SINGLE, _OCTETS_PART, leads)
    octets = text.encode("utf-16-be", "surrogatepass")
    return _Written(UCS2, octets, _OCTETS_SINGLE, _OCTETS_PART, _leads_surrogate)


def _septets(septets: bytes, shifts: Shifts, alphabet: str) -> _Written:
    elements = b"".join(
        bytes((identifier, 1, language))
        for identifier, language in ((LOCKING_SHIFT, shifts.locking), (SINGLE_SHIFT, shifts.single))
        if language
    )
    single, part = gsm0338.GSM_SINGLE, gsm0338.GSM_PART
    if elements:
        single = _septets_left(1 + len(elements))
        part = _septets_left(_CONCATENATION_HEADER + len(elements))
    write = gsm0338.pack if alphabet == "gsm7-packed" else lambda units, _: units
    return _Written(0, septets, single, part, _leads_escape, write, elements)


def _septets_left(header_length: int) -> int:
    return (8 * (_OCTETS_SINGLE - header_length)) // 7


def _leads_escape(units: bytes, end: int) -> bool:
    return units[end - 1] == 0x1B


def _leads_utf8(units: bytes, end: int) -> bool:
    return units[end] & 0xC0 == 0x80  # the next octet belongs to the same character


def _leads_surrogate(units: bytes, end: int) -> bool:
    return 0xD8 <= units[end - 2] < 0xDC


def _leads_nothing(units: bytes, end: int) -> bool:
    return False


def _cut(written: _Written) -> list[bytes]:
    """The octets of each part; no character is cut in two. Text beyond 255 parts is left out."""
    units, start = written.units, 0
    if len(units) <= written.single:
        return [units]
    pieces: list[bytes] = []
    step = 2 if written.data_coding == UCS2 else 1
    while start < len(units) and len(pieces) < _MOST_PARTS:
        end = start + written.part
        while end < len(units) and written.leads(units, end):
            end -= step
        pieces.append(units[start:end])
        start = end
    return pieces
