"""The limit on identical calls of an account, over all nodes: three in a minute."""

from __future__ import annotations

from typing import Final

from bridge.model.failure import Failure, Reason
from bridge.store.directory.verb import Statement, Verb
from bridge.store.directory.versions import CALLS, next_version

IDENTICAL: Final = 3
#: Seconds in which calls are counted.
WITHIN: Final = 60


def count_call(account: str, digest: bytes, now: int) -> Verb[None]:
    """Counts a call. Raises Failure(DUPLICATE) for too many identical ones."""
    yield from next_version(account, CALLS)  # one call of the account after the other
    yield Statement("DELETE FROM recent_call WHERE account = ? AND at < ?", (account, now - WITHIN))
    [[same]] = yield Statement(
        "SELECT count(*) FROM recent_call WHERE account = ? AND digest = ? AND at >= ?",
        (account, digest, now - WITHIN),
    )
    if same >= IDENTICAL:
        raise Failure(Reason.DUPLICATE)
    # The last column is not used any more.
    yield Statement(
        "INSERT INTO recent_call (account, digest, at, open) VALUES (?, ?, ?, 0)",
        (account, digest, now),
    )
