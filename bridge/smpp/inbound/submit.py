"""submit_sm, submit_multi, data_sm → Submission: the meaning of each field.

Also decides the stored content of a part of a concatenated message, and joins the parts to one
Submission. The relay decides whether the account may send it, to whom and when.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple, TypeVar

from bridge.model.failure import Failure, Reason
from bridge.model.message import MessageType, Protocol, Receipts, Recipient, Route, Submission
from bridge.relay.concatenation import Segment
from bridge.smpp.protocol.codec import decode, encode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.data_coding import (
    Encoded,
    decode_part,
    decode_parts,
    decode_text,
    described,
)
from bridge.smpp.protocol.pdu import (
    DataSm,
    DistributionList,
    Pdu,
    PduError,
    SmeAddress,
    SubmitMulti,
    SubmitSm,
    Tlv,
)
from bridge.smpp.protocol.times import is_no_time, parse_time
from bridge.smpp.protocol.tlvs import (
    CASCADE_FALLBACK,
    CASCADE_REFERENCE,
    CASCADE_ROUTE,
    CASCADE_SURVEY_OPTION,
    CASCADE_TYPE,
    DESTINATION_PORT,
    ITS_SESSION_INFO,
    MESSAGE_PAYLOAD,
    QOS_TIME_TO_LIVE,
    SOURCE_PORT,
    USER_MESSAGE_REFERENCE,
    USSD_SERVICE_OP,
)
from bridge.smpp.protocol.udh import ESM_CLASS_UDHI, Concatenation, read_header, sar_part
from bridge.smpp.protocol.versions import VERSION_50

TON_INTERNATIONAL: Final = 1

ESM_CLASS_MESSAGE_TYPE: Final = 0b0011_1100
#: Default, and the two acknowledgements that a client may send (SMPP 3.4 §5.2.12).
MESSAGE_TYPES: Final = frozenset({0x00, 0x08, 0x10})

#: ``service_type`` → type. All others (CMT, WAP …) are ignored.
SERVICE_TYPES: Final[dict[bytes, MessageType]] = {
    b"TRANS": MessageType.TRANSACTION,
    b"PROMO": MessageType.PROMO,
    b"SURVY": MessageType.VIBER_SURVEY,
    b"FLASH": MessageType.FLASHCALL,
}

#: ``service_type`` of data that is not a text; a phone would show it as one.
NO_MESSAGES: Final[dict[bytes, str]] = {
    b"USSD": "USSD dialogues",
    b"OTA": "commands for the SIM (OTA)",
}
_PORTS: Final = frozenset({SOURCE_PORT, DESTINATION_PORT})
_NO_MESSAGE_TLVS: Final = {USSD_SERVICE_OP: b"USSD", ITS_SESSION_INFO: b"USSD"}
#: ``protocol_id`` of data for the phone's software or the SIM (3GPP TS 23.040 §9.2.3.9).
FOR_THE_SIM: Final = frozenset(range(0x7C, 0x80))

#: Values of vendor TLV 0x1500: a service type or the name of a type in Cascade.
_TYPES: Final = {name.decode(): kind for name, kind in SERVICE_TYPES.items()} | {
    kind.value: kind for kind in MessageType
}
_ROUTES: Final = {route.value: route for route in Route}

#: registered_delivery, bits 1-0 and 4 (SMPP 3.4 §5.2.17; 3, success only, is SMPP 5.0's).
_FINAL_RECEIPTS: Final = (
    Receipts.NONE,
    Receipts.SUCCESS | Receipts.FAILURE,
    Receipts.FAILURE,
    Receipts.SUCCESS,
)
RECEIPTS: Final = tuple(
    _FINAL_RECEIPTS[flags & 0b11] | (Receipts.INTERMEDIATE if flags & 0b1_0000 else Receipts.NONE)
    for flags in range(256)
)

#: Texts for number look-ups at SMSC, which Cascade does not offer. ASCII underscores sent as
#: GSM 03.38 become paragraph signs.
LOOK_UPS: Final = frozenset({"__HLR__", "__PING__", "§§HLR§§", "§§PING§§"})

_LARGEST_PRIORITY: Final = 3
_SMPP: Final = Protocol.SMPP  # A member of an Enum is slow to look up.

_Choice = TypeVar("_Choice")


class Origin(NamedTuple):
    """The properties of the session that a submit depends on."""

    peer: str
    default_alphabet: str = "gsm7"


def submission_from(pdu: Pdu, origin: Origin, now: float) -> Submission | Segment:
    """Reads a submit_sm, submit_multi or data_sm: a Submission, or one part of one.

    ``now`` is Unix time. Raises Failure for reasons in the table of failures, PduError for those
    that only SMPP has.
    """
    submit = _as_submit(pdu)
    encoded, part = _user_data(pdu, submit, origin.default_alphabet)
    if part is None or part.total == 1:
        return _submission(pdu, submit, encoded, decode_text(encoded), origin.peer, now)
    submission = _submission(pdu, submit, encoded, decode_part(encoded), origin.peer, now)
    # A repeated part has another sequence number.
    content = origin.default_alphabet.encode() + b"\0" + encode(pdu._replace(sequence_number=0))
    return Segment(part.reference, part.total, part.number, submission, content)


def joined(peer: str, now: float, contents: Sequence[bytes]) -> Submission:
    """The Submission of all parts of a message, from the contents of their Segments in order.

    All fields but the text are those of the first part. Raises Failure.
    """
    texts = []
    for content in contents:
        alphabet, _, frame = content.partition(b"\0")
        pdu = decode(frame, VERSION_50)  # with the larger bounds
        texts.append(_user_data(pdu, _as_submit(pdu), alphabet.decode())[0])
    first = decode(contents[0].partition(b"\0")[2], VERSION_50)
    return _submission(first, _as_submit(first), texts[0], decode_parts(texts), peer, now)


def _as_submit(pdu: Pdu) -> SubmitSm:
    """The fields of any submitting command, under their names in submit_sm."""
    body = pdu.body
    if isinstance(body, SubmitSm):
        return body
    if isinstance(body, DataSm):
        receipts, data_coding = body.registered_delivery, body.data_coding
        return SubmitSm(*body[:8], registered_delivery=receipts, data_coding=data_coding)
    assert isinstance(body, SubmitMulti)
    return SubmitSm._make((*body[:4], 0, 0, b"", *body[5:]))


def _submission(
    pdu: Pdu, submit: SubmitSm, encoded: Encoded, text: str, peer: str, now: float
) -> Submission:
    if submit.sm_default_msg_id and not text:
        raise PduError(CommandStatus.ESME_RINVDFTMSGID, "there are no predefined messages")
    if "\0" in text:
        text = text.replace("\0", "")  # invisible; some clients end their texts with it
    if text in LOOK_UPS:
        raise Failure(Reason.BAD_PARAMETER, "number look-ups (HLR, ping) are not supported")
    service_type = submit.service_type.upper().rstrip(b" ")
    if service_type in NO_MESSAGES:
        raise _no_message(service_type)
    vendor = _vendor(pdu.tlvs) if pdu.tlvs else _NOTHING
    message_type, options, fallback, route, reference, ttl = vendor
    scheduled_at = None
    if submit.validity_period and not is_no_time(submit.validity_period):
        ttl = ttl_from(submit.validity_period, now)
    if submit.schedule_delivery_time:
        scheduled_at = schedule_from(submit.schedule_delivery_time, now)
    if isinstance(pdu.body, SubmitMulti):
        recipients = tuple(map(recipient_from, pdu.body.dest_address))
    else:
        address = address_from(submit.dest_addr_ton, submit.destination_addr)
        recipients = (Recipient.__new__(Recipient, address),)
    return Submission.__new__(
        Submission,
        _SMPP,
        recipients,
        text,
        peer,
        sender_from(submit.source_addr),
        message_type or SERVICE_TYPES.get(service_type),
        options,
        fallback,
        route,
        ttl,
        scheduled_at,
        submit.priority_flag and min(submit.priority_flag, _LARGEST_PRIORITY),
        RECEIPTS[submit.registered_delivery],
        reference,
        replace_if_present=submit.replace_if_present_flag == 1,
        reading=described(encoded.data_coding, encoded.default_alphabet),
    )


def recipient_from(destination: SmeAddress | DistributionList) -> Recipient:
    """A dest_address of submit_multi; a distribution list is a group, by name or number."""
    if isinstance(destination, DistributionList):
        name = word(destination.dl_name).strip(" ")
        return Recipient("g" + name if name.isdecimal() else name)
    if not destination.destination_addr:
        return Recipient("")  # a wrong number; the other destinations may be right
    return Recipient(address_from(destination.dest_addr_ton, destination.destination_addr))


def sender_from(source_addr: bytes) -> str:
    """``.`` and an empty field mean the default sender; some clients pad with blanks."""
    if not source_addr:
        return ""
    sender = word(source_addr).strip(" ")
    return "" if sender == "." else sender


def address_from(ton: int, address: bytes) -> str:
    """A destination in the form that the relay takes.

    Wrong TONs are common, so an international TON counts only for digits without a leading 0 (no
    country code begins with 0). Other addresses stay as written, to be read by the account's
    region.
    """
    if not address:
        raise Failure(Reason.WRONG_PHONE, "destination_addr is empty")
    text = word(address)
    if ton == TON_INTERNATIONAL and address.isdigit() and address[0] != 0x30:
        return "+" + text
    return text


def word(octets: bytes) -> str:
    """A name, an address or another short field: UTF-8 if valid, else Latin-1."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _user_data(
    pdu: Pdu, submit: SubmitSm, default_alphabet: str
) -> tuple[Encoded, Concatenation | None]:
    """The text in this PDU, and its place among the parts of a message, if it is one."""
    if submit.esm_class & ESM_CLASS_MESSAGE_TYPE not in MESSAGE_TYPES:
        raise PduError(
            CommandStatus.ESME_RINVESMCLASS,
            f"esm_class 0x{submit.esm_class:02X} is no message to a phone",
        )
    if submit.protocol_id in FOR_THE_SIM:
        raise _no_message(b"OTA")
    octets, part, has_ports = submit.short_message, None, False
    if pdu.tlvs:
        payload = pdu.tlv(MESSAGE_PAYLOAD)
        if payload:
            if octets:
                raise Failure(Reason.BAD_PARAMETER, "short_message and message_payload together")
            octets = payload
        part = sar_part(pdu)
        has_ports = any(tag in _PORTS for tag, _ in pdu.tlvs)
    if not submit.esm_class & ESM_CLASS_UDHI:
        encoded = Encoded.__new__(
            Encoded, submit.data_coding, octets, default_alphabet, 0, has_ports
        )
        return encoded, part
    try:
        header = read_header(octets)
    except ValueError as error:
        raise Failure(Reason.BAD_PARAMETER, str(error)) from None
    if header.for_sim:
        raise _no_message(b"OTA")
    encoded = Encoded(
        submit.data_coding,
        octets[header.length :],
        default_alphabet,
        header.length,
        has_ports or header.has_ports,
        header.shifts,
    )
    return encoded, header.part or part


