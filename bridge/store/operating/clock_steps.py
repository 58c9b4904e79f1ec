"""After the clock was set: stored times that are wrong by the new clock, found and corrected.

A :class:`Correction` finds its rows with :func:`select_wrong` and changes some of them with
:func:`correct`. Schedules are times of the wall clock and stay as they are. Times are Unix times in
whole seconds.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from bridge.model.ids import first_id
from bridge.store.directory.verb import Statement, Verb, chunks, marks

#: Longest pauses before a notice is told again and a status is asked for again (seconds).
_NOTICE_PAUSE, _POLL_PAUSE = 300, 600
#: A message is asked for until this long after its validity (seconds).
_END_AFTER = 3600
#: The message is not for a later time, or that time has come already.
_UNSCHEDULED: Final = "scheduled_at IS NULL AND (attempts > 0 OR due_at <= accepted_at)"


class Correction(NamedTuple):
    """Rows of a ``table`` with this ``key`` and condition get ``value`` in a ``column``: a time, or
    with ``adds`` seconds to be added."""

    table: str
    key: str
    where: str
    args: tuple[int, ...]
    column: str
    value: int
    adds: bool = False


def set_back(now: int, retry_most: int) -> list[Correction]:
    """What would wait until the clock has caught up is due ``now``. ``retry_most``: the longest
    pause before a message is posted again (seconds)."""

    def due(table: str, column: str, where: str, after: int) -> Correction:
        return Correction(table, "id", f"{where} AND {column} > ?", (after,), column, now)

    waiting, owed = "state = 'accepted'", "ended_at = 0 AND kind <> 'delay'"
    polled = f"state = 'sent' AND poll_at < expires_at + {_END_AFTER}"
    return [
        due("message", "due_at", f"{waiting} AND attempts = 0 AND due_at <= accepted_at", now),
        due("message", "due_at", f"{waiting} AND attempts > 0", now + retry_most),
        due("message", "poll_at", polled, now + _POLL_PAUSE),
        due("notice", "due_at", f"{owed} AND due_at <= at", now),
        due("notice", "due_at", owed, now + _NOTICE_PAUSE),
        due("part_group", "begun_at", "id > 0", now),
    ]


def moved(now: int, step: int, node: int) -> list[Correction]:
    """Validities, and windows in which a repeat is recognised, end ``step`` seconds later (or
    earlier): the step is no time that has passed. Only those of messages that this node accepted
    before the step."""
    before = now - step
    own = "({id} >> 16) & 63 = ?".format
    accepted, known = ("accepted_at > ?", "message_id >= ?")
    args = (now, first_id(now + 1))
    if step > 0:
        accepted, known = ("accepted_at <= ?", "message_id < ?")
        args = (before, first_id(before + 1))
    validity = f"state IN ('accepted', 'held') AND {_UNSCHEDULED} AND {accepted}"
    window = f"until > ? AND {known}"
    return [
        Correction(
            "message",
            "id",
            f"{validity} AND {own(id='id')}",
            (args[0], node),
            "expires_at",
            step,
            adds=True,
        ),
        Correction(
            "fingerprint",
            "key",
            f"{window} AND {own(id='message_id')}",
            (before, args[1], node),
            "until",
            step,
            adds=True,
        ),
    ]


def set_forward(now: int, step: int) -> list[Correction]:
    """The time in which the other parts of a message may come begins again."""
    return [Correction("part_group", "id", "begun_at <= ?", (now - step,), "begun_at", now)]


def select_wrong(correction: Correction) -> Verb[list[object]]:
    """The keys of the rows to correct, in any order."""
    rows = yield Statement(
        f"SELECT {correction.key} FROM {correction.table} WHERE {correction.where}",  # noqa: S608
        correction.args,
    )
    return [row[0] for row in rows]


def correct(correction: Correction, keys: Sequence[object]) -> Verb[None]:
    """Corrects the rows with these keys that still meet the condition."""
    new = f"{correction.column} + ?" if correction.adds else "?"
    for some in chunks(keys):
        yield Statement(
            f"UPDATE {correction.table} SET {correction.column} = {new} "  # noqa: S608
            f"WHERE {correction.key} IN ({marks(some)}) AND {correction.where}",
            (correction.value, *some, *correction.args),
        )
