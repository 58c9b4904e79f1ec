"""submit_sm → Submission: the one place that knows what each of its fields means to the bridge.

Whether the account may send it, to whom and when, is decided by the relay.
"""

from __future__ import annotations

from typing import Final, NamedTuple, TypeVar

from bridge.failure import Failure, Reason
from bridge.message import MessageType, Protocol, Receipts, Recipient, Route, Submission
from bridge.smpp.data_coding import decode_text
from bridge.smpp.layouts import (
    CASCADE_FALLBACK,
    CASCADE_REFERENCE,
    CASCADE_ROUTE,
    CASCADE_SURVEY_OPTION,
    CASCADE_TYPE,
    MESSAGE_PAYLOAD,
    USER_MESSAGE_REFERENCE,
)
from bridge.smpp.parts import NO_HEADER, Part, read_header, sar_part
from bridge.smpp.pdu import Pdu, PduError, SubmitSm, Tlv
from bridge.smpp.status import Status
from bridge.smpp.times import parse_time

TON_INTERNATIONAL: Final = 1

ESM_CLASS_MESSAGE_TYPE: Final = 0b0011_1100
ESM_CLASS_UDHI: Final = 0b0100_0000

#: ``service_type`` → type. Any other one (CMT, WAP …) says nothing to the bridge.
SERVICE_TYPES: Final[dict[bytes, MessageType]] = {
    b"TRANS": MessageType.TRANSACTION,
    b"PROMO": MessageType.PROMO,
    b"SURVY": MessageType.VIBER_SURVEY,
    b"FLASH": MessageType.FLASHCALL,
}

#: What vendor TLV 0x1500 may hold: a service type or Cascade's own word.
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

#: Texts that ask SMSC for a number look-up; Cascade has nothing for them. Who writes ASCII where
#: GSM 03.38 is meant sends paragraph signs for underscores.
LOOK_UPS: Final = frozenset({"__HLR__", "__PING__", "§§HLR§§", "§§PING§§"})

_LARGEST_PRIORITY: Final = 3

_Choice = TypeVar("_Choice")


class Origin(NamedTuple):
    """What of the session a submit depends on."""

    peer: str
    default_alphabet: str = "gsm7"


def submission_from(pdu: Pdu, origin: Origin, now: float) -> Submission:
    """The Submission that a submit_sm asks for; ``now`` is the Unix time.

    Raises Failure for what the table of failures names, PduError for what only SMPP knows.
    """
    submit = pdu.body
    assert isinstance(submit, SubmitSm)
    text, part = _user_data(pdu, submit, origin.default_alphabet)
    if part is not None and part.total > 1:
        # Parts will be gathered here: one that leaves its message incomplete has no Submission.
        raise Failure(Reason.BAD_PARAMETER, "concatenated parts are not supported yet")
    if submit.sm_default_msg_id and not text:
        raise PduError(Status.ESME_RINVDFTMSGID, "there are no predefined messages")
    if text in LOOK_UPS:
        raise Failure(Reason.BAD_PARAMETER, "number look-ups (HLR, ping) are not supported")
    vendor = _vendor(pdu.tlvs) if pdu.tlvs else _NOTHING
    ttl, scheduled_at = None, None
    if submit.validity_period:
        ttl = _ttl(submit.validity_period, now)
    if submit.schedule_delivery_time:
        scheduled_at = _schedule(submit.schedule_delivery_time, now)
    return Submission(
        protocol=Protocol.SMPP,
        recipients=(Recipient(address_from(submit.dest_addr_ton, submit.destination_addr)),),
        text=text,
        peer=origin.peer,
        sender="" if submit.source_addr == b"." else word(submit.source_addr),
        message_type=vendor.message_type or SERVICE_TYPES.get(submit.service_type.upper()),
        options=vendor.options,
        fallback=vendor.fallback,
        route=vendor.route,
        ttl=ttl,
        scheduled_at=scheduled_at,
        priority=min(submit.priority_flag, _LARGEST_PRIORITY),
        receipts=RECEIPTS[submit.registered_delivery],
        reference=vendor.reference,
    )


