"""When the store may forget: counted from the end of a life, never while anything is owed of it.

A message lives until its final state, a message from a phone until the last who is to get it has
it. Both engines walk over what is old with a :class:`Walk`, and decide with :func:`is_over`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.model.message import FINAL

#: How often texts are looked at again that could not be blanked (seconds).
BLANK_AGAIN: Final = 3600
_FINAL: Final = frozenset(state.value for state in FINAL)


def is_over(state: str, ended_at: int, owed: bool, before: int) -> bool:
    """Whether a life ended before then (Unix times), and nobody is to hear of it any more.

    ``state`` is a message's; a message from a phone has none.
    """
    return (not state or state in _FINAL) and ended_at < before and not owed


class Walk:
    """Where a walk over what is old stands, from the oldest on.

    What cannot go yet is passed over. When the end is reached the walk begins again at the first
    of these, but not before ``again_after`` seconds of the time up to which things are old.
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
        """Takes the ids behind :attr:`after` with whether each may go; gives those that may, and
        how many there were: at the end of the walk those that go alone."""
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
