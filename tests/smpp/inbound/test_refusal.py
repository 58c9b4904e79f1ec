"""A failure as a response: its status, and its text for those who get texts."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.smpp.inbound.refusal import refusal
from bridge.smpp.protocol.codec import decode, encode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import MessageIdResp, Pdu, PduError, Tlv
from bridge.smpp.protocol.tlvs import ADDITIONAL_STATUS_INFO_TEXT, CONGESTION_STATE
from tests.samples import account

TOO_FAST = Failure(Reason.TOO_FAST)


def refused(failure: Failure | PduError = TOO_FAST, version: int = 0x34, **settings: Any) -> Pdu:
    return refusal("submit_sm", 7, failure, version, account(**settings).settings)


def test_a_failure_has_the_status_of_its_reason() -> None:
    status = CommandStatus.ESME_RTHROTTLED
    assert refused() == Pdu("submit_sm_resp", 7, None, (), status)


def test_a_malformed_request_has_the_status_of_its_mistake() -> None:
    error = PduError(CommandStatus.ESME_RINVDSTTON, "dest_addr_ton 9")
    # Its text is for the log alone.
    assert refused(error, 0x50, failure_text=True).tlvs == ()
    assert refused(error).command_status == CommandStatus.ESME_RINVDSTTON


@pytest.mark.parametrize(
    ("version", "settings", "has_text"),
    [
        (0x34, {}, False),
        (0x34, {"failure_text": True}, True),
        (0x33, {"failure_text": True}, False),  # its clients know no TLVs
        (0x50, {}, True),
    ],
)
def test_5_0_has_a_text_and_3_4_if_the_account_wants_it(
    version: int, settings: dict[str, Any], has_text: bool
) -> None:
    text = refused(version=version, **settings).tlv(ADDITIONAL_STATUS_INFO_TEXT)
    assert text == (b"ERROR = 9 (too fast)\0" if has_text else None)


def test_the_text_has_the_form_of_the_accounts_answers() -> None:
    resp = refused(failure_text=True, reply_fmt=1)
    assert resp.tlv(ADDITIONAL_STATUS_INFO_TEXT) == b"0,-9\0"


def test_before_the_login_a_text_has_the_usual_form() -> None:
    resp = refusal("bind_transceiver", 1, Failure(Reason.WRONG_LOGIN), 0x50, None)
    assert resp.command == "bind_transceiver_resp"
    assert resp.tlv(ADDITIONAL_STATUS_INFO_TEXT) == b"ERROR = 2 (wrong login or password)\0"
    assert refusal("bind_receiver", 1, TOO_FAST, 0x34, None).tlvs == ()


def test_a_text_is_ascii_and_fits_into_its_field() -> None:
    # As XML the 100 characters of the description are five times as long.
    failure = Failure(Reason.BAD_PARAMETER, "поле " + "&" * 300)
    text = refused(failure, 0x50, reply_fmt=2).tlv(ADDITIONAL_STATUS_INFO_TEXT)
    assert text is not None
    assert text.isascii()
    assert (len(text), text[-1:], text.count(b"\0")) == (256, b"\0", 1)


def test_further_tlvs_follow_the_text() -> None:
    busy = Tlv(CONGESTION_STATE, b"\x2a")
    settings = account().settings
    resp = refusal("submit_sm", 1, TOO_FAST, 0x50, settings, (busy,))
    assert [tag for tag, _ in resp.tlvs] == [ADDITIONAL_STATUS_INFO_TEXT, CONGESTION_STATE]
    error = PduError(CommandStatus.ESME_RINVESMCLASS, "esm_class 4")
    assert refusal("submit_sm", 1, error, 0x50, settings, (busy,)).tlvs == (busy,)


@pytest.mark.parametrize(("version", "body"), [(0x34, None), (0x33, MessageIdResp())])
def test_only_3_4_leaves_the_body_out(version: int, body: MessageIdResp | None) -> None:
    resp = refused(version=version)
    assert resp.body == body
    assert decode(encode(resp)).command_status == CommandStatus.ESME_RTHROTTLED
