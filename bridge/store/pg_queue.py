"""What a node does to waiting messages besides sending them: claims, moves, replaces, sweeps.

Each function is one transaction on a connection that is not the writer's, or a part of one. All of
them lock the messages first and look at what is in an attempt afterwards: as an attempt is begun
under the same locks, either it is seen, or it will see what was done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from bridge.ids import first_id
from bridge.message import TRANSITIONS, Message, State
from bridge.store import Lane
from bridge.store.pg_connection import as_written, free_text
from bridge.store.pg_lease import CHANNEL, NOBODY, Lease
from bridge.store.rows import MESSAGE_COLUMNS, STATE_COLUMNS, to_message, to_row

MESSAGE = ", ".join(MESSAGE_COLUMNS)
STORED = ", ".join(MESSAGE_COLUMNS + STATE_COLUMNS)

_ACCEPTED = State.ACCEPTED.value
#: What can be moved: the messages that no node is sending.
_IDLE = (State.ACCEPTED, State.HELD)

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
_MOVE = "UPDATE message SET state = $2, owner = -1, changed_at = $3 WHERE id = ANY($1::bigint[])"
_REPLACE = (
    "UPDATE message SET "  # noqa: S608
    + ", ".join(f"{name} = ${n}" for n, name in enumerate(MESSAGE_COLUMNS, 1))
    + ", owner = CASE state WHEN 'accepted' "
    + f"THEN ${len(MESSAGE_COLUMNS) + 1}::smallint ELSE -1 END WHERE id = $1"
)
_NOTIFY = "SELECT pg_notify($1, $2)"

_OLD = "id < $1 AND changed_at < $2 AND state <> ALL($3::text[])"
_SWEEP = (
    f"DELETE FROM message WHERE id = ANY(ARRAY(SELECT id FROM message WHERE {_OLD} "  # noqa: S608
    "ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED)) RETURNING id, submission_id"
)
_BLANK = (
    "UPDATE message SET text = '', options = '', fallback = '' "  # noqa: S608
    f"WHERE id = ANY(ARRAY(SELECT id FROM message WHERE {_OLD} AND id > $5 "
    "AND NOT (text = '' AND options = '' AND fallback = '') "
    "ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED)) RETURNING id"
)
#: How often texts are blanked from the oldest message on (seconds).
_BLANK_AGAIN = 3600
_FORGET_SUBMISSIONS = (
    "DELETE FROM submission WHERE id = ANY($1::bigint[]) AND NOT EXISTS "
    "(SELECT FROM message WHERE submission_id <> message.id AND submission_id = submission.id)"
)


async def claim(
    connection: Any, lease: Lease, lane: Lane, now: int, limit: int, after: tuple[int, int]
) -> list[Message]:
    """The messages of a lane that are due first, of this node's own and of nobody's; the latter
    are this node's from then on."""
    wanted = (*lane, now, limit, *after)
    async with connection.transaction():
        await lease.hold(connection)
        rows = await connection.fetch(_FREE, *wanted, NOBODY)
        free = {row[0] for row in rows}
        rows += await connection.fetch(_LANE, *wanted, lease.number)
        messages = sorted(to_messages(rows), key=lambda message: (message.due_at, message.id))
        del messages[limit:]
        claimed = [message.id for message in messages if message.id in free]
        if claimed:
            await connection.execute(_CLAIM, lease.number, claimed)
    return messages


def to_messages(rows: Iterable[Sequence[Any]]) -> list[Message]:
    return [to_message(as_written(row)) for row in rows]


async def _idle(connection: Any, ids: Sequence[int], states: Iterable[State]) -> dict[int, str]:
    """Locks those that are in one of the states and in no attempt; with their states."""
    locked = await connection.fetch(_LOCK, ids, [state.value for state in states])
    # A statement of its own, which sees what was committed while it waited for the locks.
    sending = await connection.fetch(_IN_ATTEMPT, ids)
    sent = {row[0] for row in sending}
    return {id: state for id, state in locked if id not in sent}


async def move(connection: Any, lease: Lease, ids: Sequence[int], to: State, now: int) -> list[int]:
    """See :meth:`bridge.store.Store.move`."""
    sources = [state for state in _IDLE if to in TRANSITIONS[state]]
    async with connection.transaction():
        await lease.hold(connection)
        idle = await _idle(connection, ids, sources)
        if idle:
            await connection.execute(_MOVE, list(idle), to.value, now)
            if to is State.ACCEPTED:
                await connection.execute(_NOTIFY, CHANNEL, str(lease.number))
    return [id for id in ids if id in idle]


async def replace(connection: Any, lease: Lease, message: Message) -> bool:
    """See :meth:`bridge.store.Store.replace`."""
    [row] = free_text([to_row(message)])
    async with connection.transaction():
        await lease.hold(connection)
        if not await _idle(connection, [message.id], _IDLE):
            return False
        await connection.execute(_REPLACE, *row, lease.number)
    return True


class Sweeper:
    """Deletes and blanks what is old, from the oldest on.

    What was blanked stays where it is, and is walked over again only now and then: for what was
    not final yet, or not old enough, when it was passed.
    """

    def __init__(self) -> None:
        self._blanked = 0
        self._again_at = 0

    async def sweep(
        self, connection: Any, lease: Lease, before: int, text_before: int, limit: int
    ) -> int:
        """See :meth:`bridge.store.Store.sweep`."""
        waiting = [state.value for state in _IDLE]
        if text_before >= self._again_at:
            self._blanked, self._again_at = 0, text_before + _BLANK_AGAIN
        async with connection.transaction():
            await lease.hold(connection)
            gone = await connection.fetch(_SWEEP, first_id(before), before, waiting, limit)
            if gone:
                ids = [id for id, _ in gone]
                # Ids go on behind the greatest there ever was.
                await connection.execute(
                    "UPDATE swept SET last_id = greatest(last_id, $1)", max(ids)
                )
                await connection.execute(
                    "DELETE FROM alias WHERE message_id = ANY($1::bigint[])", ids
                )
                several = {submission for id, submission in gone if submission != id}
                await connection.execute(_FORGET_SUBMISSIONS, list(several))
            blanked = await connection.fetch(
                _BLANK, first_id(text_before), text_before, waiting, limit, self._blanked
            )
        self._blanked = max((row[0] for row in blanked), default=self._blanked)
        return len(gone) + len(blanked)
