"""Queries without an id of the bridge: a message by its reference, messages from phones.

A client can delete a message from the answers to such queries (``status.php`` with ``del``). That
is an event of the message: its state, its notices and its trace stay.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from bridge.model.ids import first_id
from bridge.model.message import Message
from bridge.model.notice import Incoming
from bridge.store.directory.verb import Statement, Verb, chunks, marks

#: The event of a message that its client has deleted.
DELETED: Final = "deleted"
_NOT_DELETED: Final = (
    f"NOT EXISTS (SELECT 1 FROM event WHERE message_id = message.id AND what = '{DELETED}')"  # noqa: S608
)


def newest_with_reference(account: str, reference: str, phone: str) -> Verb[int | None]:
    """The id of the newest message of an account to a phone (E.164) with this reference, without
    deleted ones."""
    rows = yield Statement(
        "SELECT id FROM message WHERE account = ? AND reference = ? AND reference <> '' "  # noqa: S608
        f"AND phone = ? AND {_NOT_DELETED} ORDER BY id DESC LIMIT 1",
        (account, reference, phone),
    )
    return int(rows[0][0]) if rows else None


def submission_of(id: int) -> Verb[int]:
    """The message or the submission that has this id as an alias; else the id itself."""
    rows = yield Statement("SELECT message_id FROM alias WHERE id = ?", (id,))
    return int(rows[0][0]) if rows else id


def newest_with_id(account: str, id: int, phone: str) -> Verb[int | None]:
    """The id of the message of an account to a phone (E.164) that has this id, or an alias of it,
    or the newest whose submission has it; without deleted ones."""
    known = yield from submission_of(id)
    rows = yield Statement(
        f"SELECT id FROM message WHERE id = ? AND account = ? AND phone = ? AND {_NOT_DELETED} "  # noqa: S608
        "UNION ALL SELECT id FROM message WHERE submission_id = ? AND submission_id <> id "
        f"AND account = ? AND phone = ? AND {_NOT_DELETED} ORDER BY id DESC LIMIT 1",
        (known, account, phone, known, account, phone),
    )
    return int(rows[0][0]) if rows else None


def delete_for_client(account: str, messages: Sequence[Message], now: int) -> Verb[None]:
    """Deletes messages of an account from the answers to their client, each with earlier ones that
    have its reference and its phone."""
    deleted: set[int] = set()
    for some in chunks(messages):
        ids = [message.id for message in some]
        known = {(message.reference, message.phone) for message in some if message.reference}
        references, phones = {pair[0] for pair in known}, {pair[1] for pair in known}
        rows = yield Statement(
            f"SELECT id FROM message WHERE id IN ({marks(ids)}) AND {_NOT_DELETED}",  # noqa: S608
            tuple(ids),
        )
        deleted |= {int(row[0]) for row in rows}
        if known:
            rows = yield Statement(
                "SELECT id, reference, phone FROM message WHERE account = ? "  # noqa: S608
                f"AND reference <> '' AND reference IN ({marks(list(references))}) "
                f"AND phone IN ({marks(list(phones))}) AND {_NOT_DELETED}",
                (account, *references, *phones),
            )
            deleted |= {int(id) for id, *pair in rows if tuple(pair) in known}
    if deleted:
        yield Statement(
            "INSERT INTO event (message_id, at, what, detail) VALUES (?, ?, ?, ?)",
            many=[(id, now, DELETED, "") for id in sorted(deleted)],
        )


def incoming_of(
    account: str, since: int, after: int, limit: int, *, to: str = ""
) -> Verb[list[Incoming]]:
    """Messages from phones to an account, or to one of its senders, taken since a Unix time and
    with an id greater than ``after``, the oldest first."""
    rows = yield Statement(
        'SELECT id, uid, account, phone, "to", text, at, received_at FROM incoming '
        """WHERE id > ? AND account = ? AND ("to" = ? OR ? = '') ORDER BY id LIMIT ?""",
        (max(after, first_id(since) - 1), account, to, to, limit),
    )
    return [Incoming(*row) for row in rows]
