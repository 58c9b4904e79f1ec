"""Counts for operators: waiting and held messages, owed notices, and the oldest of each."""

from __future__ import annotations

from typing import Final, NamedTuple

from bridge.store.directory.verb import Statement, Verb

#: The states that are counted; each has a small index.
_STATES: Final = ("accepted", "held")


class Waiting(NamedTuple):
    """The number of messages in a state, and the id of the oldest (0: none)."""

    messages: int
    oldest_id: int


class OwedCount(NamedTuple):
    """The number of notices of a kind, and the Unix time of the oldest."""

    messages: int
    oldest: int


class StoreCounts(NamedTuple):
    """All counts: by state, and by kind of notice."""

    queue: dict[str, Waiting]
    owed: dict[str, OwedCount]


def count_all() -> Verb[StoreCounts]:
    """Counts, reading only indexes."""
    queue: dict[str, Waiting] = {}
    for state in _STATES:
        [[count, oldest]] = yield Statement(
            f"SELECT count(*), min(id) FROM message WHERE state = '{state}'"  # noqa: S608
        )
        queue[state] = Waiting(count, oldest or 0)
    rows = yield Statement(
        "SELECT kind, count(*), min(at) FROM notice WHERE ended_at = 0 GROUP BY kind"
    )
    return StoreCounts(queue, {kind: OwedCount(count, oldest) for kind, count, oldest in rows})
