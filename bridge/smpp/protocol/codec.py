"""Decodes and encodes PDUs, strictly by the layouts and with all bounds checked.

:func:`decode` reads one PDU, :func:`encode` writes one. Input that is not valid raises
:class:`PduError` with the command_status for the answer, and nothing else.
:mod:`bridge.smpp.protocol.framing` cuts the stream into PDUs; the session decides which PDU may
come when, :mod:`bridge.smpp.protocol.tlv_codec` reads and writes the TLVs behind the body.
"""

from __future__ import annotations

import re
from struct import Struct
from typing import Any, Final, NamedTuple, NoReturn

from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.framing import HEADER
from bridge.smpp.protocol.layouts import (
    BODIES,
    COMMAND_IDS,
    COMMANDS,
    LAYOUTS,
    RESPONSE,
    TOO_LONG,
    FieldKind,
)
from bridge.smpp.protocol.pdu import (
    Body,
    DistributionList,
    Empty,
    MessageIdResp,
    Pdu,
    PduError,
    SmeAddress,
    SubmitSm,
    UnsuccessSme,
)
from bridge.smpp.protocol.tlv_codec import decode_tlvs, encode_tlv
from bridge.smpp.protocol.versions import VERSION_34, VERSION_50

_LENGTH: Final = Struct(">I")
# Members of an Enum are slow to look up in the inner loops.
_C_OCTET_STRING: Final = FieldKind.C_OCTET_STRING
_INTEGER: Final = FieldKind.INTEGER
_SHORT_MESSAGE: Final = FieldKind.SHORT_MESSAGE
_FORMATS: Final = {1: "B", 2: "H", 4: "I"}
_MESSAGE_ID_SIZE: Final = 65  # SMPP 3.4 §4.4.2, with its NUL


class _Step(NamedTuple):
    """A field to read, or a run of neighbouring integers read at once."""

    kind: FieldKind
    name: str
    size: int
    integers: Struct


def _steps(command: str, interface_version: int) -> tuple[_Step, ...]:
    steps: list[_Step] = []
    formats = ""
    for field in LAYOUTS[command]:
        if field.kind is not FieldKind.INTEGER:
            formats = ""
            size = field.size_50 if interface_version >= VERSION_50 else field.size
            steps.append(_Step(field.kind, field.name, size, Struct("")))
            continue
        if formats:
            steps.pop()
        formats += _FORMATS[field.size]
        integers = Struct(">" + formats)
        steps.append(_Step(FieldKind.INTEGER, field.name, integers.size, integers))
    return tuple(steps)


_Steps = dict[str, tuple[_Step, ...]]
_STEPS_34: Final[_Steps] = {command: _steps(command, VERSION_34) for command in COMMAND_IDS}
_STEPS_50: Final[_Steps] = {command: _steps(command, VERSION_50) for command in COMMAND_IDS}

#: The whole body of submit_sm and deliver_sm up to sm_length. What does not match is read step by
#: step, which finds the mistake.
_SUBMIT_SM: Final = re.compile(
    rb"([^\0]{0,5})\0(..)([^\0]{0,20})\0(..)([^\0]{0,20})\0(...)([^\0]{0,16})\0([^\0]{0,16})\0"
    rb"(....)([\0-\xfe])",
    re.DOTALL,
).match

_EMPTY: Final = Empty()

#: Responses whose body some clients leave out despite success (its field is unused).
_BODY_MAY_MISS: Final = frozenset({"deliver_sm_resp"})


def decode(frame: bytes, interface_version: int = VERSION_34) -> Pdu:
    """One PDU from its octets, as :meth:`bridge.smpp.protocol.framing.Framer.next` gives them.

    From SMPP 5.0 on a short_message and a list of destinations may be one longer. Raises PduError
    with the status for the response, and with the command unless it is unknown.
    """
    if len(frame) < HEADER.size:
        raise PduError(CommandStatus.ESME_RINVCMDLEN, f"{len(frame)} octets are no header")
    length, command_id, status, sequence = HEADER.unpack_from(frame)
    command = COMMANDS.get(command_id)
    if command is None:
        raise PduError(
            CommandStatus.ESME_RINVCMDID, f"command_id 0x{command_id:08X}", sequence_number=sequence
        )
    steps = (_STEPS_50 if interface_version >= VERSION_50 else _STEPS_34)[command]
    try:
        if length != len(frame):
            raise PduError(
                CommandStatus.ESME_RINVCMDLEN, f"command_length {length}, not {len(frame)}"
            )
        if length == HEADER.size:
            if not steps:
                return Pdu(command, sequence, _EMPTY, (), status)
            if command_id & RESPONSE and (status or command in _BODY_MAY_MISS):
                return Pdu(command, sequence, None, (), status)
        body, position = _decode_body(command, steps, frame)
        tlvs = decode_tlvs(command, frame, position) if position < length else ()
    except PduError as error:
        error.command, error.sequence_number = command, sequence
        raise
    return Pdu.__new__(Pdu, command, sequence, body, tlvs, status)


