"""Differences between SMPP 3.3, 3.4 and 5.0: message ids, states, bodies of failed responses.

``interface_version`` is that of the client's bind (SMPP 3.4 §5.2.4), as :func:`spoken` reads it.
"""

from __future__ import annotations

import re
from typing import Final

from bridge.model.failure import Failure, Reason
from bridge.model.message import State
from bridge.smpp.protocol.layouts import BODIES
from bridge.smpp.protocol.pdu import Body

VERSION_33: Final = 0x33
VERSION_34: Final = 0x34
VERSION_50: Final = 0x50

#: 34 in decimal, as some clients write 3.4. SMPP 2.2 was never in use.
_DECIMAL_34: Final = 34

#: Responses that an error status leaves without a body: these in SMPP 3.4 (§4.1.2, §4.1.4, §4.4.2),
#: none in SMPP 3.3 and 5.0, where their fields are zero and empty.
_WITHOUT_BODY_34: Final = frozenset(
    {"bind_transmitter_resp", "bind_receiver_resp", "submit_sm_resp"}
)

#: The largest id of eight hexadecimal digits. Ids of the node's sequence are greater.
LAST_SHORT_ID: Final = 0xFFFF_FFFF

#: Ids of up to 53 bits, and the short ones.
_DECIMAL: Final = re.compile(rb"[0-9]{1,16}")
_HEXADECIMAL: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")
#: An id of a receipt whose account wants hexadecimal ones.
_LONG_HEXADECIMAL: Final = re.compile(rb"[0-9A-Fa-f]{9,14}")

#: message_state of SMPP 3.4 §5.2.28; ``sent`` is on its way to the phone.
MESSAGE_STATES: Final[dict[State, int]] = {
    State.ACCEPTED: 1,
    State.SENDING: 1,
    State.SENT: 1,
    State.HELD: 1,
    State.DELIVERED: 2,
    State.EXPIRED: 3,
    State.CANCELLED: 4,
    State.UNDELIVERABLE: 5,
    State.REJECTED: 8,
}
#: SMPP 3.4 §5.2.28.
UNKNOWN: Final = 7
#: SMPP 5.0 §4.7.15 only.
SCHEDULED: Final = 0
#: The state in SMPP 3.3 of a message that is REJECTED in 3.4.
_UNDELIVERABLE: Final = 5


def spoken(command: str, interface_version: int) -> int:
    """The version of a session that begins with this bind.

    SMPP 3.3 has no bind_transceiver: one with version 3.3, or without a version, means 3.4.
    """
    transceiver = command == "bind_transceiver"
    if interface_version == _DECIMAL_34 or (transceiver and interface_version <= VERSION_33):
        return VERSION_34
    return interface_version


def failed_body(response: str, interface_version: int) -> Body | None:
    """The body of a response with an error status; None if it has none."""
    if response in _WITHOUT_BODY_34 and VERSION_33 < interface_version < VERSION_50:
        return None
    body: Body = BODIES[response]()
    return body


def has_tlvs(interface_version: int) -> bool:
    """Whether the client knows optional parameters (SMPP 3.4 §1.4)."""
    return interface_version > VERSION_33


def has_short_ids(interface_version: int) -> bool:
    """Whether message ids are eight hexadecimal digits, as in SMPP 3.3."""
    return interface_version <= VERSION_33


def message_id_to(id: int, interface_version: int) -> bytes:
    """An id in the client's form: decimal, or the short id of SMPP 3.3."""
    return b"%08X" % id if has_short_ids(interface_version) else b"%d" % id


def receipted_id(id: int, *, hexadecimal: bool = False) -> bytes:
    """An id in a receipt, in the form of the answer to the submit; a short id is one of SMPP 3.3.
    ``hexadecimal`` is for clients that want all ids in receipts so."""
    if id <= LAST_SHORT_ID:
        return b"%08X" % id
    return b"%X" % id if hexadecimal else b"%d" % id


def message_id_from(message_id: bytes, interface_version: int) -> int:
    """The id that the client means; raises Failure(NOT_FOUND) if it cannot be one."""
    message_id = message_id.strip(b" ")
    if has_short_ids(interface_version) and _HEXADECIMAL.fullmatch(message_id):
        return int(message_id, 16)
    if _DECIMAL.fullmatch(message_id):
        return int(message_id)
    if _LONG_HEXADECIMAL.fullmatch(message_id):
        return int(message_id, 16)
    raise Failure(Reason.NOT_FOUND)


def message_state(
    state: State, scheduled: bool, interface_version: int, *, perhaps_sent: bool = False
) -> int:
    """``scheduled``: the message is not due yet. ``perhaps_sent``: it ended after an attempt with
    an unknown outcome."""
    value = MESSAGE_STATES[state]
    if perhaps_sent and state is State.CANCELLED:
        return UNKNOWN  # DELETED would mean that the phone does not get it
    if scheduled and value == MESSAGE_STATES[State.ACCEPTED] and interface_version >= VERSION_50:
        return SCHEDULED
    if state is State.REJECTED and interface_version <= VERSION_33:
        return _UNDELIVERABLE
    return value
