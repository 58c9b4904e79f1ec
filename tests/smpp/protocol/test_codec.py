"""PDUs: encoded, decoded, refused with the right status, and compared with smpplib."""

from __future__ import annotations

import struct
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from smpplib import smpp as smpplib_smpp

from bridge.smpp.protocol import pdu as pdus
from bridge.smpp.protocol.codec import decode, encode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.layouts import (
    BODIES,
    COMMAND_IDS,
    COMMANDS,
    LAYOUTS,
    RESPONSE,
    TOO_LONG,
    FieldKind,
    Layout,
)
from bridge.smpp.protocol.pdu import (
    Bind,
    BindResp,
    DataSm,
    DistributionList,
    Empty,
    MessageIdResp,
    Pdu,
    PduError,
    SmeAddress,
    SubmitMulti,
    SubmitSm,
    Tlv,
    UnsuccessSme,
)
from bridge.smpp.protocol.tlvs import TLVS, TlvKind

RULES = {rule.tag: rule for rule in TLVS.values()}


SUBMIT = SubmitSm(
    service_type=b"CMT",
    source_addr_ton=5,
    source_addr=b"Shop",
    dest_addr_ton=1,
    dest_addr_npi=1,
    destination_addr=b"380501234567",
    registered_delivery=1,
    data_coding=8,
    short_message="Привіт".encode("utf-16-be"),
)


def raw(command: str, body: bytes = b"", *, status: int = 0, sequence: int = 1) -> bytes:
    """A PDU written without our own encoder."""
    return struct.pack(">IIII", 16 + len(body), COMMAND_IDS[command], status, sequence) + body


def refused(frame: bytes) -> PduError:
    with pytest.raises(PduError) as caught:
        decode(frame)
    return caught.value


# --- strategies ------------------------------------------------------------------------------


def c_octets(size: int) -> st.SearchStrategy[bytes]:
    return st.lists(st.integers(1, 255), max_size=size - 1).map(bytes)


octet = st.integers(0, 255)
address = c_octets(21)
destinations: st.SearchStrategy[Any] = st.lists(
    st.builds(SmeAddress, octet, octet, address) | st.builds(DistributionList, address),
    min_size=1,
    max_size=6,
).map(tuple)
refusals: st.SearchStrategy[Any] = st.lists(
    st.builds(UnsuccessSme, octet, octet, address, st.integers(0, 0xFFFF_FFFF)), max_size=6
).map(tuple)


def field_values(field: Layout) -> st.SearchStrategy[Any]:
    if field.kind is FieldKind.INTEGER:
        return st.integers(0, 256**field.size - 1)
    if field.kind is FieldKind.C_OCTET_STRING:
        return c_octets(field.size)
    if field.kind is FieldKind.SHORT_MESSAGE:
        return st.binary(max_size=field.size)
    return destinations if field.kind is FieldKind.DEST_ADDRESS else refusals


def known_tlv(tag: int) -> st.SearchStrategy[Tlv]:
    rule = RULES[tag]
    if rule.values is not None:
        values: st.SearchStrategy[bytes] = st.sampled_from(rule.values).map(
            lambda value: value.to_bytes(rule.shortest, "big")
        )
    elif rule.kind is TlvKind.C_OCTET_STRING:
        values = st.lists(
            st.integers(1, 255), min_size=rule.shortest, max_size=rule.longest - 1
        ).map(lambda value: bytes(value) + b"\0")
    else:
        values = st.binary(min_size=rule.shortest, max_size=min(rule.longest, 300))
    return st.builds(Tlv, st.just(tag), values)


unknown_tlv = st.builds(
    Tlv, st.integers(0, 0xFFFF).filter(lambda tag: tag not in RULES), st.binary(max_size=40)
)
tlvs = st.lists(st.sampled_from(sorted(RULES)).flatmap(known_tlv) | unknown_tlv, max_size=4).map(
    tuple
)


@st.composite
def any_pdu(draw: st.DrawFn) -> Pdu:
    command = draw(st.sampled_from(sorted(COMMAND_IDS)))
    values = [draw(field_values(field)) for field in LAYOUTS[command]]
    return Pdu(
        command,
        draw(st.integers(0, 0xFFFF_FFFF)),
        BODIES[command]._make(values),
        draw(tlvs),
        draw(st.sampled_from([0, 0, 0x45])),
    )


# --- there and back --------------------------------------------------------------------------


