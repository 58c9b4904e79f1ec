"""Changes of a message's state, for both engines: plain functions, no SQL and no I/O.

:data:`bridge.model.message.TRANSITIONS` has the states and their transitions. A message in an
attempt is stored as ``accepted``: the attempt tells that it is being sent.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from bridge.model.message import TRANSITIONS, State
from bridge.store.types import Noted, Status

#: States of a message that is not being sent, unless it is in an attempt.
IDLE: Final = (State.ACCEPTED, State.HELD)
#: Ends of a message that did not arrive, and whose client was not refused: the same parts again are
#: another message.
NOT_ARRIVED: Final = (State.CANCELLED, State.EXPIRED, State.UNDELIVERABLE)
#: The longest time between two status requests for one message (seconds).
MAX_POLL: Final = 600
#: The cause of a message that ended without a final status from the API.
NO_STATUS: Final = "no status was received"


def movable_from(to: State) -> tuple[State, ...]:
    """The states from which an idle message can be moved to this one."""
    return tuple(state for state in IDLE if to in TRANSITIONS[state])


class Standing(NamedTuple):
    """The fields of a stored message that a status may change; as in
    :class:`bridge.model.message.Stored`."""

    state: str
    status: str
    status_at: int
    changed_at: int
    cost: str
    counted_parts: int
    err: int
    cause: str


def note_status(standing: Standing, status: Status) -> tuple[Noted, Standing]:
    """The effect of a status on a message, and the message's fields afterwards.

    Only a sent message changes its state. After the final state a status may still add the API's
    cost and part count; one that contradicts the final state is late and changes nothing.
    """
    state, last_word, _, changed_at, cost, counted_parts, err, cause = standing
    _, word, to, at, new_cost, new_parts, new_err = status
    is_sent = state == State.SENT._value_
    if is_sent and to is not None:
        noted = Noted.CHANGED
        state, changed_at, err = to._value_, at, new_err
        cause = cause if word else NO_STATUS
    elif not is_sent and to is not None and to._value_ != state:
        return Noted.LATE, standing
    elif (new_cost and not cost) or (is_sent and word != last_word):
        noted = Noted.KEPT
    else:
        return Noted.REPEATED, standing
    if is_sent:
        last_word = word
    cost, counted_parts = new_cost or cost, new_parts or counted_parts
    return noted, Standing(state, last_word, at, changed_at, cost, counted_parts, err, cause)


def poll_interval(now: int, sent_at: int) -> int:
    """Seconds until the next status request: as long as the message has been on its way."""
    return max(1, min(MAX_POLL, now - sent_at))


def without_subject(envelope: str) -> str:
    """The envelope of a mail without its subject, which may contain the blanked text."""
    if not envelope:
        return envelope
    fields = orjson.loads(envelope)
    fields.pop("subject", None)
    return orjson.dumps(fields).decode()
