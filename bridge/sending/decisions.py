"""Decides the next state of each message of a batch after the API's answer.

Pure functions of the batch, the verdict and the time. :mod:`bridge.sending.pace` decides how fast
to go on, :mod:`bridge.sending.dispatcher` carries the decisions out.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from enum import Enum
from typing import NamedTuple

from bridge.cascade.answers import Meaning, Verdict
from bridge.model.message import Message, Receipts, State
from bridge.sending.pace import retry_delay
from bridge.store import Change

#: After an unknown outcome a message is sent again with the same tracking id, this many times at
#: most; then it is held.
MAX_UNKNOWN = 2
#: How long after the end of its validity a final status may still come (seconds).
END_AFTER = 3600
#: The cause of a message that ended after an attempt with an unknown outcome.
PERHAPS_SENT = "unknown whether the API took it"
#: Requests that may call for a notice when the API takes the message.
_INTERMEDIATE = int(Receipts.INTERMEDIATE | Receipts.ALIASES)  # a flag's own "&" is slow


class Rest(Enum):
    """The next step for the messages of a batch that do not change."""

    NONE = "there are none"
    SPLIT = "they are sent again in smaller batches, until refused ones are alone"
    BACK = "they are sent again unchanged"


class Decision(NamedTuple):
    """The changes to make durable, and what to do with the rest of the batch."""

    changes: list[Change]
    rest: Rest = Rest.NONE


def decide(
    batch: Sequence[Message],
    verdict: Verdict,
    now: float,
    *,
    hold_unknown: bool = False,
    poll_after: float | None = None,
    jitter: Callable[[], float] = random.random,
) -> Decision:
    """Decides about a posted batch. ``now`` is Unix time. ``hold_unknown``: messages with an
    unknown outcome are held at once instead of sent again. ``poll_after``: seconds until the API is
    asked for statuses (``None``: only after the validity). ``jitter`` is drawn once for the batch,
    so that its messages are retried in one request."""
    drawn = jitter()

    def unknown(message: Message, cause: str) -> Change:
        return after_unknown(message, cause, now, hold=hold_unknown, drawn=drawn)

    meaning, cause = verdict.meaning, verdict.cause
    if meaning is Meaning.TAKEN:
        ids = verdict.ids
        poll_at = None if poll_after is None else math.ceil(now + poll_after)
        return Decision(
            [
                Change.__new__(
                    Change,
                    m.id,
                    State.SENT,
                    ids[key],
                    poll_at=m.expires_at + END_AFTER if poll_at is None else poll_at,
                    notify=int(m.receipts) & _INTERMEDIATE != 0,
                )
                if (key := str(m.id)) in ids
                else unknown(m, "the answer does not name the message")
                for m in batch
            ]
        )
    if meaning is Meaning.UNKNOWN:
        return Decision([unknown(m, cause) for m in batch])
    if meaning is Meaning.BROKEN:
        return Decision([_again(m, m.unknown, cause, now, drawn) for m in batch])
    if meaning in (Meaning.BAD, Meaning.FORBIDDEN, Meaning.TOO_LARGE):
        if len(batch) == 1:
            return Decision([_refused(batch[0], verdict)])
        # A batch that is too large is cut by the new limit.
        return Decision([], Rest.BACK if meaning is Meaning.TOO_LARGE else Rest.SPLIT)
    return Decision([], Rest.BACK)


def after_unknown(
    message: Message,
    cause: str,
    now: float,
    *,
    hold: bool,
    drawn: float = 0.5,
) -> Change:
    """The API may have the message or not: send it again with the same id, or hold it for the
    operator.

    ``drawn`` is the batch's jitter, 0 to 1.
    """
    unknown = message.unknown + 1
    again = _again(message, unknown, cause, now, drawn)
    return again._replace(state=State.HELD) if hold or unknown > MAX_UNKNOWN else again


def expired(message: Message) -> Change:
    """Its validity ended while it waited. The cause says so if an earlier attempt may have reached
    the API: the message was perhaps sent."""
    return Change(
        message.id,
        State.EXPIRED,
        due_at=message.due_at,
        attempts=message.attempts,
        unknown=message.unknown,
        cause=PERHAPS_SENT if message.unknown else "",
    )


def _again(message: Message, unknown: int, cause: str, now: float, drawn: float) -> Change:
    attempts = message.attempts + 1
    return Change(
        message.id,
        State.ACCEPTED,
        due_at=math.ceil(now + retry_delay(attempts, drawn)),
        attempts=attempts,
        unknown=unknown,
        cause=cause,
    )


def _refused(message: Message, verdict: Verdict) -> Change:
    """The API refused one message. It is held if the refusal is not about the message itself, or
    if the API may have accepted it in an earlier attempt."""
    final = verdict.meaning is not Meaning.FORBIDDEN and not message.unknown
    return Change(
        message.id,
        State.REJECTED if final else State.HELD,
        due_at=message.due_at,
        attempts=message.attempts + 1,
        unknown=message.unknown,
        failure=verdict.failure.reason.name,
        cause=verdict.cause,
    )
