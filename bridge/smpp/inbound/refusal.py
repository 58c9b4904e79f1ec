"""A failure as a response PDU: its status, and its text for clients that get texts."""

from __future__ import annotations

from typing import Final

from bridge.config.settings import AccountSettings
from bridge.model.failure import Failure, render_failure, smpp_status
from bridge.smpp.protocol.layouts import RESPONSES
from bridge.smpp.protocol.pdu import Pdu, PduError, Tlv
from bridge.smpp.protocol.tlvs import ADDITIONAL_STATUS_INFO_TEXT, TLVS
from bridge.smpp.protocol.versions import VERSION_50, failed_body, has_tlvs

_LONGEST_TEXT: Final = TLVS["additional_status_info_text"].longest - 1


def refusal(
    command: str,
    sequence_number: int,
    refused: Failure | PduError,
    interface_version: int,
    settings: AccountSettings | None,
    tlvs: tuple[Tlv, ...] = (),
) -> Pdu:
    """The response to ``command``; ``settings`` are the account's, None before the login.

    The text, written as ``reply_fmt`` says, goes to 5.0 sessions, and to accounts with
    ``failure_text`` whose clients know TLVs. ``tlvs`` are added.
    """
    response = RESPONSES[command]
    body = failed_body(response, interface_version)
    if isinstance(refused, PduError):
        return Pdu(response, sequence_number, body, tlvs, refused.status)
    status = smpp_status(refused.reason, command, interface_version)
    told = settings is not None and settings.failure_text and has_tlvs(interface_version)
    if told or interface_version >= VERSION_50:
        text = render_failure(refused, 0 if settings is None else settings.reply_fmt)
        value = text.encode("ascii", "replace")[:_LONGEST_TEXT] + b"\0"
        tlvs = (Tlv(ADDITIONAL_STATUS_INFO_TEXT, value), *tlvs)
    return Pdu(response, sequence_number, body, tlvs, status)
