"""The messages of each account in a period, by state."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Final

from bridge.model.ids import first_id
from bridge.model.message import State
from bridge.store.directory.verb import Statement, Verb

_DELIVERED: Final = State.DELIVERED.value
#: States that count as failed.
_FAILED: Final = frozenset({State.UNDELIVERABLE.value, State.EXPIRED.value, State.REJECTED.value})


@dataclass(slots=True)
class AccountReport:
    """Numbers of an account's accepted messages. ``failed`` counts by reason; ``refused`` counts
    submissions that were not accepted, as long as they are kept; ``cost`` is the sum of the
    API's."""

    account: str
    accepted: int = 0
    sent: int = 0
    delivered: int = 0
    waiting: int = 0
    held: int = 0
    cancelled: int = 0
    failed: dict[str, int] = field(default_factory=dict)
    refused: dict[str, int] = field(default_factory=dict)
    parts: int = 0
    cost: float = 0.0


def report(begin: int, end: int, account: str = "") -> Verb[list[AccountReport]]:
    """Counts messages accepted from ``begin`` up to ``end`` (Unix times), by account."""
    found: defaultdict[str, AccountReport] = defaultdict(lambda: AccountReport(""))
    only, args = (" AND account = ?", (account,)) if account else ("", ())
    rows = yield Statement(
        "SELECT account, state, failure, status, count(*), sum(parts), "  # noqa: S608
        "sum(CASE WHEN sent_at > 0 THEN 1 ELSE 0 END) "
        f"FROM message WHERE id >= ? AND id < ?{only} GROUP BY account, state, failure, status",
        (first_id(begin), first_id(end), *args),
    )
    for name, state, failure, status, count, parts, sent in rows:
        one = found[name]
        one.accepted += count
        one.parts += parts
        one.sent += sent
        if state == _DELIVERED:
            one.delivered += count
        elif state in _FAILED:
            reason = failure or status or state
            one.failed[reason] = one.failed.get(reason, 0) + count
        elif state == State.ACCEPTED.value:
            one.waiting += count
        elif state == State.HELD.value:
            one.held += count
        elif state == State.CANCELLED.value:
            one.cancelled += count
    costs = yield Statement(
        "SELECT account, sum(CAST(cost AS DOUBLE PRECISION)) FROM message "  # noqa: S608
        f"WHERE id >= ? AND id < ? AND cost <> ''{only} GROUP BY account",
        (first_id(begin), first_id(end), *args),
    )
    for name, cost in costs:
        found[name].cost = round(float(cost), 4)
    refused = yield Statement(
        f"SELECT account, reason, count(*) FROM refusal WHERE at >= ? AND at < ?{only} "  # noqa: S608
        "AND kind IN ('submission', 'recipient', 'mail') GROUP BY account, reason",
        (begin, end, *args),
    )
    for name, reason, count in refused:
        found[name].refused[reason] = count
    for name, one in found.items():
        one.account = name
    return sorted(found.values(), key=lambda one: one.account)
