"""What a node does to waiting messages besides sending them: claims, moves, replaces, sweeps.

Each function is one transaction on a connection that is not the writer's, or a part of one. All of
them lock the messages first and look at what is in an attempt afterwards: as an attempt is begun
under the same locks, either it is seen, or it will see what was done here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import orjson

from bridge.model.ids import first_id
from bridge.model.message import FINAL, TRANSITIONS, Message, State
from bridge.model.notice import Notice
from bridge.store.postgres.connection import as_written, free_text, original, storable
from bridge.store.postgres.lease import CHANNEL, NOBODY, OWED, Lease
from bridge.store.postgres.notices import SUBJECT, owe_states, to_subject
from bridge.store.rows import MESSAGE_COLUMNS, to_message, to_row
from bridge.store.types import Lane

MESSAGE = ", ".join(MESSAGE_COLUMNS)

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
    "ORDER BY id LIMIT $4 FOR UPDATE SKIP LOCKED)) RETURNING id, envelope"
)
_ENVELOPES = (
    "UPDATE message SET envelope = new.envelope "
    "FROM unnest($1::bigint[], $2::text[]) AS new (id, envelope) WHERE message.id = new.id"
)
_SWEEP_PHONES = (
    "DELETE FROM incoming WHERE id = ANY(ARRAY(SELECT id FROM incoming WHERE id < $1 "
    "ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)) RETURNING id"
)
_BLANK_PHONES = (
    "UPDATE incoming SET text = '' WHERE id = ANY(ARRAY(SELECT id FROM incoming WHERE id < $1 "
    "AND text <> '' ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED))"
)
#: What belongs to messages that are deleted.
_BELONGINGS = (
    "DELETE FROM alias WHERE message_id = ANY($1::bigint[])",
    "DELETE FROM event WHERE message_id = ANY($1::bigint[])",
    "DELETE FROM notice WHERE about = ANY($1::bigint[])",
)
#: What is about no message of ours: refused recipients, parts that never became one.
_SWEEP_LONELY = (
    "DELETE FROM notice WHERE id = ANY(ARRAY(SELECT id FROM notice WHERE about = 0 "
    "AND known_as < $1 AND ended_at > 0 AND ended_at < $2 ORDER BY known_as LIMIT $3 "
    "FOR UPDATE SKIP LOCKED))"
)
#: How often texts are blanked from the oldest message on (seconds).
_BLANK_AGAIN = 3600
_FORGET_SUBMISSIONS = (
    "DELETE FROM submission WHERE id = ANY($1::bigint[]) AND NOT EXISTS "
    "(SELECT FROM message WHERE submission_id <> message.id AND submission_id = submission.id "
    "OFFSET 0)"
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


async def move(
    connection: Any, lease: Lease, ids: Sequence[int], to: State, now: int
) -> tuple[list[int], set[str]]:
    """See :meth:`bridge.store.Store.move`; and the queues in which notices were put."""
    sources = [state for state in _IDLE if to in TRANSITIONS[state]]
    async with connection.transaction():
        await lease.hold(connection)
        idle = await _idle(connection, ids, sources)
        notices: list[Notice] = []
        if idle:
            rows = await connection.fetch(_MOVE, list(idle), to.value, now)
            await connection.execute(_EVENTS, list(idle), now, to.value)
            if to in FINAL:
                notices = await owe_states(connection, [(to_subject(row), to, now) for row in rows])
            if to is State.ACCEPTED:
                await connection.execute(_NOTIFY, CHANNEL, str(lease.number))
            if notices:
                await connection.execute(_NOTIFY, OWED, str(lease.number))
    return [id for id in ids if id in idle], {notice.queue for notice in notices}


async def replace(connection: Any, lease: Lease, message: Message, now: int) -> bool:
    """See :meth:`bridge.store.Store.replace`."""
    [row] = free_text([to_row(message)])
    async with connection.transaction():
        await lease.hold(connection)
        if not await _idle(connection, [message.id], _IDLE):
            return False
        await connection.execute(_REPLACE, *row, lease.number)
        await connection.execute(_EVENTS, [message.id], now, "replaced")
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
            phones = await connection.fetch(_SWEEP_PHONES, first_id(before), limit)
            if ids := [row[0] for row in (*gone, *phones)]:
                # Ids go on behind the greatest there ever was.
                await connection.execute(
                    "UPDATE swept SET last_id = greatest(last_id, $1)", max(ids)
                )
                for sql in _BELONGINGS:
                    await connection.execute(sql, ids)
                several = {submission for id, submission in gone if submission != id}
                await connection.execute(_FORGET_SUBMISSIONS, list(several))
            lonely = await connection.execute(_SWEEP_LONELY, first_id(before), before, limit)
            blanked = await self._blank(connection, text_before, waiting, limit)
        self._blanked = max(blanked, default=self._blanked)
        return len(gone) + len(phones) + int(lonely.rpartition(" ")[2]) + len(blanked)

    async def _blank(
        self, connection: Any, before: int, waiting: Sequence[str], limit: int
    ) -> list[int]:
        """Blanks texts from where it was the last time; tells of which messages."""
        await connection.execute(_BLANK_PHONES, first_id(before), limit)
        rows = await connection.fetch(
            _BLANK, first_id(before), before, waiting, limit, self._blanked
        )
        envelopes = [(id, storable(_blank(original(old)))) for id, old in rows if old]
        if envelopes:
            await connection.execute(_ENVELOPES, *zip(*envelopes, strict=True))
        return [id for id, _ in rows]


def _blank(envelope: str) -> str:
    """The envelope without the subject, which may be the text. Not by PostgreSQL: its JSON has no
    U+0000."""
    fields = orjson.loads(envelope)
    fields.pop("subject", None)
    return orjson.dumps(fields).decode()
