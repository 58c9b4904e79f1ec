"""What PostgreSQL forgets: old messages with what belongs to them, and their texts before."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.ids import first_id
from bridge.store.postgres.connection import PgConnection, original, storable
from bridge.store.postgres.verb import PostgresTurn
from bridge.store.transitions import IDLE, without_subject

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


class PostgresSweeper:
    """Deletes and blanks what is old, from the oldest on.

    What was blanked stays where it is, and is walked over again only now and then: for what was
    not final yet, or not old enough, when it was passed.
    """

    def __init__(self) -> None:
        self._blanked = 0
        self._again_at = 0

    async def sweep(self, turn: PostgresTurn, before: int, text_before: int, limit: int) -> int:
        """See :meth:`bridge.store.interface.Store.sweep`."""
        connection = turn.connection
        waiting = [state.value for state in IDLE]
        if text_before >= self._again_at:
            self._blanked, self._again_at = 0, text_before + _BLANK_AGAIN
        gone = await connection.fetch(_SWEEP, first_id(before), before, waiting, limit)
        phones = await connection.fetch(_SWEEP_PHONES, first_id(before), limit)
        if ids := [row[0] for row in (*gone, *phones)]:
            # Ids go on behind the greatest there ever was.
            await connection.execute("UPDATE swept SET last_id = greatest(last_id, $1)", max(ids))
            for sql in _BELONGINGS:
                await connection.execute(sql, ids)
            several = {submission for id, submission in gone if submission != id}
            await connection.execute(_FORGET_SUBMISSIONS, list(several))
        lonely = await connection.execute(_SWEEP_LONELY, first_id(before), before, limit)
        blanked = await self._blank(connection, text_before, waiting, limit)
        self._blanked = max(blanked, default=self._blanked)
        return len(gone) + len(phones) + int(lonely.rpartition(" ")[2]) + len(blanked)

    async def _blank(
        self, connection: PgConnection, before: int, waiting: Sequence[str], limit: int
    ) -> list[int]:
        """Blanks texts from where it was the last time; tells of which messages."""
        await connection.execute(_BLANK_PHONES, first_id(before), limit)
        rows = await connection.fetch(
            _BLANK, first_id(before), before, waiting, limit, self._blanked
        )
        envelopes = [(id, storable(without_subject(original(old)))) for id, old in rows if old]
        if envelopes:
            await connection.execute(_ENVELOPES, *zip(*envelopes, strict=True))
        return [id for id, _ in rows]
