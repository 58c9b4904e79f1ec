"""What differs between SMPP 3.3, 3.4 and 5.0: message ids, states, bodies of failed responses.

``interface_version`` is what the client's bind says (SMPP 3.4 §5.2.4), as :func:`spoken` reads it.
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

#: 34 written in decimal, as some clients do: no version 2.2 of SMPP was ever in use.
_DECIMAL_34: Final = 34

#: Responses that an error status leaves without a body. SMPP 3.4 says so of these alone (§4.1.2,
#: §4.1.4, §4.4.2), SMPP 3.3 and 5.0 of none: there the fields are zero and empty.
_WITHOUT_BODY_34: Final = frozenset(
    {"bind_transmitter_resp", "bind_receiver_resp", "submit_sm_resp"}
)

#: Ids that eight hexadecimal digits have room for. No id of the one sequence is that small.
LAST_SHORT_ID: Final = 0xFFFF_FFFF

#: Ids of up to 53 bits, and the short ones.
_DECIMAL: Final = re.compile(rb"[0-9]{1,16}")
_HEXADECIMAL: Final = re.compile(rb"[0-9A-Fa-f]{1,8}")

#: message_state of SMPP 3.4 §5.2.28; sent is on its way to the phone.
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
#: SMPP 5.0 §4.7.15 only.
SCHEDULED: Final = 0
#: What SMPP 3.3 says of a message that 3.4 calls REJECTED.
_UNDELIVERABLE: Final = 5


def spoken(command: str, interface_version: int) -> int:
    """The version of a session that begins with this bind.

    SMPP 3.3 has no bind_transceiver: who sends one and says 3.3, or nothing, speaks 3.4.
    """
    transceiver = command == "bind_transceiver"
    if interface_version == _DECIMAL_34 or (transceiver and interface_version <= VERSION_33):
        return VERSION_34
    return interface_version


def failed_body(response: str, interface_version: int) -> Body | None:
    """The body of a response with an error status; None where it has none."""
    if response in _WITHOUT_BODY_34 and VERSION_33 < interface_version < VERSION_50:
        return None
    body: Body = BODIES[response]()
    return body


def has_tlvs(interface_version: int) -> bool:
    """Whether the client knows of optional parameters (SMPP 3.4 §1.4)."""
    return interface_version > VERSION_33


def has_short_ids(interface_version: int) -> bool:
    """Whether message ids are eight hexadecimal digits, as SMPP 3.3 has them."""
    return interface_version <= VERSION_33


def message_id_to(id: int, interface_version: int) -> bytes:
    """An id as the client reads it: decimal, or the short id of SMPP 3.3."""
    return b"%08X" % id if has_short_ids(interface_version) else b"%d" % id


def receipted_id(id: int, *, hexadecimal: bool = False) -> bytes:
    """An id as the client was told it, by a session of whichever version: a short one is SMPP
    3.3's. ``hexadecimal`` is for clients that want all of them so in receipts."""
    if id <= LAST_SHORT_ID:
        return b"%08X" % id
    return b"%X" % id if hexadecimal else b"%d" % id


def message_id_from(message_id: bytes, interface_version: int) -> int:
    """The id that the client means; raises Failure(NOT_FOUND) for what was never one."""
    if has_short_ids(interface_version) and _HEXADECIMAL.fullmatch(message_id):
        return int(message_id, 16)
    if _DECIMAL.fullmatch(message_id):
        return int(message_id)
    raise Failure(Reason.NOT_FOUND)


def message_state(state: State, scheduled: bool, interface_version: int) -> int:
    """``scheduled`` says that the message is not due yet."""
    value = MESSAGE_STATES[state]
    if scheduled and value == MESSAGE_STATES[State.ACCEPTED] and interface_version >= VERSION_50:
        return SCHEDULED
    if state is State.REJECTED and interface_version <= VERSION_33:
        return _UNDELIVERABLE
    return value
