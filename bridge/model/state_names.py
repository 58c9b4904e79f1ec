"""Forms of states for clients: one for several messages, the digits of ``err``, and SMSC's codes in
the ``fmt`` forms.

Receipts, query_sm and the commands use this module, so that they agree.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import datetime, tzinfo
from typing import Final, NamedTuple

from bridge.model.message import FINAL, State, Stored

#: The final state of a submission: the first of these that one of its messages has.
_WORST_FIRST: Final = (
    State.UNDELIVERABLE,
    State.REJECTED,
    State.EXPIRED,
    State.CANCELLED,
    State.DELIVERED,
)

#: State → SMSC's code, without an ``err``.
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
#: ``err`` → SMSC's code of an undelivered message: 22 wrong number, 23 prohibited, 25 unavailable.
_BY_ERR: Final = {
    **dict.fromkeys((1, 249), 22),
    **dict.fromkeys((250, 251, 252, 253, 254), 23),
    **dict.fromkeys((11, 13, 21), 25),
}

#: ``err`` where the API's words did not say it, as SMSC's clients know the codes (reference:
#: providers, section 4): by the reason of the failure, by the state of what was sent, and of what
#: never was.
REASON_ERRORS: Final[dict[str, int]] = {
    "TOO_FAST": 247,
    "WRONG_PHONE": 249,
    "PROHIBITED": 250,
    "DUPLICATE": 251,
    "SENDER_NOT_ALLOWED": 254,
}
STATE_ERRORS: Final[dict[State, int]] = {
    State.EXPIRED: 6,
    State.UNDELIVERABLE: 6,
    State.REJECTED: 255,
}
NEVER_SENT: Final = 248
#: "No status received": an attempt may have reached the API.
NOTHING_HEARD: Final = 245


def telling(found: Sequence[Stored]) -> Stored:
    """The message whose state stands for all: one that is on its way, else the one with the worst
    state."""
    for one in found:
        if one.state not in FINAL:
            return one
    return min(found, key=lambda one: _WORST_FIRST.index(one.state))


def err_of(known: Stored) -> int:
    """The ``err`` code of three digits at most; 0 without an error."""
    if known.err:
        return known.err
    if known.perhaps_sent:
        return NOTHING_HEARD
    if known.state is State.EXPIRED and not known.sent_at:
        return NEVER_SENT
    general = STATE_ERRORS.get(known.state, 0)
    return REASON_ERRORS.get(known.failure, general) if general else 0


def err_unsent(state: State) -> int:
    """The ``err`` code of a part that was not joined, by its state."""
    return NEVER_SENT if state is State.EXPIRED else STATE_ERRORS.get(state, 0)


class SmscStatus(NamedTuple):
    """A code, and the Unix time since when it is valid."""

    code: int
    since: int


def smsc_status(stored: Stored) -> SmscStatus:
    """The status of a message for SMSC's clients."""
    # "Stopped" means that it was not sent; "expired" is also for a status that never came.
    code = _CODES[State.EXPIRED if stored.perhaps_sent else stored.state]
    if stored.state in (State.REJECTED, State.UNDELIVERABLE):
        code = _BY_ERR.get(err_of(stored), code)
    return SmscStatus(code, stored.changed_at or stored.message.accepted_at)


def smsc_status_of_part(state: State, since: int) -> SmscStatus:
    """The status of a part that was not joined."""
    return SmscStatus(_CODES[state], since)


def render_status(status: SmscStatus, fmt: int, zone: tzinfo | None = None) -> str:
    """The status as an SMSC-style answer, one line (``fmt`` 0–3); ``zone`` is that of the date
    (default: the system's)."""
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