def _no_message(service_type: bytes) -> PduError:
    detail = f"{NO_MESSAGES[service_type]} are not supported"
    return PduError(CommandStatus.ESME_RINVSERTYP, detail)


def ttl_from(validity_period: bytes, now: float) -> int:
    """Seconds from ``now``; raises Failure(BAD_VALIDITY)."""
    try:
        ttl = parse_time(validity_period, now) - int(now)
    except ValueError as error:
        raise Failure(Reason.BAD_VALIDITY, str(error)) from None
    if ttl <= 0:
        raise Failure(Reason.BAD_VALIDITY, "validity_period has passed already")
    return ttl


def schedule_from(schedule_delivery_time: bytes, now: float) -> int | None:
    """A Unix time, None for now; raises Failure(BAD_SCHEDULE)."""
    if is_no_time(schedule_delivery_time):
        return None
    try:
        due = parse_time(schedule_delivery_time, now)
    except ValueError as error:
        raise Failure(Reason.BAD_SCHEDULE, str(error)) from None
    return None if due == int(now) else due


class _Vendor(NamedTuple):
    """The values of the vendor TLVs."""

    message_type: MessageType | None = None
    options: tuple[str, ...] = ()
    fallback: str = ""
    route: Route | None = None
    reference: str = ""
    ttl: int | None = None


