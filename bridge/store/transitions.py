"""What becomes of a message, whichever engine holds it: plain functions, no SQL and no I/O.

The states and where they lead are in :data:`bridge.model.message.TRANSITIONS`. A message in an
attempt is stored as ``accepted``: that it is being sent is what the attempt says.
"""

from __future__ import annotations

from typing import Final, NamedTuple

import orjson

from bridge.model.message import TRANSITIONS, State
from bridge.store.types import Noted, Status

#: Nobody is sending a message in one of these states, unless it is in an attempt.
IDLE: Final = (State.ACCEPTED, State.HELD)
#: The longest time between two questions about one message (seconds).
MAX_POLL: Final = 600
#: Stored with a message that ended because the API never said what became of it.
NO_STATUS: Final = "no status was received"


def movable_from(to: State) -> tuple[State, ...]:
    """The states from which a message that nobody is sending can be moved to this one."""
    return tuple(state for state in IDLE if to in TRANSITIONS[state])


class Standing(NamedTuple):
    """What of a stored message a status may change; as in :class:`bridge.model.message.Stored`."""

    state: str
    status: str
    status_at: int
    changed_at: int
    cost: str
    counted_parts: int
    err: int
    cause: str


def note_status(standing: Standing, status: Status) -> tuple[Noted, Standing]:
    """What a status is to a message, and how the message stands afterwards.

    Only a message that was sent changes its state. After its end a status may still add what the
    API counted; one that contradicts the end is late and changes nothing.
    """
    to, word = status.state, status.word
    is_sent = standing.state == State.SENT._value_
    if is_sent and to is not None:
        noted = Noted.CHANGED
        standing = standing._replace(
            state=to._value_,
            changed_at=status.at,
            err=status.err,
            cause=standing.cause if word else NO_STATUS,
        )
    elif not is_sent and to is not None and to._value_ != standing.state:
        return Noted.LATE, standing
    elif (status.cost and not standing.cost) or (is_sent and word != standing.status):
        noted = Noted.KEPT
    else:
        return Noted.REPEATED, standing
    return noted, standing._replace(
        status=word if is_sent else standing.status,
        cost=status.cost or standing.cost,
        counted_parts=status.counted_parts or standing.counted_parts,
        status_at=status.at,
    )


def poll_interval(now: int, sent_at: int) -> int:
    """How long after a question the next follows: as long as the message has been on its way."""
    return max(1, min(MAX_POLL, now - sent_at))


def without_subject(envelope: str) -> str:
    """The envelope of a mail whose text is blanked: the subject may be the text."""
    if not envelope:
        return envelope
    fields = orjson.loads(envelope)
    fields.pop("subject", None)
    return orjson.dumps(fields).decode()