@given(any_pdu())
def test_every_pdu_is_read_as_it_was_written(pdu: Pdu) -> None:
    frame = encode(pdu)
    assert decode(frame) == pdu
    assert encode(decode(frame)) == frame
    assert struct.unpack_from(">I", frame) == (len(frame),)


@given(st.binary(max_size=200))
def test_random_octets_raise_nothing_but_pdu_error(octets: bytes) -> None:
    with suppress(PduError):
        decode(octets)


@given(st.sampled_from(sorted(COMMANDS)), st.binary(max_size=200), st.sampled_from([0, 8]))
def test_random_bodies_raise_nothing_but_pdu_error(
    command_id: int, body: bytes, status: int
) -> None:
    frame = struct.pack(">IIII", 16 + len(body), command_id, status, 77) + body
    try:
        pdu = decode(frame)
    except PduError as caught:
        error = caught
    else:
        assert pdu.body is None or decode(encode(pdu)) == pdu
        return
    assert (error.command, error.sequence_number) == (COMMANDS[command_id], 77)


@given(any_pdu(), st.data())
def test_a_damaged_pdu_raises_nothing_but_pdu_error(pdu: Pdu, data: st.DataObject) -> None:
    frame = bytearray(encode(pdu))
    for _ in range(data.draw(st.integers(1, 3))):
        frame[data.draw(st.integers(4, len(frame) - 1))] = data.draw(octet)
    cut = bytes(frame[: data.draw(st.integers(16, len(frame)))])
    cut = struct.pack(">I", len(cut)) + cut[4:]
    try:
        again = decode(cut)
    except PduError:
        return
    if again.body is not None:
        # A decoded PDU is encoded to the same octets, without skipped NULs.
        assert decode(encode(again)) == again


# --- what responses look like ----------------------------------------------------------------


@pytest.mark.parametrize("command", sorted(name for name in COMMAND_IDS if "_resp" in name))
def test_an_error_response_has_no_body(command: str) -> None:
    pdu = Pdu(command, 9, command_status=CommandStatus.ESME_RSYSERR)
    frame = encode(pdu)
    assert len(frame) == 16
    read = decode(frame)
    assert read.command_status == CommandStatus.ESME_RSYSERR
    assert read.body is None or read.body == Empty()


def test_an_error_response_with_a_tlv_has_its_fields_empty() -> None:
    text = Tlv(TLVS["additional_status_info_text"].tag, b"ERROR = 7\0")
    frame = encode(Pdu("submit_sm_resp", 9, None, (text,), CommandStatus.ESME_RINVDSTADR))
    assert frame[16:17] == b"\0"
    assert decode(frame).body == MessageIdResp(b"")
    assert decode(frame).tlvs == (text,)


def test_a_submit_sm_resp_keeps_its_sequence_number_and_id() -> None:
    frame = encode(Pdu("submit_sm_resp", 5, MessageIdResp(b"4503599627370497")))
    assert frame == struct.pack(">IIII", 33, 0x80000004, 0, 5) + b"4503599627370497\0"


def test_a_deliver_sm_resp_may_have_no_body() -> None:
    assert decode(raw("deliver_sm_resp")).body is None
    assert decode(raw("deliver_sm_resp", b"\0")).body == MessageIdResp(b"")


@pytest.mark.parametrize(
    "pdu",
    [
        Pdu("submit_sm", 1, SubmitSm(destination_addr=b"1" * 21)),
        Pdu("submit_sm", 1, SubmitSm(source_addr=b"a\0b")),
        Pdu("submit_sm", 1, SubmitSm(short_message=b"x" * 256)),
        Pdu("submit_sm", 1, SubmitSm(esm_class=256)),
        Pdu("submit_sm", 1, SubmitSm(), (Tlv(0x0424, b"x" * 65_536),)),
        Pdu("submit_multi", 1, SubmitMulti(b"", 0, 0, b"", (SmeAddress(1, 1, b"1"),) * 256)),
    ],
)
def test_a_value_that_its_field_cannot_hold_is_not_written(pdu: Pdu) -> None:
    with pytest.raises(ValueError):
        encode(pdu)


# --- the faults that are not inherited from smpplib ------------------------------------------

BEFORE_MESSAGE = encode(Pdu("submit_sm", 1, SubmitSm()))[16:-1]


def submit(tail: bytes) -> bytes:
    """A submit_sm with ``tail`` from sm_length on."""
    return raw("submit_sm", BEFORE_MESSAGE + tail)