_NOTHING: Final = _Vendor()


def _vendor(tlvs: tuple[Tlv, ...]) -> _Vendor:
    message_type, route, fallback, reference, ttl = None, None, "", None, None
    options: list[str] = []
    number = ""
    for tag, value in tlvs:
        if tag == CASCADE_SURVEY_OPTION:
            options.append(_text(tag, value))
        elif tag == CASCADE_TYPE:
            message_type = _one_of(_TYPES, tag, value)
        elif tag == CASCADE_ROUTE:
            route = _one_of(_ROUTES, tag, value)
        elif tag == CASCADE_FALLBACK:
            fallback = _text(tag, value)
        elif tag == CASCADE_REFERENCE:
            reference = _text(tag, value)
        elif tag == USER_MESSAGE_REFERENCE:
            number = str(int.from_bytes(value, "big"))
        elif tag == QOS_TIME_TO_LIVE:
            ttl = int.from_bytes(value, "big")
        elif tag in _NO_MESSAGE_TLVS:
            raise _no_message(_NO_MESSAGE_TLVS[tag])
    return _Vendor(
        message_type,
        tuple(options),
        fallback,
        route,
        number if reference is None else reference,
        ttl,
    )


def _text(tag: int, value: bytes) -> str:
    """The text of a vendor TLV: UTF-8, with or without a NUL at its end."""
    try:
        return value.decode().replace("\0", "")
    except UnicodeDecodeError:
        raise Failure(Reason.BAD_PARAMETER, f"TLV 0x{tag:04X} is not UTF-8") from None


def _one_of(choices: dict[str, _Choice], tag: int, value: bytes) -> _Choice:
    word = _text(tag, value)
    choice = choices.get(word.upper()) or choices.get(word.lower())
    if choice is None:
        raise Failure(Reason.BAD_PARAMETER, f"TLV 0x{tag:04X} must be one of {', '.join(choices)}")
    return choice
