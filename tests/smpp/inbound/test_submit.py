"""The meaning of each field of submit_sm in a Submission."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.failure import Failure, Reason
from bridge.model.message import MessageType, Protocol, Receipts, Recipient, Route, Submission
from bridge.relay.concatenation import Segment
from bridge.smpp.inbound.submit import Origin, joined, submission_from
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import Pdu, PduError, SubmitSm, Tlv
from bridge.smpp.protocol.tlvs import TLVS

NOW = 1_795_262_400.0  # 2026-11-21T12:00:00Z
ORIGIN = Origin("192.0.2.1:4242")


def submission(*tlvs: Tlv, origin: Origin = ORIGIN, **fields: Any) -> Submission:
    fields = {"destination_addr": b"380501234567", "short_message": b"hi"} | fields
    sent = submission_from(Pdu("submit_sm", 1, SubmitSm(**fields), tlvs), origin, NOW)
    assert isinstance(sent, Submission)
    return sent


def failure(*tlvs: Tlv, **fields: Any) -> Failure:
    with pytest.raises(Failure) as caught:
        submission(*tlvs, **fields)
    return caught.value


def test_a_plain_submit_leaves_all_else_to_the_account() -> None:
    assert submission() == Submission(
        protocol=Protocol.SMPP,
        recipients=(Recipient("380501234567"),),
        text="hi",
        peer="192.0.2.1:4242",
        reading="data_coding 0 (gsm7)",
    )


@pytest.mark.parametrize(
    ("source_addr", "sender"),
    [
        (b"", ""),
        (b".", ""),
        (b". ", ""),
        (b" ", ""),
        (b"Shop", "Shop"),
        (b" Shop  ", "Shop"),
        (b"1234", "1234"),
        ("Крам".encode(), "Крам"),
    ],
)
def test_source_addr_is_the_sender(source_addr: bytes, sender: str) -> None:
    assert submission(source_addr=source_addr).sender == sender


@pytest.mark.parametrize(
    ("ton", "written", "address"),
    [
        (1, b"380501234567", "+380501234567"),
        (1, b"+380501234567", "+380501234567"),
        (1, b"0501234567", "0501234567"),  # unusual, but accepted
        (1, b"00380501234567", "00380501234567"),
        (0, b"380501234567", "380501234567"),
        (2, b"0501234567", "0501234567"),
        (5, b"+380501234567", "+380501234567"),
        (1, b"staff", "staff"),
    ],
)
def test_the_type_of_number_says_how_a_destination_is_read(
    ton: int, written: bytes, address: str
) -> None:
    sent = submission(dest_addr_ton=ton, dest_addr_npi=9, destination_addr=written)
    assert sent.recipients == (Recipient(address),)


def test_no_destination_is_a_wrong_number() -> None:
    assert failure(destination_addr=b"").reason is Reason.WRONG_PHONE


def test_validity_and_schedule_relative_and_absolute() -> None:
    assert submission(validity_period=b"000001000000000R").ttl == 86400
    assert submission(validity_period=b"261121130000000+").ttl == 3600
    assert submission(schedule_delivery_time=b"000000010000000R").scheduled_at == NOW + 3600
    assert submission(schedule_delivery_time=b"261121150000008+").scheduled_at == NOW + 3600
    assert submission(schedule_delivery_time=b"000000000000000R").scheduled_at is None
    assert submission(validity_period=b"000000000000000R").ttl is None
    assert submission(validity_period=b"0000000000000000").ttl is None


def test_a_broken_time_is_refused_as_what_it_is() -> None:
    assert failure(validity_period=b"tomorrow").reason is Reason.BAD_VALIDITY
    assert failure(schedule_delivery_time=b"tomorrow").reason is Reason.BAD_SCHEDULE


@pytest.mark.parametrize("value", [b"261121120000000+", b"261121110000000+"])
def test_a_validity_that_is_over_is_refused(value: bytes) -> None:
    assert failure(validity_period=value).reason is Reason.BAD_VALIDITY


@pytest.mark.parametrize(
    ("service_type", "message_type"),
    [
        (b"", None),
        (b"CMT", None),
        (b"TRANS", MessageType.TRANSACTION),
        (b"PROMO", MessageType.PROMO),
        (b"promo", MessageType.PROMO),
        (b"SURVY", MessageType.VIBER_SURVEY),
        (b"FLASH", MessageType.FLASHCALL),
    ],
)
def test_service_type_is_the_type(service_type: bytes, message_type: MessageType | None) -> None:
    assert submission(service_type=service_type).message_type is message_type


def test_vendor_tlvs_say_what_fields_cannot() -> None:
    sent = submission(
        Tlv(0x1500, b"viber_survey"),
        Tlv(0x1501, "так".encode()),
        Tlv(0x1501, b"no\0"),
        Tlv(0x1502, b"tg-viber"),
        Tlv(0x1503, b"order 17"),
        Tlv(0x1504, b"Your code: 1"),
        Tlv(TLVS["user_message_reference"].tag, b"\x01\x00"),
        service_type=b"PROMO",
    )
    assert sent.message_type is MessageType.VIBER_SURVEY
    assert sent.options == ("так", "no")
    assert sent.route is Route.TG_VIBER
    assert sent.reference == "order 17"
    assert sent.fallback == "Your code: 1"


@pytest.mark.parametrize("value", [b"TRANS", b"trans", b"transaction", b"Transaction\0"])
def test_the_type_tlv_takes_both_kinds_of_names(value: bytes) -> None:
    assert submission(Tlv(0x1500, value)).message_type is MessageType.TRANSACTION


@pytest.mark.parametrize(
    "tlv",
    [
        Tlv(0x1500, b"sms"),
        Tlv(0x1500, b""),
        Tlv(0x1502, b"viber"),
        Tlv(0x1501, b"\xff"),
        Tlv(0x1503, b"\xff"),
        Tlv(0x1504, b"\xff"),
    ],
)
def test_a_vendor_tlv_with_another_value_is_a_bad_parameter(tlv: Tlv) -> None:
    refused = failure(tlv)
    assert refused.reason is Reason.BAD_PARAMETER
    assert f"0x{tlv.tag:04X}" in refused.description


def test_user_message_reference_is_the_reference_where_no_other_is() -> None:
    assert submission(Tlv(TLVS["user_message_reference"].tag, b"\x01\x00")).reference == "256"


@pytest.mark.parametrize(("flag", "priority"), [(0, 0), (1, 1), (3, 3), (4, 3), (255, 3)])
def test_priority_flag_is_the_priority(flag: int, priority: int) -> None:
    assert submission(priority_flag=flag).priority == priority


@pytest.mark.parametrize(
    ("registered_delivery", "receipts"),
    [
        (0, Receipts.NONE),
        (1, Receipts.SUCCESS | Receipts.FAILURE),
        (2, Receipts.FAILURE),
        (3, Receipts.SUCCESS),
        (0x11, Receipts.SUCCESS | Receipts.FAILURE | Receipts.INTERMEDIATE),
        (0x10, Receipts.INTERMEDIATE),
        (0x0C, Receipts.NONE),  # acknowledgements of the phone's user
    ],
)
def test_registered_delivery_is_the_wish_for_receipts(
    registered_delivery: int, receipts: Receipts
) -> None:
    assert submission(registered_delivery=registered_delivery).receipts == receipts


def test_message_payload_is_the_text_even_of_short_ones() -> None:
    payload = Tlv(TLVS["message_payload"].tag, "Привіт".encode("utf-16-be"))
    assert submission(payload, short_message=b"", data_coding=8).text == "Привіт"


def test_a_long_message_payload_is_one_text() -> None:
    payload = Tlv(TLVS["message_payload"].tag, b"a" * 2000)
    assert submission(payload, short_message=b"").text == "a" * 2000


def test_two_texts_are_refused_and_an_empty_second_one_is_not() -> None:
    tag = TLVS["message_payload"].tag
    assert failure(Tlv(tag, b"b")).reason is Reason.BAD_PARAMETER
    assert submission(Tlv(tag, b"")).text == "hi"


def test_no_text_is_left_for_the_relay_to_judge() -> None:
    assert submission(short_message=b"", service_type=b"FLASH").text == ""


@pytest.mark.parametrize(
    ("data_coding", "octets", "text"),
    [
        (8, "a\0б\0".encode("utf-16-be"), "aб"),
        (3, b"hi\0", "hi"),
        (0, b"hi\0", "hi@"),  # in GSM 03.38 it is a character
        (8, "\0".encode("utf-16-be"), ""),
        (8, " \n".encode("utf-16-be"), " \n"),
        (8, "𝔘😀".encode("utf-16-be"), "𝔘😀"),
    ],
)
def test_all_characters_but_nul_are_kept(data_coding: int, octets: bytes, text: str) -> None:
    assert submission(data_coding=data_coding, short_message=octets).text == text


def test_data_coding_0_is_what_the_session_says() -> None:
    latin = Origin("", "latin1")
    assert submission(short_message=b"\xe9", origin=latin).text == "é"
    assert submission(short_message=b"\x05").text == "é"
    assert failure(short_message=b"\xe9").reason is Reason.UNDECODABLE_TEXT


UDHI = 0x40


def test_a_part_of_several_is_a_segment_with_what_is_needed_to_join_it() -> None:
    def segment(number: int, text: bytes, sequence_number: int = 1) -> Segment:
        octets = bytes((5, 0, 3, 7, 2, number)) + text
        body = SubmitSm(esm_class=UDHI, destination_addr=b"380501234567", short_message=octets)
        asked = submission_from(Pdu("submit_sm", sequence_number, body), ORIGIN, NOW)
        assert isinstance(asked, Segment)
        return asked

    one, two = segment(1, b"one \x1b"), segment(2, b"\x65")
    assert (one.reference, one.total, one.number) == (7, 2, 1)
    assert segment(1, b"one \x1b", 99).content == one.content
    whole = joined("192.0.2.9:1", NOW, [one.content, two.content])
    assert whole == one.submission._replace(text="one €", peer="192.0.2.9:1")


def test_the_alphabet_of_a_part_is_that_of_the_session_that_it_came_by() -> None:
    contents = []
    for number, origin in enumerate((Origin("", "latin1"), Origin("", "utf8")), 1):
        octets = bytes((5, 0, 3, 7, 2, number)) + "é".encode(origin.default_alphabet)
        body = SubmitSm(esm_class=UDHI, destination_addr=b"1", short_message=octets)
        asked = submission_from(Pdu("submit_sm", 1, body), origin, NOW)
        assert isinstance(asked, Segment)
        contents.append(asked.content)
    assert joined("", NOW, contents).text == "éé"


def test_a_user_data_header_is_not_text() -> None:
    sent = submission(esm_class=UDHI, short_message=b"\x05\x00\x03\x07\x01\x01hi")
    assert sent.text == "hi"


def test_octets_for_a_port_are_refused() -> None:
    header = bytes.fromhex("0605040b8423f0")
    refused = failure(esm_class=UDHI, data_coding=4, short_message=header + b"\x01")
    assert refused.reason is Reason.UNDECODABLE_TEXT


def test_a_broken_user_data_header_is_a_bad_parameter() -> None:
    assert failure(esm_class=UDHI, short_message=b"\x20hi").reason is Reason.BAD_PARAMETER


@pytest.mark.parametrize("esm_class", [0x04, 0x18, 0x20, 0x24, 0x44, 0x58])
def test_an_esm_class_that_is_no_message_to_a_phone_is_refused(esm_class: int) -> None:
    with pytest.raises(PduError) as caught:
        submission(esm_class=esm_class)
    assert caught.value.status is CommandStatus.ESME_RINVESMCLASS


@pytest.mark.parametrize("esm_class", [0, 1, 2, 3, 0x80, 0x08, 0x10, 0x90])
def test_messaging_modes_and_reply_paths_make_no_difference(esm_class: int) -> None:
    assert submission(esm_class=esm_class).text == "hi"


@pytest.mark.parametrize("esm_class", [0x40, 0x48, 0x50, 0xC8])
def test_acknowledgements_may_be_texts_with_a_header(esm_class: int) -> None:
    sent = submission(esm_class=esm_class, short_message=b"\x05\x00\x03\x07\x01\x01hi")
    assert sent.text == "hi"


@pytest.mark.parametrize(
    ("tlvs", "fields", "named"),
    [
        ((), {"service_type": b"USSD"}, "USSD"),
        ((), {"service_type": b"ussd"}, "USSD"),
        ((Tlv(TLVS["ussd_service_op"].tag, b"\2"),), {}, "USSD"),
        ((Tlv(TLVS["its_session_info"].tag, b"\0\1"),), {}, "USSD"),
        ((), {"service_type": b"OTA"}, "OTA"),
        ((), {"protocol_id": 0x7F}, "OTA"),
        ((), {"protocol_id": 0x7D}, "OTA"),
        ((), {"esm_class": 0x40, "short_message": b"\x02\x70\x00text"}, "OTA"),
    ],
)
def test_what_is_no_text_to_a_phone_is_refused_by_name(
    tlvs: tuple[Tlv, ...], fields: dict[str, Any], named: str
) -> None:
    with pytest.raises(PduError) as caught:
        submission(*tlvs, **fields)
    assert caught.value.status is CommandStatus.ESME_RINVSERTYP
    assert named in caught.value.detail


def test_national_tables_of_the_header_are_read() -> None:
    turkish = b"\x06\x24\x01\x01\x25\x01\x01" + b"\x1b\x73\x07"
    assert submission(esm_class=0x40, short_message=turkish).text == "şı"


def test_a_predefined_message_does_not_exist() -> None:
    with pytest.raises(PduError) as caught:
        submission(sm_default_msg_id=3, short_message=b"")
    assert caught.value.status is CommandStatus.ESME_RINVDFTMSGID
    assert submission(sm_default_msg_id=3).text == "hi"


@pytest.mark.parametrize("text", [b"__HLR__", b"__PING__"])
@pytest.mark.parametrize("data_coding", [0, 3])
def test_number_look_ups_are_refused_clearly(text: bytes, data_coding: int) -> None:
    refused = failure(short_message=text, data_coding=data_coding)
    assert refused.reason is Reason.BAD_PARAMETER
    assert "not supported" in refused.description


@given(
    st.builds(
        SubmitSm,
        destination_addr=st.binary(max_size=20),
        source_addr=st.binary(max_size=20),
        esm_class=st.sampled_from([0, 0x40]),
        data_coding=st.sampled_from([0, 1, 3, 4, 8, 0xF0]),
        short_message=st.binary(max_size=40),
        sm_default_msg_id=st.just(0),
        validity_period=st.just(b""),
        schedule_delivery_time=st.just(b""),
        priority_flag=st.integers(0, 255),
        registered_delivery=st.integers(0, 255),
        dest_addr_ton=st.integers(0, 255),
    ),
    st.lists(
        st.builds(Tlv, st.sampled_from([0x1500, 0x1501, 0x1503, 0x0424]), st.binary(max_size=9)),
        max_size=3,
    ).map(tuple),
)
def test_any_fields_are_a_submission_or_a_refusal(body: SubmitSm, tlvs: tuple[Tlv, ...]) -> None:
    with contextlib.suppress(Failure, PduError):
        submission_from(Pdu("submit_sm", 1, body, tlvs), ORIGIN, NOW)
