"""What a node does to waiting messages besides sending them: claims, moves, replaces.

Each function is one transaction on a connection that is not the writer's. Those that change
messages lock them first and look at what is in an attempt afterwards: as an attempt is begun under
the same locks, either it is seen, or it will see what was done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bridge.model.message import FINAL, Message, State
from bridge.store.postgres.connection import PgConnection, as_written, free_text
from bridge.store.postgres.lease import NOBODY
from bridge.store.postgres.notices import SUBJECT, owe_states, to_subject
from bridge.store.postgres.verb import PostgresTurn
from bridge.store.rows import MESSAGE_COLUMNS, to_message, to_row
from bridge.store.transitions import IDLE, movable_from
from bridge.store.types import Lane

MESSAGE = ", ".join(MESSAGE_COLUMNS)

_ACCEPTED = State.ACCEPTED.value
_LANE = (
    f"SELECT {MESSAGE} FROM message WHERE state = 'accepted' AND owner = $8 "  # noqa: S608
    "AND account = $1 AND level = $2 AND route = $3 AND due_at <= $4 "
    "AND (due_at, id) > ($6, $7) ORDER BY due_at, id LIMIT $5"
)
_FREE = _LANE + " FOR NO KEY UPDATE SKIP LOCKED"
_CLAIM = "UPDATE message SET owner = $1 WHERE id = ANY($2::bigint[])"
_LOCK = (
    "SELECT id, state FROM message WHERE id = ANY($1::bigint[]) AND state = ANY($2::text[]) "
    "ORDER BY id FOR NO KEY UPDATE"
)
_IN_ATTEMPT = (
    "SELECT id FROM (SELECT unnest(message_ids) AS id FROM attempt) AS sending "
    "WHERE id = ANY($1::bigint[])"
)
_MOVE = (
    "UPDATE message SET state = $2, owner = -1, changed_at = $3 "  # noqa: S608
    f"WHERE id = ANY($1::bigint[]) RETURNING {SUBJECT}"
)
_EVENTS = (
    "INSERT INTO event (message_id, at, what, detail) "
    "SELECT id, $2, $3, '' FROM unnest($1::bigint[]) AS messages (id)"
)
_REPLACE = (
    "UPDATE message SET "  # noqa: S608
    + ", ".join(f"{name} = ${n}" for n, name in enumerate(MESSAGE_COLUMNS, 1))
    + ", owner = CASE state WHEN 'accepted' "
    + f"THEN ${len(MESSAGE_COLUMNS) + 1}::smallint ELSE -1 END WHERE id = $1"
)


async def claim(
    turn: PostgresTurn, lane: Lane, now: int, limit: int, after: tuple[int, int]
) -> list[Message]:
    """The messages of a lane that are due first, of this node's own and of nobody's; the latter
    are this node's from then on."""
    connection, node = turn.connection, turn.fence.number
    wanted = (*lane, now, limit, *after)
    rows = await connection.fetch(_FREE, *wanted, NOBODY)
    free = {row[0] for row in rows}
    rows += await connection.fetch(_LANE, *wanted, node)
    messages = sorted(to_messages(rows), key=lambda message: (message.due_at, message.id))
    del messages[limit:]
    claimed = [message.id for message in messages if message.id in free]
    if claimed:
        await connection.execute(_CLAIM, node, claimed)
    return messages


def to_messages(rows: Iterable[Sequence[Any]]) -> list[Message]:
    return [to_message(as_written(row)) for row in rows]


async def _idle(
    connection: PgConnection, ids: Sequence[int], states: Iterable[State]
) -> dict[int, str]:
    """Locks those that are in one of the states and in no attempt; with their states."""
    locked = await connection.fetch(_LOCK, ids, [state.value for state in states])
    # A statement of its own, which sees what was committed while it waited for the locks.
    sending = await connection.fetch(_IN_ATTEMPT, ids)
    sent = {row[0] for row in sending}
    return {id: state for id, state in locked if id not in sent}


async def move(turn: PostgresTurn, ids: Sequence[int], to: State) -> list[int]:
    """See :meth:`bridge.store.interface.Store.move`."""
    connection, now = turn.connection, turn.now
    idle = await _idle(connection, ids, movable_from(to))
    if idle:
        rows = await connection.fetch(_MOVE, list(idle), to.value, now)
        await connection.execute(_EVENTS, list(idle), now, to.value)
        if to in FINAL:
            await owe_states(turn, [(to_subject(row), to, now) for row in rows])
        turn.is_work = to is State.ACCEPTED
    return [id for id in ids if id in idle]


async def replace(turn: PostgresTurn, message: Message) -> bool:
    """See :meth:`bridge.store.interface.Store.replace`."""
    [row] = free_text([to_row(message)])
    if not await _idle(turn.connection, [message.id], IDLE):
        return False
    await turn.connection.execute(_REPLACE, *row, turn.fence.number)
    await turn.connection.execute(_EVENTS, [message.id], turn.now, "replaced")
    return True
