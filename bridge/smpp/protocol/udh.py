"""User data headers, and the part of a concatenated message that a PDU has, by UDH or SAR TLVs.

Decides where a user data header ends and what it means (3GPP TS 23.040 §9.2.3.24).
:mod:`bridge.relay.concatenation` gathers the parts.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from bridge.model.gsm0338 import NO_SHIFTS, Shifts
from bridge.smpp.protocol.pdu import Pdu
from bridge.smpp.protocol.tlvs import SAR_MSG_REF_NUM, SAR_SEGMENT_SEQNUM, SAR_TOTAL_SEGMENTS

#: The bit of esm_class for a text that begins with a user data header (SMPP 3.4 §5.2.12).
ESM_CLASS_UDHI: Final = 0b0100_0000

#: Information element identifiers, and the length of their data in octets.
CONCATENATED_8: Final = 0x00
PORTS_8: Final = 0x04
PORTS_16: Final = 0x05
CONCATENATED_16: Final = 0x08
SINGLE_SHIFT: Final = 0x24
LOCKING_SHIFT: Final = 0x25
#: (U)SIM toolkit security headers: commands for the SIM. Such an element is empty (3GPP TS 31.115
#: §4.2).
SIM_SECURITY: Final = range(0x70, 0x80)

_LENGTHS: Final = {
    CONCATENATED_8: 3,
    PORTS_8: 2,
    PORTS_16: 4,
    CONCATENATED_16: 4,
    SINGLE_SHIFT: 1,
    LOCKING_SHIFT: 1,
}


class Concatenation(NamedTuple):
    """One segment: the reference of its message, and its number (1 to ``total``)."""

    reference: int
    total: int
    number: int


class UserDataHeader(NamedTuple):
    """A user data header. ``length`` counts all of its octets, including the length octet.

    ``shifts`` are the national language tables of the text; ``for_sim``: there is no text, but a
    command for the SIM.
    """

    length: int = 0
    part: Concatenation | None = None
    has_ports: bool = False
    shifts: Shifts = NO_SHIFTS
    for_sim: bool = False


def read_header(user_data: bytes) -> UserDataHeader:
    """Reads the user data header; raises ValueError for a broken one.

    Unknown elements are skipped; of a repeated one the last counts (3GPP TS 23.040 §9.2.3.24). A
    part number of 0 or above the total is ignored.
    """
    if not user_data or user_data[0] >= len(user_data):
        raise ValueError("the user data header is longer than the message")
    end = 1 + user_data[0]
    position = 1
    part, has_ports, shifts, for_sim = None, False, NO_SHIFTS, False
    while position < end:
        if position + 2 > end or position + 2 + user_data[position + 1] > end:
            raise ValueError("the user data header is cut off within an element")
        identifier, length = user_data[position], user_data[position + 1]
        data = user_data[position + 2 : position + 2 + length]
        position += 2 + length
        if length != _LENGTHS.get(identifier, length):
            raise ValueError(f"element 0x{identifier:02X} of {length} octets")
        if identifier in (CONCATENATED_8, CONCATENATED_16):
            part = _part(int.from_bytes(data[:-2], "big"), data[-2], data[-1]) or part
        elif identifier in (PORTS_8, PORTS_16):
            has_ports = True
        elif identifier == SINGLE_SHIFT:
            shifts = shifts._replace(single=data[0])
        elif identifier == LOCKING_SHIFT:
            shifts = shifts._replace(locking=data[0])
        elif identifier in SIM_SECURITY and not length:
            for_sim = True
    return UserDataHeader(end, part, has_ports, shifts, for_sim)


def sar_part(pdu: Pdu) -> Concatenation | None:
    """The part by the SAR TLVs. They are ignored unless all three are there
    (SMPP 3.4 §5.3.2.22 to §5.3.2.24)."""
    reference = pdu.tlv(SAR_MSG_REF_NUM)
    if reference is None:
        return None
    total = pdu.tlv(SAR_TOTAL_SEGMENTS)
    number = pdu.tlv(SAR_SEGMENT_SEQNUM)
    if total is None or number is None:
        return None
    return _part(int.from_bytes(reference, "big"), total[0], number[0])


def _part(reference: int, total: int, number: int) -> Concatenation | None:
    return Concatenation(reference, total, number) if 1 <= number <= total else None
