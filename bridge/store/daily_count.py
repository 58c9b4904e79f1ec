"""Counts today's (UTC) accepted messages of accounts with a ``daily_limit``.

The count is a row that changes in the transaction that stores the messages. So it is exact over all
nodes, after a crash, and for messages that the store refuses or knows already. Accounts without a
limit have no row. The first count of a day starts from the messages that are stored.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from typing import Final, NamedTuple

from bridge.model.ids import first_id
from bridge.store.directory.verb import Statement, Verb
from bridge.store.types import Acceptance, Repeats

_DAY: Final = 86400


class Counting(NamedTuple):
    """A submission to be counted, and its account's limit.

    ``new`` are the ids of its messages that are to be stored, ``firsts`` the ids of those that the
    others repeat.
    """

    account: str
    limit: int
    new: Collection[int]
    firsts: Collection[int] = ()


def day_of(now: float) -> int:
    """The day (UTC) of a Unix time, as a number."""
    return int(now) // _DAY


def count_new(
    acceptances: Sequence[Acceptance], repeats: Sequence[Repeats], now: int
) -> Verb[set[int]]:
    """Counts the new messages of acceptances with a limit; returns the positions of acceptances
    over the limit. ``repeats`` are their repeated messages."""
    positions = [n for n, acceptance in enumerate(acceptances) if acceptance.daily_limit]
    over = yield from count_accepted(
        [_counting(acceptances[n], repeats[n]) for n in positions], now
    )
    return {positions[n] for n in over}


def _counting(acceptance: Acceptance, repeats: Repeats) -> Counting:
    repeated = {one.message_id for one in acceptance.fingerprints if one.key in repeats}
    new = [message.id for message in acceptance.messages if message.id not in repeated]
    account = acceptance.messages[0].account
    return Counting(account, acceptance.daily_limit, new, repeats.values())


def count_accepted(submissions: Sequence[Counting], now: int) -> Verb[set[int]]:
    """Counts submissions in their order; returns the positions of those that are over the limit.

    These are not counted. Neither is a submission that repeats a message of one of them, since
    that message is not stored.
    """
    over: set[int] = set()
    by_account: dict[str, list[int]] = {}
    for n, one in enumerate(submissions):
        by_account.setdefault(one.account, []).append(n)
    # In the same order on every node, to avoid deadlocks.
    for account, positions in sorted(by_account.items()):
        some = [submissions[n] for n in positions]
        new = sum(len(one.new) for one in some)
        if not new:
            continue
        fit = yield Statement(
            "UPDATE daily_count SET accepted = accepted + ? "
            "WHERE account = ? AND day = ? AND accepted <= ? RETURNING accepted",
            (new, account, day_of(now), min(one.limit for one in some) - new),
        )
        if fit:
            continue
        accepted = before = yield from _lock(account, now)
        refused: set[int] = set()
        for n, one in zip(positions, some, strict=True):
            fits = not one.new or accepted + len(one.new) <= one.limit
            if fits and refused.isdisjoint(one.firsts):
                accepted += len(one.new)
            else:
                over.add(n)
                refused.update(one.new)
        if accepted > before:
            yield Statement(
                "UPDATE daily_count SET accepted = ? WHERE account = ?", (accepted, account)
            )
    return over


def uncount(account: str, messages: int, at: int) -> Verb[None]:
    """Uncounts messages that were counted then but not accepted after all."""
    yield Statement(
        "UPDATE daily_count SET accepted = accepted - ? WHERE account = ? AND day = ?",
        (messages, account, day_of(at)),
    )


def keep_daily_counts(accounts: Iterable[str], now: int) -> Verb[None]:
    """Keeps counts for exactly these accounts: messages of accounts without a limit are not
    counted. Writes only what has changed: a bridge starts with a full disk too."""
    limited = set(accounts)
    rows = yield Statement("SELECT account FROM daily_count")
    counted = {account for (account,) in rows}
    for account in sorted(counted - limited):
        yield Statement("DELETE FROM daily_count WHERE account = ?", (account,))
    for account in sorted(limited - counted):
        yield from _lock(account, now)


def accepted_today(account: str, now: int) -> Verb[int]:
    """The number of messages of an account, with a limit or without, that were accepted today."""
    rows = yield Statement(
        "SELECT accepted FROM daily_count WHERE account = ? AND day = ?", (account, day_of(now))
    )
    if rows:
        return int(rows[0][0])
    return (yield from _stored(account, now))


def all_accepted_today(now: int) -> Verb[dict[str, int]]:
    """The numbers of messages that were accepted today, of all accounts. Reads today's messages
    once."""
    midnight = day_of(now) * _DAY
    rows = yield Statement(
        "SELECT account, count(*) FROM message "
        "WHERE id >= ? AND accepted_at >= ? AND accepted_at < ? GROUP BY account",
        (first_id(midnight), midnight, midnight + _DAY),
    )
    counts = {account: int(count) for account, count in rows}
    return counts | (yield from daily_counts(now))


def daily_counts(now: int) -> Verb[dict[str, int]]:
    """The counts of all accounts with a limit that have accepted messages today."""
    rows = yield Statement(
        "SELECT account, accepted FROM daily_count WHERE day = ?", (day_of(now),)
    )
    return {account: int(accepted) for account, accepted in rows}


def _lock(account: str, now: int) -> Verb[int]:
    """Today's count of an account. Its row is locked until the transaction ends."""
    [[day, accepted]] = yield Statement(
        "INSERT INTO daily_count (account, day, accepted) VALUES (?, 0, 0) "
        "ON CONFLICT (account) DO UPDATE SET accepted = daily_count.accepted "
        "RETURNING day, accepted",
        (account,),
    )
    if day == day_of(now):
        return int(accepted)
    stored = yield from _stored(account, now)
    yield Statement(
        "UPDATE daily_count SET day = ?, accepted = ? WHERE account = ?",
        (day_of(now), stored, account),
    )
    return stored


def _stored(account: str, now: int) -> Verb[int]:
    midnight = day_of(now) * _DAY
    # An id is never behind its time, but ahead of it after a clock was set back.
    [[count]] = yield Statement(
        "SELECT count(*) FROM message "
        "WHERE id >= ? AND account = ? AND accepted_at >= ? AND accepted_at < ?",
        (first_id(midnight), account, midnight, midnight + _DAY),
    )
    return int(count)
