"""Queries without an id of the bridge: a message by its reference, messages from phones."""

from __future__ import annotations

from bridge.model.ids import first_id
from bridge.model.notice import Incoming
from bridge.store.directory.verb import Statement, Verb


def newest_with_reference(account: str, reference: str, phone: str) -> Verb[int | None]:
    """The id of the newest message of an account to a phone (E.164) with this reference."""
    rows = yield Statement(
        "SELECT id FROM message WHERE account = ? AND reference = ? AND reference <> '' "
        "AND phone = ? ORDER BY id DESC LIMIT 1",
        (account, reference, phone),
    )
    return int(rows[0][0]) if rows else None


def incoming_of(account: str, since: int, after: int, limit: int) -> Verb[list[Incoming]]:
    """Messages from phones to an account, taken since a Unix time and with an id greater than
    ``after``, the oldest first."""
    rows = yield Statement(
        'SELECT id, uid, account, phone, "to", text, at, received_at FROM incoming '
        "WHERE id > ? AND account = ? ORDER BY id LIMIT ?",
        (max(after, first_id(since) - 1), account, limit),
    )
    return [Incoming(*row) for row in rows]