def _submit_sm(frame: bytes) -> tuple[SubmitSm, int] | None:
    """As :func:`_decode_body`, in half the time; None if the steps must tell what is wrong."""
    found = _SUBMIT_SM(frame, HEADER.size)
    if found is None:
        return None
    (
        service_type,
        (source_addr_ton, source_addr_npi),
        source_addr,
        (dest_addr_ton, dest_addr_npi),
        destination_addr,
        (esm_class, protocol_id, priority_flag),
        schedule_delivery_time,
        validity_period,
        (registered_delivery, replace_if_present_flag, data_coding, sm_default_msg_id),
        (sm_length,),
    ) = found.groups()
    start = found.end()
    end = start + sm_length
    if end > len(frame):
        return None
    return SubmitSm.__new__(
        SubmitSm,
        service_type,
        source_addr_ton,
        source_addr_npi,
        source_addr,
        dest_addr_ton,
        dest_addr_npi,
        destination_addr,
        esm_class,
        protocol_id,
        priority_flag,
        schedule_delivery_time,
        validity_period,
        registered_delivery,
        replace_if_present_flag,
        data_coding,
        sm_default_msg_id,
        frame[start:end],
    ), end


def _decode_body(command: str, steps: tuple[_Step, ...], frame: bytes) -> tuple[Body, int]:
    """The mandatory fields and where they end."""
    if BODIES[command] is SubmitSm and (read := _submit_sm(frame)):
        return read
    values: list[Any] = []
    position, end = HEADER.size, len(frame)
    find = frame.find
    for kind, name, size, integers in steps:
        if kind is _C_OCTET_STRING:
            nul = find(0, position, position + size)
            if nul < 0:
                _no_nul(name, position + size <= end)
            values.append(frame[position:nul])
            position = nul + 1
        elif kind is _INTEGER:
            if position + size > end:
                _cut_short(name)
            values += integers.unpack_from(frame, position)
            position += size
        elif kind is _SHORT_MESSAGE:
            if position >= end:
                _cut_short("sm_length")
            length = frame[position]
            position += 1
            if length > size or position + length > end:
                raise PduError(CommandStatus.ESME_RINVMSGLEN, f"sm_length {length}")
            values.append(frame[position : position + length])
            position += length
        elif kind is FieldKind.DEST_ADDRESS:
            addresses, position = _decode_destinations(frame, position, size)
            values.append(addresses)
        else:
            refused, position = _decode_unsuccess(frame, position)
            values.append(refused)
    body: Body = BODIES[command]._make(values)
    return body, position


def _cut_short(name: str) -> NoReturn:
    raise PduError(CommandStatus.ESME_RINVCMDLEN, f"the PDU ends before {name}")


def _no_nul(name: str, too_long: bool) -> NoReturn:
    if not too_long:
        raise PduError(CommandStatus.ESME_RINVCMDLEN, f"the PDU ends within {name}")
    raise PduError(TOO_LONG.get(name, CommandStatus.ESME_RINVCMDLEN), f"{name} is too long")


def _c_octet_string(frame: bytes, position: int, size: int, name: str) -> tuple[bytes, int]:
    nul = frame.find(0, position, position + size)
    if nul < 0:
        _no_nul(name, position + size <= len(frame))
    return frame[position:nul], nul + 1


def _octets(frame: bytes, position: int, count: int, name: str) -> bytes:
    if position + count > len(frame):
        _cut_short(name)
    return frame[position : position + count]


