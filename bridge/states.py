"""What states are called elsewhere: one for several messages, and the SMSC's codes (design
section 5) in the ``fmt`` forms that its clients read.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final, NamedTuple, Protocol, TypeVar

from bridge.failure import Reason
from bridge.message import FINAL, State, Stored

#: What a submission of several messages has come to, when all of them have: the first of these.
_WORST_FIRST: Final = (
    State.UNDELIVERABLE,
    State.REJECTED,
    State.EXPIRED,
    State.CANCELLED,
    State.DELIVERED,
)

#: SMSC's code of a state, where nothing else is known.
_CODES: Final = {
    State.ACCEPTED: -1,  # waiting
    State.SENDING: -1,
    State.HELD: -1,
    State.SENT: 0,  # handed over
    State.DELIVERED: 1,
    State.EXPIRED: 3,
    State.UNDELIVERABLE: 20,  # impossible to deliver
    State.REJECTED: 20,
    State.CANCELLED: -2,  # stopped
}
#: What the API refused for one of these reasons says more: wrong number, prohibited.
_BY_REASON: Final = {
    Reason.WRONG_PHONE.name: 22,
    Reason.PROHIBITED.name: 23,
    Reason.SENDER_NOT_ALLOWED.name: 23,
}
#: And so do some of the ``err`` codes of what could not be delivered; 25 is an unavailable number.
_BY_ERR: Final = {1: 22, 249: 22, 250: 23, 252: 23, 253: 23, 254: 23, 11: 25, 13: 25, 21: 25}


class HasState(Protocol):
    @property
    def state(self) -> State: ...


T = TypeVar("T", bound=HasState)


def telling(found: Sequence[T]) -> T:
    """The one of several whose state stands for all: one on its way, else how it went worst."""
    for one in found:
        if one.state not in FINAL:
            return one
    return min(found, key=lambda one: _WORST_FIRST.index(one.state))


class SmscStatus(NamedTuple):
    """A code, and since when it holds (Unix time)."""

    code: int
    since: int


def smsc_status(stored: Stored) -> SmscStatus:
    """What SMSC's clients are told of a message."""
    code = _CODES[stored.state]
    if stored.state is State.REJECTED:
        code = _BY_REASON.get(stored.failure, code)
    elif stored.state is State.UNDELIVERABLE:
        code = _BY_ERR.get(stored.err, code)
    return SmscStatus(code, stored.changed_at or stored.message.accepted_at)


def render_status(status: SmscStatus, fmt: int, zone: tzinfo | None = None) -> str:
    """The status as an SMSC-style answer, one line (``fmt`` 0–3); ``zone`` is that of the date,
    the system's own unless it is given."""
    code, since = status
    date = datetime.fromtimestamp(since, zone).strftime("%d.%m.%Y %H:%M:%S")
    if fmt == 0:
        return f"Status = {code}, check_time = {date}"
    if fmt == 1:
        return f"{code},{since}"
    fields = {"status": code, "last_date": date, "last_timestamp": since}
    if fmt == 2:
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in fields.items())
        return f"<result>{inner}</result>"
    return json.dumps(fields)
