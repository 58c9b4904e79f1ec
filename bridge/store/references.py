"""Messages by the reference that a client gave them."""

from __future__ import annotations

from bridge.store.directory.verb import Statement, Verb


def newest_with_reference(account: str, reference: str, phone: str) -> Verb[int | None]:
    """The id of the newest message of an account to a phone (E.164) with this reference."""
    rows = yield Statement(
        "SELECT id FROM message WHERE account = ? AND reference = ? AND reference <> '' "
        "AND phone = ? ORDER BY id DESC LIMIT 1",
        (account, reference, phone),
    )
    return int(rows[0][0]) if rows else None
