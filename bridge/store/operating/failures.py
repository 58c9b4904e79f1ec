"""Failed messages: counted by reason, and the newest."""

from __future__ import annotations

from typing import Final, NamedTuple

from bridge.model.ids import first_id
from bridge.model.message import State, Stored
from bridge.store.directory.verb import Statement, Verb
from bridge.store.rows import STORED, to_stored

_STORED: Final = ", ".join(STORED)
_FAILED: Final = ", ".join(
    f"'{state.value}'" for state in (State.UNDELIVERABLE, State.EXPIRED, State.REJECTED)
)
_REASON: Final = "CASE WHEN failure <> '' THEN failure WHEN status <> '' THEN status ELSE state END"


class FailureGroup(NamedTuple):
    """Messages that failed for one reason: the name of a failure, a status of the API, or the
    state.

    ``newest`` is the id of the newest.
    """

    reason: str
    messages: int
    newest: int


def group_failures(since: int, account: str, limit: int) -> Verb[list[FailureGroup]]:
    """Failed messages among those accepted since then (Unix time), the most frequent reason
    first."""
    rows = yield Statement(
        f"SELECT {_REASON}, count(*), max(id) FROM message WHERE id >= ? "  # noqa: S608
        f"AND state IN ({_FAILED}) AND (account = ? OR ? = '') "
        "GROUP BY 1 ORDER BY count(*) DESC, max(id) DESC LIMIT ?",
        (first_id(since), account, account, limit),
    )
    return [FailureGroup(*row) for row in rows]


def newest_failures(since: int, account: str, reason: str, limit: int) -> Verb[list[Stored]]:
    """The newest failed messages among those accepted since then (Unix time)."""
    rows = yield Statement(
        f"SELECT {_STORED} FROM message WHERE id >= ? "  # noqa: S608
        f"AND state IN ({_FAILED}) AND (account = ? OR ? = '') "
        f"AND ({_REASON} = ? OR ? = '') ORDER BY id DESC LIMIT ?",
        (first_id(since), account, account, reason, reason, limit),
    )
    return [to_stored(row) for row in rows]
