"""Limits on an account's calls of the directory, over all nodes.

The dialect allows three identical calls in a minute, and fewer than fifteen at once.
"""

from __future__ import annotations

from typing import Final

from bridge.model.failure import Failure, Reason
from bridge.store.directory.verb import Statement, Verb

IDENTICAL: Final = 3
AT_ONCE: Final = 15
#: Seconds in which calls are counted.
WITHIN: Final = 60


def begin_call(account: str, digest: bytes, now: int) -> Verb[int]:
    """Counts a call and returns its id for :func:`end_call`. Raises Failure: DUPLICATE for too many
    identical calls, TOO_MANY_SESSIONS for too many at once."""
    yield Statement("DELETE FROM recent_call WHERE account = ? AND at < ?", (account, now - WITHIN))
    [[same, at_once]] = yield Statement(
        "SELECT coalesce(sum(CASE WHEN digest = ? THEN 1 ELSE 0 END), 0), coalesce(sum(open), 0) "
        "FROM recent_call WHERE account = ? AND at >= ?",
        (digest, account, now - WITHIN),
    )
    if at_once >= AT_ONCE - 1:
        raise Failure(Reason.TOO_MANY_SESSIONS)
    if same >= IDENTICAL:
        raise Failure(Reason.DUPLICATE)
    [[id]] = yield Statement(
        "INSERT INTO recent_call (account, digest, at, open) VALUES (?, ?, ?, 1) RETURNING id",
        (account, digest, now),
    )
    return int(id)


def end_call(id: int) -> Verb[None]:
    """The call is answered."""
    yield Statement("UPDATE recent_call SET open = 0 WHERE id = ?", (id,))
