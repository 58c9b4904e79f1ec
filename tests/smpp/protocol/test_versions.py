"""Differences between SMPP 3.3, 3.4 and 5.0."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.failure import Failure, Reason
from bridge.model.message import State
from bridge.smpp.protocol.codec import decode, encode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.layouts import BODIES, LAYOUTS, RESPONSES, FieldKind
from bridge.smpp.protocol.pdu import Pdu
from bridge.smpp.protocol.versions import (
    MESSAGE_STATES,
    failed_body,
    has_tlvs,
    message_id_from,
    message_id_to,
    message_state,
    receipted_id,
    spoken,
)


@given(st.integers(1, 2**53 - 1), st.sampled_from([0x34, 0x50]))
def test_an_id_is_decimal_and_read_as_it_was_told(id: int, version: int) -> None:
    assert message_id_to(id, version) == str(id).encode()
    assert message_id_from(message_id_to(id, version), version) == id


@given(st.integers(1, 2**32 - 1), st.sampled_from([0x00, 0x32, 0x33]))
def test_in_3_3_it_is_eight_hexadecimal_digits(id: int, version: int) -> None:
    told = message_id_to(id, version)
    assert len(told) == 8
    assert message_id_from(told, version) == message_id_from(told.lower(), version) == id


def test_in_3_3_an_id_from_a_newer_session_is_known_too() -> None:
    assert message_id_from(b"4503599627370497", 0x33) == 4_503_599_627_370_497


@pytest.mark.parametrize("version", [0x33, 0x34, 0x50])
@pytest.mark.parametrize(
    "message_id", [b"", b"id", b"-1", b"+1", b" ", b"1 1", b"1_0", b"0x1F", b"1" * 17, b"\xb2\xb3"]
)
def test_an_impossible_id_is_not_found(message_id: bytes, version: int) -> None:
    with pytest.raises(Failure) as caught:
        message_id_from(message_id, version)
    assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize("version", [0x33, 0x34, 0x50])
def test_spaces_around_an_id_are_no_part_of_it(version: int) -> None:
    assert message_id_from(b" 4503599627370497  ", version) == 4_503_599_627_370_497


def test_the_hexadecimal_id_of_a_receipt_is_known() -> None:
    id = 4_503_599_627_370_511
    for told in (receipted_id(id, hexadecimal=True), receipted_id(id, hexadecimal=True).lower()):
        assert message_id_from(told, 0x34) == id


def test_hexadecimal_digits_are_no_id_in_3_4() -> None:
    with pytest.raises(Failure):
        message_id_from(b"0BADCAFE", 0x34)


@pytest.mark.parametrize("state", State)
def test_each_state_has_a_message_state(state: State) -> None:
    assert message_state(state, False, 0x34) == MESSAGE_STATES[state]
    final = MESSAGE_STATES[state] != 1
    assert message_state(state, True, 0x50) == (MESSAGE_STATES[state] if final else 0)
    assert message_state(state, True, 0x34) == MESSAGE_STATES[state]
    assert message_state(state, False, 0x33) in range(1, 8)  # 3.3 has no REJECTED


def test_a_cancelled_message_that_may_have_been_sent_is_unknown() -> None:
    assert message_state(State.CANCELLED, False, 0x34, perhaps_sent=True) == 7
    assert message_state(State.EXPIRED, False, 0x34, perhaps_sent=True) == 3


@pytest.mark.parametrize(("version", "known"), [(0x00, False), (0x33, False), (0x34, True)])
def test_optional_parameters_came_with_3_4(version: int, known: bool) -> None:
    assert has_tlvs(version) is known


@pytest.mark.parametrize(
    ("command", "interface_version", "version"),
    [
        ("bind_transmitter", 0x33, 0x33),
        ("bind_transmitter", 0x00, 0x00),
        ("bind_receiver", 0x34, 0x34),
        ("bind_receiver", 34, 0x34),
        ("bind_transceiver", 0x50, 0x50),
        *(("bind_transceiver", said, 0x34) for said in range(0x35)),
    ],
)
def test_a_bind_says_which_version_is_spoken(
    command: str, interface_version: int, version: int
) -> None:
    assert spoken(command, interface_version) == version


#: SMPP 3.4 §4.1.2, §4.1.4, §4.4.2
WITHOUT_BODY = {"bind_transmitter_resp", "bind_receiver_resp", "submit_sm_resp"}


@pytest.mark.parametrize("response", sorted(set(RESPONSES.values()) - {"generic_nack"}))
@pytest.mark.parametrize("version", [0x00, 0x33, 0x34, 0x35, 0x50])
def test_a_failed_response_has_the_body_that_its_version_asks_for(
    response: str, version: int
) -> None:
    body = failed_body(response, version)
    octets = encode(Pdu(response, 9, body, (), CommandStatus.ESME_RSYSERR))
    if version in (0x34, 0x35) and response in WITHOUT_BODY:
        assert len(octets) == 16
    else:
        zeroed = sum(
            field.size if field.kind is FieldKind.INTEGER else 1 for field in LAYOUTS[response]
        )
        assert octets[16:] == b"\0" * zeroed
        assert decode(octets).body == BODIES[response]()
