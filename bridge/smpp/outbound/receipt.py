"""Receipts: the text of Appendix B and the TLVs (SMPP 3.4 §5.2.12, §5.2.28, §5.3.2.35, B).

The text is a line for other programs. It has no octet below 0x20, because parsers of some client
libraries end at the first one.
"""

from __future__ import annotations

import re
from datetime import datetime, tzinfo
from functools import lru_cache
from typing import Final

from bridge.model import gsm0338
from bridge.model.message import State
from bridge.model.notice import Owed, Unjoined
from bridge.model.state_names import err_of, err_unsent
from bridge.smpp.outbound.deliver_pdu import Outgoing, Style, addresses, data_sm, deliver_sm, tlv
from bridge.smpp.protocol.tlvs import MESSAGE_STATE, NETWORK_ERROR_CODE, RECEIPTED_MESSAGE_ID
from bridge.smpp.protocol.versions import (
    VERSION_33,
    VERSION_50,
    has_tlvs,
    message_state,
    receipted_id,
)

#: esm_class (SMPP 3.4 §5.2.12): a receipt of a final state, and an intermediate notification. SMPP
#: 3.3 has only the first.
RECEIPT: Final = 0x04
INTERMEDIATE: Final = 0x20

#: message_state → ``stat`` (SMPP 3.4 Appendix B, table B-2).
STATS: Final[dict[int, bytes]] = {
    1: b"ENROUTE",
    2: b"DELIVRD",
    3: b"EXPIRED",
    4: b"DELETED",
    5: b"UNDELIV",
    6: b"ACCEPTD",
    7: b"UNKNOWN",
    8: b"REJECTD",
}

#: The type of network in network_error_code: GSM, and from SMPP 5.0 on the message centre's own.
_GSM: Final = b"\3"
_MESSAGE_CENTRE: Final = b"\x08"

#: Characters with the same octet in every alphabet of data_coding 0.
_PLAIN: Final = re.compile("[ !\"#%&'()*+,./0-9:;<=>?A-Za-z-]*")
#: Characters of the message's text in a receipt (Appendix B).
_TEXT: Final = 20
#: Replaces a character that the alphabet writes with an octet below 0x20.
_UNPRINTABLE: Final = b"?"


def receipt(owed: Owed, style: Style) -> Outgoing:
    """The receipt of a message's new state, or of the end of a part without a message.

    Raises ValueError if the message is deleted.
    """
    notice, stored = owed.notice, owed.stored
    state = notice.state
    if state is None:
        raise ValueError("a receipt without a state")
    text, perhaps_sent = "", False
    if stored is not None:
        message = stored.message
        phone, sender, accepted_at = message.phone, message.sender, message.accepted_at
        # The message may have a later state than the notice.
        err = err_of(stored) if stored.state is state else 0
        perhaps_sent = stored.perhaps_sent
        if style.with_text:
            text = message.text[:_TEXT]
    elif notice.content:
        about = Unjoined.from_content(notice.content)
        phone, sender, accepted_at = about.phone, about.sender, about.accepted_at
        err = err_unsent(state)
    else:
        raise ValueError("the message was deleted")
    version = style.interface_version
    value = message_state(state, False, version, perhaps_sent=perhaps_sent)
    id = receipted_id(notice.known_as, hexadecimal=style.hex_ids)
    words = b"id:%b sub:001 dlvrd:%b submit date:%b done date:%b stat:%b err:%03d text:%b" % (
        id,
        b"001" if state is State.DELIVERED else b"000",
        _date(accepted_at, style.zone, style.date_format),
        _date(notice.at, style.zone, style.date_format),
        STATS[value],
        err,
        _excerpt(text, style.alphabet) if text else b"",
    )
    esm_class = INTERMEDIATE if state is State.SENT and version > VERSION_33 else RECEIPT
    tlvs = b""
    if has_tlvs(version):
        network = _MESSAGE_CENTRE if version >= VERSION_50 else _GSM
        tlvs = b"".join(
            (
                tlv(RECEIPTED_MESSAGE_ID, id + b"\0"),
                tlv(MESSAGE_STATE, bytes((value,))),
                tlv(NETWORK_ERROR_CODE, network + err.to_bytes(2, "big")),
            )
        )
    write = data_sm if style.data_sm else deliver_sm
    return write(addresses(phone, sender), esm_class, 0, words, tlvs)


@lru_cache(maxsize=4096)  # many receipts in a row have the same text
def _date(unix_time: int, zone: tzinfo, date_format: str) -> bytes:
    return datetime.fromtimestamp(unix_time, zone).strftime(date_format).encode()


def _excerpt(text: str, alphabet: str) -> bytes:
    """The beginning of an ASCII text in the alphabet of data_coding 0; empty for other texts."""
    if _PLAIN.fullmatch(text):
        return text.encode()
    if not text.isascii():
        return b""
    if not text.isprintable():
        # Parsers expect a receipt to be one line.
        text = "".join(char if char.isprintable() else " " for char in text)
    if not alphabet.startswith("gsm7"):
        return text.encode()
    written = [gsm0338.encode(char) for char in text]
    return b"".join(
        octets if octets and min(octets) >= 0x20 else _UNPRINTABLE for octets in written
    )