@pytest.mark.parametrize(
    ("frame", "status"),
    [
        pytest.param(raw("submit_sm", b"CMT"), CommandStatus.ESME_RINVCMDLEN, id="no NUL at all"),
        pytest.param(raw("submit_sm"), CommandStatus.ESME_RINVCMDLEN, id="no body"),
        pytest.param(
            raw("submit_sm", b"\0\0"), CommandStatus.ESME_RINVCMDLEN, id="cut in integers"
        ),
        pytest.param(submit(b""), CommandStatus.ESME_RINVCMDLEN, id="cut before sm_length"),
        pytest.param(
            raw("submit_sm_resp"), CommandStatus.ESME_RINVCMDLEN, id="ESME_ROK without id"
        ),
        pytest.param(
            raw("submit_sm", b"\0\0\0" + b"1" * 100 + b"\0" + b"\0" * 12),
            CommandStatus.ESME_RINVSRCADR,
            id="address of 100 digits",
        ),
        pytest.param(
            raw("bind_transmitter", b"crm\0" + b"p" * 65 + b"\0\0\x34\0\0\0"),
            CommandStatus.ESME_RINVPASWD,
            id="password of 65 characters",
        ),
        pytest.param(
            raw("bind_transmitter", b"c" * 16 + b"\0p\0\0\x34\0\0\0"),
            CommandStatus.ESME_RINVSYSID,
            id="system_id of 16 characters",
        ),
        pytest.param(
            submit(b"\x05abc"), CommandStatus.ESME_RINVMSGLEN, id="sm_length over the end"
        ),
        pytest.param(
            submit(b"\xff" + b"a" * 255), CommandStatus.ESME_RINVMSGLEN, id="sm_length 255"
        ),
        pytest.param(
            submit(b"\0\x02\x04\x00"), CommandStatus.ESME_RINVOPTPARSTREAM, id="half a TLV header"
        ),
        pytest.param(
            submit(b"\0\x02\x04\x00\x09\x00\x01"),
            CommandStatus.ESME_RINVOPTPARSTREAM,
            id="TLV overrun",
        ),
        pytest.param(
            submit(b"\0\x02\x04\x00\x00"),
            CommandStatus.ESME_RINVPARLEN,
            id="integer TLV of no octets",
        ),
        pytest.param(
            submit(b"\0\x02\x04\x00\x03\0\0\x01"),
            CommandStatus.ESME_RINVPARLEN,
            id="too long an integer",
        ),
        pytest.param(
            submit(b"\0\x02\x0e\x00\x01\x00"), CommandStatus.ESME_RINVOPTPARAMVAL, id="no segments"
        ),
        pytest.param(
            raw("submit_multi", b"\0\0\0\0\0"),
            CommandStatus.ESME_RINVNUMDESTS,
            id="no destinations",
        ),
        pytest.param(
            raw("submit_multi", b"\0\0\0\0\x01\x03"),
            CommandStatus.ESME_RINVDESTFLAG,
            id="dest_flag 3",
        ),
    ],
)
def test_a_malformed_pdu_is_refused_with_the_status_that_fits(
    frame: bytes, status: CommandStatus
) -> None:
    error = refused(frame)
    assert error.status is status
    assert error.command == COMMANDS[int.from_bytes(frame[4:8], "big")]
    assert error.sequence_number == 1
    assert error.detail


@pytest.mark.parametrize(
    "command", ["bind_transceiver", "submit_sm", "deliver_sm", "data_sm", "submit_sm_resp"]
)
def test_a_string_has_the_longest_length_of_its_layout_and_no_more(command: str) -> None:
    for field in LAYOUTS[command]:
        if field.kind is not FieldKind.C_OCTET_STRING:
            continue
        longest = b"a" * (field.size - 1)
        body = BODIES[command]()._replace(**{field.name: longest})
        frame = encode(Pdu(command, 1, body))
        assert decode(frame).body == body
        longer = raw(command, frame[16:].replace(longest, longest + b"a", 1))
        assert refused(longer).status is TOO_LONG.get(field.name, CommandStatus.ESME_RINVCMDLEN)


