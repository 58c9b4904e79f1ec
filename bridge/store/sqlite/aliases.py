"""Further ids of messages that SQLite has already."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.message import FINAL, State
from bridge.model.notice import ALIASES, notices_of, subject_of
from bridge.store.sqlite import notices
from bridge.store.sqlite.verb import SqliteTurn, SqliteVerb
from bridge.store.types import Alias

#: A reused short id belongs to the later message; a repeated alias changes nothing.
_INSERT = (
    "INSERT INTO alias (id, message_id, receipts) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE "
    "SET message_id = excluded.message_id, receipts = excluded.receipts "
    "WHERE alias.message_id <> excluded.message_id"
)
_WISH = "UPDATE message SET receipts = receipts | ? WHERE id = ?"
_FIND = (
    "SELECT id, submission_id, account, protocol, receipts, state, changed_at FROM message "
    "WHERE id = ?"
)


def _also_known_as(turn: SqliteTurn, asked: Sequence[Sequence[Alias]]) -> list[None]:
    connection = turn.connection
    for aliases in asked:
        for alias in aliases:
            new = connection.execute(_INSERT, alias).rowcount
            row = connection.execute(_FIND, (alias.message_id,)).fetchone()
            if not new or row is None or not alias.receipts:
                continue
            *columns, name, changed_at = row
            state = State(name)
            if state in FINAL:
                subject = subject_of(*columns)._replace(receipts=ALIASES)
                wish = [(alias.id, alias.receipts)]
                notices.owe(turn, notices_of(subject, wish, state, changed_at))
            else:
                connection.execute(_WISH, (ALIASES, alias.message_id))
    return [None] * len(asked)


ALSO_KNOWN_AS = SqliteVerb(_also_known_as)
