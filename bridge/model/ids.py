"""Ids of submissions, messages and parts: one time-ordered sequence.

An id is ``seconds since 2025-01-01 (31 bits) · node (6) · sequence (16)`` and fits in the 53 bits
of a JSON number. Beyond 65,536 ids in a second, ids of later seconds are given.
"""

from __future__ import annotations

from collections.abc import Callable

EPOCH = 1_735_689_600  # 2025-01-01T00:00:00Z
MAX_NODE = 63

_NODE_SHIFT = 16
_SECOND_SHIFT = 22
_SEQUENCE_MASK = 0xFFFF


def first_id(unix_time: float) -> int:
    """The smallest id of that second, to compare ids with times."""
    return max(0, int(unix_time) - EPOCH) << _SECOND_SHIFT


def second_of(id: int) -> int:
    """The approximate Unix time at which the id was given."""
    return (id >> _SECOND_SHIFT) + EPOCH


def node_of(id: int) -> int:
    """The node that gave the id."""
    return id >> _NODE_SHIFT & MAX_NODE


class Ids:
    """Gives unique ids.

    ``last`` is the greatest id ever stored. The sequence starts after it or at the clock, whichever
    is later, so that neither a clock that was set back nor a reused node number repeats an id.
    """

    def __init__(self, node: int, last: int, clock: Callable[[], float]) -> None:
        if not 0 <= node <= MAX_NODE:
            raise ValueError(f"a node number is 0 to {MAX_NODE}, not {node}")
        self._node = node << _NODE_SHIFT
        self._clock = clock
        self._second = (last >> _SECOND_SHIFT) + 1 if last else 0
        self._sequence = -1

    def next(self) -> int:
        second = int(self._clock()) - EPOCH
        if second > self._second:
            self._second = second
            self._sequence = 0
        else:
            self._sequence += 1
            if self._sequence > _SEQUENCE_MASK:
                self._second += 1
                self._sequence = 0
        return self._second << _SECOND_SHIFT | self._node | self._sequence
