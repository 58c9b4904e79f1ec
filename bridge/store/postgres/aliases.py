"""Further ids of messages that PostgreSQL has already."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.message import FINAL, State
from bridge.model.notice import ALIASES, notices_of
from bridge.store.postgres.notices import SUBJECT, owe, to_subject
from bridge.store.postgres.verb import PostgresTurn, PostgresVerb
from bridge.store.types import Alias

#: A reused short id belongs to the later message; a repeated alias changes nothing.
_INSERT = (
    "INSERT INTO alias (id, message_id, receipts) VALUES ($1, $2, $3) ON CONFLICT (id) DO UPDATE "
    "SET message_id = excluded.message_id, receipts = excluded.receipts "
    "WHERE alias.message_id <> excluded.message_id RETURNING id"
)
#: Locked, so that the state cannot change before the alias is stored.
_FIND = (
    f"SELECT {SUBJECT}, state, changed_at FROM message WHERE id = $1 "  # noqa: S608
    "FOR NO KEY UPDATE"
)
_WISH = "UPDATE message SET receipts = receipts | $1::smallint WHERE id = $2"


async def _also_known_as(turn: PostgresTurn, asked: Sequence[Sequence[Alias]]) -> list[None]:
    await turn.hold()
    connection = turn.connection
    for alias in sorted(
        (alias for aliases in asked for alias in aliases), key=lambda alias: alias.message_id
    ):
        new = await connection.fetchval(_INSERT, alias.id, alias.message_id, int(alias.receipts))
        row = await connection.fetchrow(_FIND, alias.message_id)
        if new is None or row is None or not alias.receipts:
            continue
        *columns, name, changed_at = row
        state = State(name)
        if state in FINAL:
            subject = to_subject(columns)._replace(receipts=ALIASES)
            wish = [(alias.id, alias.receipts)]
            await owe(turn, notices_of(subject, wish, state, changed_at))
        else:
            await connection.execute(_WISH, ALIASES, alias.message_id)
    return [None] * len(asked)


ALSO_KNOWN_AS = PostgresVerb(_also_known_as)
