"""Receipts: text, TLVs and fields, in every version and variant."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.settings import AccountSettings
from bridge.model.failure import Reason
from bridge.model.message import FINAL, State
from bridge.model.notice import Owed, Unjoined
from bridge.model.state_names import REASON_ERRORS, err_of
from bridge.smpp.outbound.deliver_pdu import Style
from bridge.smpp.outbound.receipt import receipt
from bridge.smpp.protocol.codec import decode
from bridge.smpp.protocol.pdu import DataSm, Pdu, SubmitSm
from bridge.smpp.protocol.tlvs import (
    MESSAGE_PAYLOAD,
    MESSAGE_STATE,
    NETWORK_ERROR_CODE,
    RECEIPTED_MESSAGE_ID,
)
from tests.samples import NOW
from tests.smpp.owed import ID, owed

#: The pattern that clients use for receipts (SMPP 3.4 Appendix B).
APPENDIX_B = re.compile(
    r"id:(?P<id>\S+) sub:(?P<sub>\d{3}) dlvrd:(?P<dlvrd>\d{3}) submit date:(?P<submit>\d+) "
    r"done date:(?P<done>\d+) stat:(?P<stat>[A-Z]{7}) err:(?P<err>\d{3}) text:(?P<text>.{0,20})"
)


def style(version: int = 0x34, **settings: Any) -> Style:
    account = AccountSettings.model_validate({"password": "x", **settings})
    return Style.of(account, version, account.default_alphabet)


def told(about: Owed, how: Style | None = None) -> Pdu:
    """The PDU as a client reads it."""
    return decode(receipt(about, how or style()).frame(7))


def words(pdu: Pdu) -> dict[str, str]:
    body = pdu.body
    text = body.short_message if isinstance(body, SubmitSm) else pdu.tlv(MESSAGE_PAYLOAD)
    assert text is not None
    found = APPENDIX_B.fullmatch(text.decode())
    assert found, text
    return found.groupdict()


def test_a_receipt_is_a_deliver_sm_from_the_phone_to_the_sender() -> None:
    pdu = told(owed(text="Your code is 1234", err=0))
    assert (pdu.command, pdu.sequence_number, pdu.command_status) == ("deliver_sm", 7, 0)
    assert pdu.body == SubmitSm(
        source_addr_ton=1,
        source_addr_npi=1,
        source_addr=b"380501234567",
        dest_addr_ton=5,
        destination_addr=b"Shop",
        esm_class=0x04,
        short_message=b"id:250000000000001 sub:001 dlvrd:001 submit date:2601010000 "
        b"done date:2601010001 stat:DELIVRD err:000 text:Your code is 1234",
    )
    assert pdu.tlv(RECEIPTED_MESSAGE_ID) == b"250000000000001\0"
    assert pdu.tlv(MESSAGE_STATE) == b"\2"
    assert pdu.tlv(NETWORK_ERROR_CODE) == b"\3\0\0"


@pytest.mark.parametrize(
    ("state", "stat", "message_state", "dlvrd"),
    [
        (State.SENT, "ENROUTE", 1, "000"),
        (State.DELIVERED, "DELIVRD", 2, "001"),
        (State.EXPIRED, "EXPIRED", 3, "000"),
        (State.CANCELLED, "DELETED", 4, "000"),
        (State.UNDELIVERABLE, "UNDELIV", 5, "000"),
        (State.REJECTED, "REJECTD", 8, "000"),
    ],
)
def test_every_state_has_its_word_and_its_number(
    state: State, stat: str, message_state: int, dlvrd: str
) -> None:
    pdu = told(owed(state))
    said = words(pdu)
    assert (said["stat"], said["dlvrd"], said["sub"]) == (stat, dlvrd, "001")
    assert pdu.tlv(MESSAGE_STATE) == bytes((message_state,))
    assert isinstance(pdu.body, SubmitSm)
    assert pdu.body.esm_class == (0x04 if state in FINAL else 0x20)


@pytest.mark.parametrize("version", [0x33, 0x34, 0x50])
def test_a_cancelled_message_that_may_have_been_sent_is_unknown_not_deleted(version: int) -> None:
    pdu = told(owed(State.CANCELLED, sent_at=0, unknown=1), style(version))
    assert (words(pdu)["stat"], words(pdu)["err"]) == ("UNKNOWN", "245")
    assert pdu.tlv(MESSAGE_STATE) == (None if version == 0x33 else b"\7")


def test_3_3_has_no_tlvs_no_rejected_and_no_intermediate_class() -> None:
    pdu = told(owed(State.REJECTED, known_as=0xBADCAFE), style(0x33))
    assert pdu.tlvs == ()
    assert (words(pdu)["stat"], words(pdu)["id"]) == ("UNDELIV", "0BADCAFE")
    pdu = told(owed(State.SENT), style(0x33))
    assert isinstance(pdu.body, SubmitSm)
    assert (pdu.body.esm_class, words(pdu)["stat"]) == (0x04, "ENROUTE")


def test_5_0_has_a_network_type_for_codes_of_the_message_centre() -> None:
    pdu = told(owed(State.UNDELIVERABLE, err=245), style(0x50))
    assert pdu.tlv(NETWORK_ERROR_CODE) == b"\x08\0\xf5"


def test_the_id_is_the_one_the_client_knows() -> None:
    part = told(owed(known_as=ID + 5))
    assert words(part)["id"] == str(ID + 5)
    # Submitted by a session of SMPP 3.3, told to one of 3.4.
    short = told(owed(known_as=0x1F))
    assert words(short)["id"] == "0000001F"
    assert short.tlv(RECEIPTED_MESSAGE_ID) == b"0000001F\0"


# --- err -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "fields", "err"),
    [
        (State.DELIVERED, {}, "000"),
        (State.CANCELLED, {"sent_at": 0}, "000"),
        (State.EXPIRED, {"sent_at": 0}, "248"),
        (State.EXPIRED, {}, "006"),
        (State.EXPIRED, {"err": 11}, "011"),
        (State.UNDELIVERABLE, {}, "006"),
        (State.UNDELIVERABLE, {"err": 245}, "245"),
        (State.REJECTED, {"sent_at": 0}, "255"),
        (State.REJECTED, {"failure": "WRONG_PHONE"}, "249"),
        (State.REJECTED, {"failure": "PROHIBITED"}, "250"),
        (State.REJECTED, {"failure": "SENDER_NOT_ALLOWED"}, "254"),
        (State.REJECTED, {"failure": "TEXT_TOO_LONG"}, "255"),
    ],
)
def test_err_says_what_went_wrong(state: State, fields: dict[str, Any], err: str) -> None:
    about = owed(state, **fields)
    assert words(told(about))["err"] == err
    assert about.stored is not None
    assert err_of(about.stored) == int(err)


def test_an_earlier_state_has_no_error_of_the_end() -> None:
    about = owed(State.SENT)
    assert about.stored is not None
    ended = about._replace(stored=about.stored._replace(state=State.UNDELIVERABLE, err=6))
    said = words(told(ended))
    assert (said["stat"], said["err"]) == ("ENROUTE", "000")


def test_every_reason_with_a_code_exists() -> None:
    assert REASON_ERRORS.keys() <= Reason.__members__.keys()


# --- text ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("short", b"short"),
        ("exactly twenty chars and more", b"exactly twenty chars"),
        ("ASCII at first, and then ї", b"ASCII at first, and "),
        ("Привіт", b""),
        ("line\r\nbreak", b"line  break"),
        ("a_b@c [1] $^{}~|\\", b"a?b?c ?1? ???????"),
        ("", b""),
    ],
)
def test_the_text_is_its_beginning_if_that_is_ascii(text: str, said: bytes) -> None:
    body = told(owed(text=text)).body
    assert isinstance(body, SubmitSm)
    assert body.short_message.partition(b" text:")[2] == said


@given(
    st.text(st.characters(max_codepoint=0x7F), max_size=20),
    st.sampled_from(["gsm7", "gsm7-packed", "latin1", "ascii", "utf8"]),
)
def test_no_octet_of_a_receipt_is_below_0x20(text: str, alphabet: str) -> None:
    body = told(owed(text=text), style(default_alphabet=alphabet)).body
    assert isinstance(body, SubmitSm)
    assert min(body.short_message) >= 0x20


def test_data_coding_0_means_to_the_text_what_it_means_to_the_account() -> None:
    body = told(owed(text="a_b@c"), style(default_alphabet="latin1")).body
    assert isinstance(body, SubmitSm)
    assert body.short_message.endswith(b" text:a_b@c")


def test_the_text_can_be_left_out() -> None:
    assert words(told(owed(text="secret"), style(receipt_text=False)))["text"] == ""


# --- variants --------------------------------------------------------------------------------


def test_old_clients_get_data_sm_hexadecimal_ids_and_seconds_of_their_zone() -> None:
    variant = style(
        receipt_pdu="data_sm",
        receipt_id="hex",
        receipt_dates="seconds",
        receipt_zone="Europe/Kyiv",
    )
    pdu = told(owed(), variant)
    assert pdu.command == "data_sm"
    assert pdu.body == DataSm(b"", 1, 1, b"380501234567", 5, 0, b"Shop", 0x04, 0, 0)
    said = words(pdu)
    assert said["id"] == f"{ID:X}"
    assert (said["submit"], said["done"]) == ("260101020000", "260101020100")
    assert pdu.tlv(MESSAGE_STATE) == b"\2"


def test_3_3_knows_of_no_data_sm() -> None:
    assert told(owed(), style(0x33, receipt_pdu="data_sm")).command == "deliver_sm"


@pytest.mark.parametrize(
    ("sender", "ton", "npi", "address"),
    [
        ("Shop UA", 5, 0, b"Shop UA"),
        ("380441234567", 1, 1, b"380441234567"),
        ("7575", 0, 1, b"7575"),
        ("Крамниця ЮА", 5, 0, "Крамниця Ю".encode()),
        ("", 5, 0, b""),
    ],
)
def test_the_sender_is_told_as_what_it_is(sender: str, ton: int, npi: int, address: bytes) -> None:
    body = told(owed(sender=sender)).body
    assert isinstance(body, SubmitSm)
    assert (body.dest_addr_ton, body.dest_addr_npi, body.destination_addr) == (ton, npi, address)


# --- what is not there -----------------------------------------------------------------------


def test_a_part_that_never_became_a_message_expires() -> None:
    content = Unjoined("+380501234567", "Shop", NOW, 1, 2, (2,), 3).to_content()
    pdu = told(owed(State.EXPIRED, content=content, known_as=ID + 1)._replace(stored=None))
    said = words(pdu)
    assert (said["id"], said["stat"], said["err"]) == (str(ID + 1), "EXPIRED", "248")
    assert said["submit"] == "2601010000"
    assert isinstance(pdu.body, SubmitSm)
    assert (pdu.body.source_addr, pdu.body.destination_addr) == (b"380501234567", b"Shop")


def test_a_deleted_message_has_no_receipt() -> None:
    with pytest.raises(ValueError, match="deleted"):
        receipt(owed()._replace(stored=None), style())
