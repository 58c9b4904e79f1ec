"""Retention: when the store may delete a message. Never while one of its notices is owed.

The time counts from a message's final state, and for a message from a phone from its last notice.
Both engines walk over old rows with a :class:`Walk`, and decide with :func:`is_over`.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Final

from bridge.model.message import FINAL
from bridge.store.rows import Row, to_message

#: Interval for checking again texts that could not be blanked (seconds).
BLANK_AGAIN: Final = 3600
#: The common fields of their messages, as :mod:`bridge.store.directory.staging` stores them.
SEND_OUTS_UNDER_WAY: Final = (
    "SELECT head FROM import_file WHERE kind = 'send_out' AND committed = 1"
)
_FINAL: Final = frozenset(state.value for state in FINAL)


def is_over(state: str, ended_at: int, owed: bool, before: int) -> bool:
    """Whether a message ended before then (Unix times) and none of its notices is owed.

    ``state`` is empty for a message from a phone.
    """
    return (not state or state in _FINAL) and ended_at < before and not owed


def unfinished(heads: Iterable[Row]) -> set[int]:
    """The submissions of send-outs whose messages are not all stored yet: they stay, even if the
    messages stored so far are deleted. ``heads`` are the rows of :data:`SEND_OUTS_UNDER_WAY`."""
    return {to_message(json.loads(head)["message"]).submission_id for [head] in heads}


class Walk:
    """The position of a walk over old rows, from the oldest on.

    Rows that must stay are skipped. At its end the walk begins again at the first of these, after
    the age limit has moved on by ``again_after`` seconds.
    """

    def __init__(self, again_after: int = 0) -> None:
        self._again_after = again_after
        self._again_at = 0
        self._first_passed = 0
        #: The id behind which the next step looks.
        self.after = 0

    def step(
        self, rows: Sequence[tuple[int, bool]], limit: int, before: int
    ) -> tuple[list[int], int]:
        """Takes the ids after :attr:`after`, each with whether it may go; returns those that may,
        and how many ids there were (at the end of the walk: how many may go)."""
        gone = [id for id, may_go in rows if may_go]
        if not self._first_passed:
            self._first_passed = next((id for id, may_go in rows if not may_go), 0)
        if rows:
            self.after = rows[-1][0]
        if len(rows) == limit:
            return gone, limit
        if self._first_passed and before >= self._again_at:
            self.after, self._first_passed = self._first_passed - 1, 0
            self._again_at = before + self._again_after
        return gone, len(gone)
