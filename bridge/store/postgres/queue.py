"""Waiting messages in PostgreSQL that are claimed, moved or replaced.

Each function is one transaction on a connection of the pool. Functions that change messages lock
them first, and look for attempts afterwards. An attempt begins under the same locks: either it is
seen here, or it sees the change.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from bridge.model.message import FINAL, Message, State
from bridge.store.postgres.connection import PgConnection, as_written, storable
from bridge.store.postgres.lease import NOBODY
from bridge.store.postgres.notices import SUBJECT, owe_states, to_subject
from bridge.store.postgres.verb import PostgresTurn
from bridge.store.rows import MESSAGE_COLUMNS, Row, to_message
from bridge.store.transitions import IDLE, movable_from
from bridge.store.types import Lane, Replacement

MESSAGE = ", ".join(MESSAGE_COLUMNS)

#: Later than the end of any validity.
_NEVER = 2**62
#: Not messages in an attempt: they are being posted, or were when their node died. Their outcome is
#: decided first.
_LANE = (
    f"SELECT {MESSAGE} FROM message WHERE state = 'accepted' AND owner = $8 "  # noqa: S608
    "AND account = $1 AND level = $2 AND route = $3 AND due_at <= $4 "
    "AND (due_at, id) > ($6, $7) AND id NOT IN (SELECT unnest(message_ids) FROM attempt) "
    "ORDER BY due_at, id LIMIT $5"
)
_FREE = _LANE + " FOR NO KEY UPDATE SKIP LOCKED"
_CLAIM = "UPDATE message SET owner = $1 WHERE id = ANY($2::bigint[])"
_LOCK = (
    "SELECT id FROM message WHERE id = ANY($1::bigint[]) AND state = ANY($2::text[]) "
    "AND expires_at <= $3 AND (unknown = 0 OR NOT $4::boolean) ORDER BY id FOR NO KEY UPDATE"
)
_IN_ATTEMPT = (
    "SELECT id FROM (SELECT unnest(message_ids) AS id FROM attempt) AS sending "
    "WHERE id = ANY($1::bigint[])"
)
#: Moves locked messages that are in no attempt. A second statement after the locks: it sees
#: attempts committed while the first one waited for them.
_MOVE = (
    "WITH sending AS MATERIALIZED (SELECT unnest(message_ids) AS id FROM attempt), "
    "moved AS (UPDATE message SET state = $2, owner = -1, changed_at = $3 "
    "WHERE id = ANY($1::bigint[]) AND id NOT IN (SELECT id FROM sending) RETURNING id), "
    "told AS (INSERT INTO event (message_id, at, what, detail) "
    "SELECT id, $3, $2, '' FROM moved) SELECT coalesce(array_agg(id), '{}') FROM moved"
)
_SUBJECTS = f"SELECT {SUBJECT} FROM message WHERE id = ANY($1::bigint[]) AND receipts <> 0"  # noqa: S608
_EVENTS = (
    "INSERT INTO event (message_id, at, what, detail) "
    "SELECT id, $2, $3, '' FROM unnest($1::bigint[]) AS messages (id)"
)
_REPLACE = (
    "UPDATE message SET text = $2, fallback = $3, parts = $4, receipts = $5::smallint, "
    "expires_at = coalesce($6::bigint, expires_at), due_at = coalesce($7::bigint, due_at), "
    "scheduled_at = CASE WHEN $7::bigint IS NULL THEN scheduled_at END, "
    "owner = CASE state WHEN 'accepted' THEN $8::smallint ELSE -1 END WHERE id = $1"
)

# Skips from lane to lane in the index, however many messages wait in each.
_LANES = """
    WITH RECURSIVE lane AS (
        (SELECT account, level, route FROM message WHERE state = 'accepted' AND owner = $1::smallint
         ORDER BY account, level, route LIMIT 1)
        UNION ALL
        SELECT next.* FROM lane, LATERAL (
            SELECT message.account, message.level, message.route FROM message
            WHERE state = 'accepted' AND owner = $1::smallint
            AND (message.account, message.level, message.route)
                > (lane.account, lane.level, lane.route)
            ORDER BY message.account, message.level, message.route LIMIT 1
        ) AS next
    )
    SELECT account, level, route{due} FROM lane
"""
_DUE = """, (
    SELECT due_at FROM message WHERE state = 'accepted' AND owner = $1::smallint
    AND message.account = lane.account AND message.level = lane.level
    AND message.route = lane.route AND due_at > $2 ORDER BY due_at LIMIT 1)"""


async def lanes(connection: PgConnection, node: int) -> list[Lane]:
    """The lanes with waiting messages of this node or of none."""
    found: set[Lane] = set()
    for owner in (NOBODY, node):
        found.update(Lane(*row) for row in await connection.fetch(_LANES.format(due=""), owner))
    return sorted(found)


async def next_due(connection: PgConnection, node: int, now: int) -> int | None:
    """When the next message of this node or of none is due after ``now``."""
    due: list[int] = []
    for owner in (NOBODY, node):
        rows = await connection.fetch(_LANES.format(due=_DUE), owner, now)
        due += [row[3] for row in rows if row[3] is not None]
    return min(due, default=None)


async def claim(
    turn: PostgresTurn, lane: Lane, now: int, limit: int, after: tuple[int, int]
) -> list[Message]:
    """The messages of a lane that are due first, of this node or of none; this node claims the
    latter."""
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


def to_messages(rows: Iterable[Row]) -> list[Message]:
    return [to_message(as_written(row)) for row in rows]


async def _lock(
    turn: PostgresTurn,
    ids: Sequence[int],
    states: Iterable[State],
    *,
    unposted: bool,
    expired_at: int = _NEVER,
) -> list[int]:
    """Locks messages that are in one of the states, and expire by then."""
    names = [state.value for state in states]
    locked = await turn.connection.fetch(_LOCK, ids, names, expired_at, unposted)
    return [row[0] for row in locked]


async def move(turn: PostgresTurn, ids: Sequence[int], to: State, *, unposted: bool) -> list[int]:
    """See :meth:`bridge.store.interface.Store.move`."""
    connection, now = turn.connection, turn.now
    by = now if to is State.EXPIRED else _NEVER
    moved: frozenset[int] = frozenset()
    if locked := await _lock(turn, ids, movable_from(to), unposted=unposted, expired_at=by):
        moved = frozenset(await connection.fetchval(_MOVE, locked, to.value, now))
    if moved and to in FINAL:
        rows = await connection.fetch(_SUBJECTS, list(moved))
        await owe_states(turn, [(to_subject(row), to, now) for row in rows])
    turn.is_work = turn.is_work or (to is State.ACCEPTED and bool(moved))
    return [id for id in ids if id in moved]


async def replace(turn: PostgresTurn, new: Replacement) -> bool:
    """See :meth:`bridge.store.interface.Store.replace`."""
    locked = await _lock(turn, [new.message_id], IDLE, unposted=True)
    # A second statement: it sees attempts committed while the first waited for the lock.
    if not locked or await turn.connection.fetch(_IN_ATTEMPT, locked):
        return False
    await turn.connection.execute(
        _REPLACE,
        new.message_id,
        storable(new.text),
        storable(new.fallback),
        new.parts,
        int(new.receipts),
        new.expires_at,
        new.due_at,
        turn.fence.number,
    )
    await turn.connection.execute(_EVENTS, [new.message_id], turn.now, "replaced")
    return True
