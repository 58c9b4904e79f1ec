"""Reads and writes the TLVs of a PDU (SMPP 3.4 §5.3).

:mod:`bridge.smpp.protocol.tlvs` has the table of known TLVs; unknown and repeated ones are kept as
they are. Reading is strict first. Only if that fails, uncounted NULs are skipped: before the TLVs
(some clients end a short_message with a NUL) and at the end of the PDU. Behind the body of a
command that reads no TLV, any octets are skipped.
"""

from __future__ import annotations

from itertools import product
from struct import Struct
from typing import Final

from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import PduError, Tlv
from bridge.smpp.protocol.tlvs import READ, TlvRule

_TLV: Final = Struct(">HH")

#: Numbers of uncounted NULs to skip before the TLVs and at the end, the likely ones first. Four
#: NULs read as an empty TLV with tag 0, so that there are never more than three.
_STRAY_NULS: Final = (
    *((before, 0) for before in range(1, 4)),
    *((0, behind) for behind in range(1, 4)),
    *product(range(1, 4), repeat=2),
)

#: A command that reads no TLV.
_READS_NONE: Final[dict[int, tuple[str, TlvRule]]] = {}


def decode_tlvs(command: str, frame: bytes, position: int) -> tuple[Tlv, ...]:
    """All TLVs from ``position`` to the end of the PDU, in their order.

    Raises PduError for a TLV that ends after the PDU, or whose value its rule does not allow.
    """
    try:
        return _walk_tlvs(command, frame, position)
    except PduError as error:
        if error.status is not CommandStatus.ESME_RINVOPTPARSTREAM:
            raise
        if command not in READ:
            return ()
        strict = error
    before_most, behind_most = _nuls(frame[position : position + 3]), _nuls(frame[:-4:-1])
    for before, behind in _STRAY_NULS:
        start, end = position + before, len(frame) - behind
        if before > before_most or behind > behind_most or start > end:
            continue
        try:
            return _walk_tlvs(command, frame[:end], start)
        except PduError as error:
            if error.status is not CommandStatus.ESME_RINVOPTPARSTREAM:
                raise
    raise strict


def _nuls(octets: bytes) -> int:
    """The number of NULs at the beginning."""
    return len(octets) - len(octets.lstrip(b"\0"))


def _walk_tlvs(command: str, frame: bytes, position: int) -> tuple[Tlv, ...]:
    found: list[Tlv] = []
    end = len(frame)
    read = READ.get(command, _READS_NONE)
    while position < end:
        if position + 4 > end:
            raise PduError(
                CommandStatus.ESME_RINVOPTPARSTREAM, "the PDU ends within a TLV's header"
            )
        tag, length = _TLV.unpack_from(frame, position)
        position += 4
        if position + length > end:
            raise PduError(
                CommandStatus.ESME_RINVOPTPARSTREAM, f"TLV 0x{tag:04X} ends after the PDU"
            )
        value = frame[position : position + length]
        position += length
        rule = read.get(tag)
        if rule is not None:
            _check_tlv(rule, value)
        found.append(Tlv(tag, value))
    return tuple(found)


def _check_tlv(named: tuple[str, TlvRule], value: bytes) -> None:
    name, (_, _, shortest, longest, values) = named
    if not shortest <= len(value) <= longest:
        raise PduError(CommandStatus.ESME_RINVPARLEN, f"{name} of {len(value)} octets")
    if values is not None and int.from_bytes(value, "big") not in values:
        raise PduError(CommandStatus.ESME_RINVOPTPARAMVAL, f"{name} {int.from_bytes(value, 'big')}")


def encode_tlv(tag: int, value: bytes) -> bytes:
    """The octets of a TLV. Raises ValueError if the value is too long for its length field."""
    if len(value) > 0xFFFF:
        raise ValueError(f"TLV 0x{tag:04X} of {len(value)} octets")
    return _TLV.pack(tag, len(value)) + value
