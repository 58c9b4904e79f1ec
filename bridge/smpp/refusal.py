"""A failure as a response PDU: its status, and its text for who asked for it (design section 4)."""

from __future__ import annotations

from typing import Final

from bridge.config import AccountSettings
from bridge.failure import Failure, render_failure, smpp_status
from bridge.smpp.layouts import ADDITIONAL_STATUS_INFO_TEXT, RESPONSES, TLV_RULES
from bridge.smpp.pdu import Pdu, PduError, Tlv

VERSION_50: Final = 0x50

_LONGEST_TEXT: Final = TLV_RULES[ADDITIONAL_STATUS_INFO_TEXT].longest - 1


def refusal(
    command: str,
    sequence_number: int,
    refused: Failure | PduError,
    interface_version: int,
    settings: AccountSettings | None,
) -> Pdu:
    """The response to ``command``; ``settings`` are the account's, None where there is none yet.

    The text goes to 5.0 binds, and to accounts that have ``failure_text``, as their ``reply_fmt``
    writes it.
    """
    response = RESPONSES[command]
    if isinstance(refused, PduError):
        return Pdu(response, sequence_number, command_status=refused.status)
    status = smpp_status(refused.reason, command, interface_version)
    if interface_version < VERSION_50 and not (settings is not None and settings.failure_text):
        return Pdu(response, sequence_number, command_status=status)
    text = render_failure(refused, 0 if settings is None else settings.reply_fmt)
    value = text.encode("ascii", "replace")[:_LONGEST_TEXT] + b"\0"
    return Pdu(response, sequence_number, None, (Tlv(ADDITIONAL_STATUS_INFO_TEXT, value),), status)