def address_from(ton: int, address: bytes) -> str:
    """A destination as the relay takes it.

    Odd TON are common, so an international one is only believed of digits that can be: no country
    code begins with 0. Everything else stays as written, for the account's region to read.
    """
    if not address:
        raise Failure(Reason.WRONG_PHONE, "destination_addr is empty")
    text = word(address)
    if ton == TON_INTERNATIONAL and address.isdigit() and address[0] != 0x30:
        return "+" + text
    return text


def word(octets: bytes) -> str:
    """A name, an address or another short field: UTF-8 as most write it, else Latin-1."""
    try:
        return octets.decode()
    except UnicodeDecodeError:
        return octets.decode("latin-1")


def _user_data(pdu: Pdu, submit: SubmitSm, default_alphabet: str) -> tuple[str, Part | None]:
    """The text of this PDU, and which part it is if it is one of several."""
    if submit.esm_class & ESM_CLASS_MESSAGE_TYPE:
        raise PduError(
            Status.ESME_RINVESMCLASS, f"esm_class 0x{submit.esm_class:02X} is no message to a phone"
        )
    octets, part = submit.short_message, None
    if pdu.tlvs:
        payload = pdu.tlv(MESSAGE_PAYLOAD)
        if payload:
            if octets:
                raise Failure(Reason.BAD_PARAMETER, "short_message and message_payload together")
            octets = payload
        part = sar_part(pdu)
    header = NO_HEADER
    if submit.esm_class & ESM_CLASS_UDHI:
        try:
            header = read_header(octets)
        except ValueError as error:
            raise Failure(Reason.BAD_PARAMETER, str(error)) from None
        octets = octets[header.length :]
        part = header.part or part
    text = decode_text(
        submit.data_coding,
        octets,
        default_alphabet=default_alphabet,
        header_length=header.length,
        has_ports=header.has_ports,
    )
    return text, part


def _ttl(validity_period: bytes, now: float) -> int:
    try:
        ttl = parse_time(validity_period, now) - int(now)
    except ValueError as error:
        raise Failure(Reason.BAD_VALIDITY, str(error)) from None
    if ttl <= 0:
        raise Failure(Reason.BAD_VALIDITY, "validity_period is over already")
    return ttl


def _schedule(schedule_delivery_time: bytes, now: float) -> int | None:
    try:
        due = parse_time(schedule_delivery_time, now)
    except ValueError as error:
        raise Failure(Reason.BAD_SCHEDULE, str(error)) from None
    return None if due == int(now) else due  # a relative time of nothing means at once


class _Vendor(NamedTuple):
    """What the TLVs say that fields of the PDU do not."""

    message_type: MessageType | None = None
    options: tuple[str, ...] = ()
    fallback: str = ""
    route: Route | None = None
    reference: str = ""


_NOTHING: Final = _Vendor()


def _vendor(tlvs: tuple[Tlv, ...]) -> _Vendor:
    message_type, route, fallback, reference = None, None, "", None
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
    return _Vendor(
        message_type,
        tuple(options),
        fallback,
        route,
        number if reference is None else reference,
    )


def _text(tag: int, value: bytes) -> str:
    """The text of a vendor TLV: UTF-8, with or without a NUL at its end."""
    try:
        return value.removesuffix(b"\0").decode()
    except UnicodeDecodeError:
        raise Failure(Reason.BAD_PARAMETER, f"TLV 0x{tag:04X} is not UTF-8") from None


def _one_of(choices: dict[str, _Choice], tag: int, value: bytes) -> _Choice:
    word = _text(tag, value)
    choice = choices.get(word.upper()) or choices.get(word.lower())
    if choice is None:
        raise Failure(Reason.BAD_PARAMETER, f"TLV 0x{tag:04X} must be one of {', '.join(choices)}")
    return choice
