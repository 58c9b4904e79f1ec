"""How much waits, is held and is owed, and since when."""

from __future__ import annotations

from typing import Final, NamedTuple

from bridge.store.directory.verb import Statement, Verb

#: States whose messages are counted: they have small indexes of their own.
_STATES: Final = ("accepted", "held")


class Waiting(NamedTuple):
    """So many, the oldest from ``oldest_id`` on (0: there are none)."""

    messages: int
    oldest_id: int


class OwedCount(NamedTuple):
    """So many notices of a kind, the oldest from this Unix time."""

    messages: int
    oldest: int


class StoreCounts(NamedTuple):
    """By state, and by the kind of notice."""

    queue: dict[str, Waiting]
    owed: dict[str, OwedCount]


def count_all() -> Verb[StoreCounts]:
    """Counts by indexes alone."""
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