def test_smpp_5_0_has_texts_of_255_octets_and_255_destinations() -> None:
    text = Pdu("submit_sm", 1, SubmitSm(short_message=b"x" * 255))
    many = Pdu("submit_multi", 1, SubmitMulti(dest_address=(SmeAddress(1, 1, b"1"),) * 255))
    for pdu, status in (
        (text, CommandStatus.ESME_RINVMSGLEN),
        (many, CommandStatus.ESME_RINVNUMDESTS),
    ):
        assert decode(encode(pdu), 0x50) == pdu
        assert refused(encode(pdu)).status is status


def test_command_length_must_be_the_pdus() -> None:
    frame = encode(Pdu("enquire_link", 1, Empty()))
    assert refused(b"\0\0\0\x11" + frame[4:]).status is CommandStatus.ESME_RINVCMDLEN
    assert refused(frame[:12]).status is CommandStatus.ESME_RINVCMDLEN


def test_an_unknown_command_has_no_name_but_its_sequence_number() -> None:
    error = refused(struct.pack(">IIII", 16, 0x0BAD, 0, 42))
    assert (error.status, error.command, error.sequence_number) == (
        CommandStatus.ESME_RINVCMDID,
        "",
        42,
    )


def test_an_empty_short_message_is_empty_with_and_without_tlvs() -> None:
    for given_tlvs in ((), (Tlv(0x1503, b"ref"),)):
        pdu = decode(encode(Pdu("submit_sm", 1, SubmitSm(), given_tlvs)))
        assert isinstance(pdu.body, SubmitSm)
        assert pdu.body.short_message == b""


# --- agreement with smpplib where it is right -------------------------------------------------


class _Client:
    """The client that smpplib's PDUs need."""

    sequence = 1

    def next_sequence(self) -> int:
        return self.sequence


SMPPLIB_REQUESTS: dict[str, tuple[dict[str, Any], pdus.Body]] = {
    "bind_transceiver": (
        {"system_id": "crm", "password": "secret", "system_type": "ISO"},
        Bind(b"crm", b"secret", b"ISO"),
    ),
    "submit_sm": (
        {
            "service_type": "CMT",
            "source_addr_ton": 5,
            "source_addr": "Shop",
            "dest_addr_ton": 1,
            "dest_addr_npi": 1,
            "destination_addr": "380501234567",
            "registered_delivery": 1,
            "data_coding": 8,
            "short_message": SUBMIT.short_message,
        },
        SUBMIT,
    ),
    "data_sm": (
        {"source_addr": "Shop", "destination_addr": "380501234567", "data_coding": 3},
        DataSm(source_addr=b"Shop", destination_addr=b"380501234567", data_coding=3),
    ),
    "query_sm": (
        {"message_id": "17", "source_addr": "Shop"},
        pdus.QuerySm(b"17", source_addr=b"Shop"),
    ),
    "enquire_link": ({}, Empty()),
    "unbind": ({}, Empty()),
}


@pytest.mark.parametrize("command", SMPPLIB_REQUESTS)
def test_smpplib_writes_what_we_write(command: str) -> None:
    arguments, body = SMPPLIB_REQUESTS[command]
    theirs = smpplib_smpp.make_pdu(command, client=_Client(), **arguments).generate()
    assert theirs == encode(Pdu(command, 1, body))
    assert decode(theirs).body == body


@given(c_octets(21), c_octets(21), octet, c_octets(17), st.binary(min_size=1, max_size=254))
def test_smpplib_reads_what_we_write(
    source: bytes, destination: bytes, data_coding: int, validity: bytes, text: bytes
) -> None:
    body = SubmitSm(
        source_addr=source,
        destination_addr=destination,
        data_coding=data_coding,
        validity_period=validity,
        short_message=text,
    )
    theirs = smpplib_smpp.parse_pdu(encode(Pdu("submit_sm", 3, body)), client=_Client())
    values: tuple[Any, ...] = body
    assert tuple(getattr(theirs, name) for name in body._fields) == values


def test_smpplib_reads_our_bind_response() -> None:
    tlv = Tlv(TLVS["sc_interface_version"].tag, b"\x34")
    frame = encode(Pdu("bind_transceiver_resp", 3, BindResp(b"cascade-bridge"), (tlv,)))
    theirs = smpplib_smpp.parse_pdu(frame, client=_Client())
    assert (theirs.system_id, theirs.sc_interface_version) == (b"cascade-bridge", 0x34)


def test_responses_have_the_highest_bit() -> None:
    for name, command_id in COMMAND_IDS.items():
        is_response = name.endswith("_resp") or name == "generic_nack"
        assert bool(command_id & RESPONSE) is is_response