def _decode_destinations(
    frame: bytes, position: int, most: int
) -> tuple[tuple[SmeAddress | DistributionList, ...], int]:
    """The dest_address(es) of submit_multi (SMPP 3.4 §4.5.1.1)."""
    (number,) = _octets(frame, position, 1, "number_of_dests")
    position += 1
    if not 1 <= number <= most:
        raise PduError(CommandStatus.ESME_RINVNUMDESTS, f"number_of_dests {number}")
    found: list[SmeAddress | DistributionList] = []
    for _ in range(number):
        (flag,) = _octets(frame, position, 1, "dest_flag")
        position += 1
        if flag == 1:
            ton, npi = _octets(frame, position, 2, "dest_addr_ton")
            address, position = _c_octet_string(frame, position + 2, 21, "destination_addr")
            found.append(SmeAddress(ton, npi, address))
        elif flag == 2:
            dl_name, position = _c_octet_string(frame, position, 21, "dl_name")
            found.append(DistributionList(dl_name))
        else:
            raise PduError(CommandStatus.ESME_RINVDESTFLAG, f"dest_flag {flag}")
    return tuple(found), position


def _decode_unsuccess(frame: bytes, position: int) -> tuple[tuple[UnsuccessSme, ...], int]:
    """The unsuccess_sme(s) of submit_multi_resp (SMPP 3.4 §4.5.2.1)."""
    (number,) = _octets(frame, position, 1, "no_unsuccess")
    position += 1
    found = []
    for _ in range(number):
        ton, npi = _octets(frame, position, 2, "dest_addr_ton")
        address, position = _c_octet_string(frame, position + 2, 21, "destination_addr")
        (status,) = _LENGTH.unpack(_octets(frame, position, 4, "error_status_code"))
        position += 4
        found.append(UnsuccessSme(ton, npi, address, status))
    return tuple(found), position


def encode(pdu: Pdu) -> bytes:
    """The octets of a PDU. A body of None stands for its fields at zero and empty.

    A response with an error status and a body of None has no body, unless TLVs follow;
    :func:`bridge.smpp.protocol.versions.failed_body` decides which responses may omit it. Raises
    ValueError for a value that its field cannot hold: a mistake of the caller.
    """
    command, sequence, body, tlvs, status = pdu
    octets = b""
    if isinstance(body, MessageIdResp):  # Runs for every message.
        octets = _nul_terminated("message_id", body.message_id, _MESSAGE_ID_SIZE)
    elif not (status and body is None and not tlvs):
        octets = _encode_body(command, BODIES[command]() if body is None else body)
    if tlvs:
        octets += b"".join([encode_tlv(tag, value) for tag, value in tlvs])
    return HEADER.pack(16 + len(octets), COMMAND_IDS[command], status, sequence) + octets


def _encode_body(command: str, body: Body) -> bytes:
    octets = bytearray()
    values: tuple[Any, ...] = body
    for (name, kind, _, size), value in zip(LAYOUTS[command], values, strict=True):
        if kind is _C_OCTET_STRING:
            octets += _nul_terminated(name, value, size)
        elif kind is _INTEGER:
            if not 0 <= value < 1 << 8 * size:
                raise ValueError(f"{name} {value}")
            octets += value.to_bytes(size, "big")
        elif kind is _SHORT_MESSAGE:
            if len(value) > size:
                raise ValueError(f"{name} of {len(value)} octets")
            octets.append(len(value))
            octets += value
        else:
            if len(value) > size:
                raise ValueError(f"{len(value)} destinations")
            octets.append(len(value))
            for entry in value:
                octets += _encode_destination(entry)
    return bytes(octets)


def _nul_terminated(name: str, value: bytes, size: int) -> bytes:
    if len(value) >= size or 0 in value:
        raise ValueError(f"{name} {value!r}")
    return value + b"\0"


def _encode_destination(entry: SmeAddress | DistributionList | UnsuccessSme) -> bytes:
    if isinstance(entry, DistributionList):
        return b"\x02" + _nul_terminated("dl_name", entry.dl_name, 21)
    address = bytes((entry.dest_addr_ton, entry.dest_addr_npi)) + _nul_terminated(
        "destination_addr", entry.destination_addr, 21
    )
    if isinstance(entry, SmeAddress):
        return b"\x01" + address
    return address + _LENGTH.pack(entry.error_status_code)
