"""What differs between SMPP 3.3, 3.4 and 5.0: message ids, states, and what a client may be told.

``interface_version`` is what the client's bind says (SMPP 3.4 §5.2.4).
"""

from __future__ import annotations

import re
from typing import Final

from bridge.model.failure import Failure, Reason
from bridge.model.message import State

VERSION_33: Final = 0x33
VERSION_34: Final = 0x34
VERSION_50: Final = 0x50

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
