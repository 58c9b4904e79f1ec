"""The bodies of PDUs, against the layouts; TLVs and errors of a PDU."""

from __future__ import annotations

import pytest

from bridge.smpp.protocol import pdu as pdus
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.layouts import BODIES, LAYOUTS
from bridge.smpp.protocol.pdu import Bind, Empty, Pdu, PduError, Tlv


@pytest.mark.parametrize("command", sorted(BODIES))
def test_a_body_has_the_fields_of_its_layout_in_order(command: str) -> None:
    assert BODIES[command]._fields == tuple(field.name for field in LAYOUTS[command])


@pytest.mark.parametrize("command", sorted(BODIES))
def test_a_body_without_values_is_zero_and_empty(command: str) -> None:
    body = BODIES[command]()
    if isinstance(body, Bind):  # which must name a version
        assert body.interface_version == 0x34
        body = body._replace(interface_version=0)
    assert not any(body)


def test_every_body_is_one_of_the_union() -> None:
    assert set(BODIES.values()) == set(pdus.Body.__args__)


def test_of_equal_tlvs_the_first_counts() -> None:
    pdu = Pdu("submit_sm", 1, None, (Tlv(1, b"a"), Tlv(2, b""), Tlv(1, b"b")))
    assert (pdu.tlv(1), pdu.tlv(2), pdu.tlv(3)) == (b"a", b"", None)


def test_a_pdu_is_a_success_unless_it_says_otherwise() -> None:
    assert Pdu("unbind_resp", 1, Empty()).command_status == CommandStatus.ESME_ROK


def test_an_error_without_a_command_is_answered_by_generic_nack() -> None:
    error = PduError(CommandStatus.ESME_RINVCMDID, "command_id 0x0BAD", sequence_number=9)
    assert (error.command, error.sequence_number) == ("", 9)
    assert (error.status, error.detail) == (CommandStatus.ESME_RINVCMDID, "command_id 0x0BAD")
    assert "0x0BAD" in str(error)
