"""Retention in PostgreSQL: deletes old messages with their rows elsewhere; blanks texts before."""

from __future__ import annotations

from bridge.model.ids import first_id
from bridge.store.postgres.connection import PgConnection, original, storable
from bridge.store.postgres.verb import PostgresTurn
from bridge.store.retention import (
    BLANK_AGAIN,
    SEND_OUTS_UNDER_WAY,
    Walk,
    is_over,
    unfinished,
)
from bridge.store.transitions import without_subject

# No locks are needed: an ended message without owed notices does not change any more.
_OWED = "EXISTS (SELECT FROM notice WHERE about = {table}.id AND ended_at + 0 = 0 OFFSET 0)"
_MESSAGES = (
    f"SELECT id, state, changed_at, {_OWED.format(table='message')} FROM message "  # noqa: S608
    "WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3"
)
_PHONES = (
    "SELECT id, '', greatest(received_at, (SELECT max(ended_at) FROM notice "  # noqa: S608
    f"WHERE about = incoming.id)), {_OWED.format(table='incoming')} FROM incoming "
    "WHERE id > $1 AND id < $2 ORDER BY id LIMIT $3"
)
_DELETE = "DELETE FROM message WHERE id = ANY($1::bigint[]) RETURNING id, submission_id"
_DELETE_PHONES = "DELETE FROM incoming WHERE id = ANY($1::bigint[])"
#: Rows of other tables that belong to deleted messages.
_BELONGINGS = (
    "DELETE FROM alias WHERE message_id = ANY($1::bigint[])",
    "DELETE FROM event WHERE message_id = ANY($1::bigint[])",
    "DELETE FROM notice WHERE about = ANY($1::bigint[])",
)
#: Notices without a message: refused recipients, parts that were not joined.
_SWEEP_LONELY = (
    "DELETE FROM notice WHERE id = ANY(ARRAY(SELECT id FROM notice WHERE about = 0 "
    "AND known_as < $1 AND ended_at > 0 AND ended_at < $2 ORDER BY known_as LIMIT $3 "
    "FOR UPDATE SKIP LOCKED))"
)
_FORGET_SUBMISSIONS = (
    "DELETE FROM submission WHERE id = ANY($1::bigint[]) AND NOT EXISTS "
    "(SELECT FROM message WHERE submission_id <> message.id AND submission_id = submission.id "
    "OFFSET 0)"
)
_FORGET_ALIASES = (
    "DELETE FROM alias WHERE message_id = ANY($1::bigint[]) "
    "AND NOT EXISTS (SELECT FROM submission WHERE submission.id = alias.message_id OFFSET 0)"
)
#: Send-outs go with the last of their messages.
_FORGET_SEND_OUTS = (
    "DELETE FROM send_out WHERE submission_id = ANY(ARRAY(SELECT submission_id FROM send_out "
    "WHERE submission_id < $1 AND NOT EXISTS "
    "(SELECT FROM submission WHERE id = submission_id OFFSET 0) "
    "ORDER BY submission_id LIMIT $2 FOR UPDATE SKIP LOCKED))"
)
_BLANK = (
    "UPDATE message SET text = '', options = '', fallback = '' WHERE id = ANY($1::bigint[]) "
    "AND NOT (text = '' AND options = '' AND fallback = '') RETURNING id, envelope"
)
_ENVELOPES = (
    "UPDATE message SET envelope = new.envelope "
    "FROM unnest($1::bigint[], $2::text[]) AS new (id, envelope) WHERE message.id = new.id"
)
_BLANK_PHONES = "UPDATE incoming SET text = '' WHERE id = ANY($1::bigint[]) AND text <> ''"
_FORGET_FINGERPRINTS = (
    "DELETE FROM fingerprint WHERE key = ANY(ARRAY(SELECT key FROM fingerprint "
    "WHERE until <= $1 ORDER BY until LIMIT 1000 FOR UPDATE SKIP LOCKED))"
)


class PostgresSweeper:
    """Sweeps in steps; each continues where the last one ended."""

    def __init__(self) -> None:
        self._messages, self._phones = Walk(), Walk()
        self._texts, self._texts_of_phones = Walk(BLANK_AGAIN), Walk(BLANK_AGAIN)

    async def sweep(self, turn: PostgresTurn, before: int, text_before: int, limit: int) -> int:
        """See :meth:`bridge.store.interface.Store.sweep`."""
        connection = turn.connection
        messages, seen = await _over(connection, _MESSAGES, self._messages, before, limit)
        phones, looked = await _over(connection, _PHONES, self._phones, before, limit)
        seen += looked
        if ids := [*messages, *phones]:
            gone = await connection.fetch(_DELETE, messages)
            await connection.execute(_DELETE_PHONES, phones)
            # New ids must be greater than any id ever stored.
            await connection.execute("UPDATE swept SET last_id = greatest(last_id, $1)", max(ids))
            for sql in _BELONGINGS:
                await connection.execute(sql, ids)
            several = {submission for id, submission in gone if submission != id}
            if several:
                several -= unfinished(await connection.fetch(SEND_OUTS_UNDER_WAY))
            await connection.execute(_FORGET_SUBMISSIONS, list(several))
            await connection.execute(_FORGET_ALIASES, list(several))
        await connection.execute(_FORGET_SEND_OUTS, first_id(before), limit)
        lonely = await connection.execute(_SWEEP_LONELY, first_id(before), before, limit)
        seen += int(lonely.rpartition(" ")[2])
        texts, looked = await _over(connection, _MESSAGES, self._texts, text_before, limit)
        seen += looked
        await _blank(connection, texts)
        texts, looked = await _over(connection, _PHONES, self._texts_of_phones, text_before, limit)
        await connection.execute(_BLANK_PHONES, texts)
        return seen + looked


async def _over(
    connection: PgConnection, sql: str, walk: Walk, before: int, limit: int
) -> tuple[list[int], int]:
    """The next old rows that may go, and how many it looked at."""
    rows = await connection.fetch(sql, walk.after, first_id(before), limit)
    lives = [(id, is_over(state, ended, owed, before)) for id, state, ended, owed in rows]
    return walk.step(lives, limit, before)


async def _blank(connection: PgConnection, ids: list[int]) -> None:
    rows = await connection.fetch(_BLANK, ids)
    # In Python: PostgreSQL's JSON cannot contain U+0000.
    envelopes = [(id, storable(without_subject(original(old)))) for id, old in rows if old]
    if envelopes:
        await connection.execute(_ENVELOPES, *zip(*envelopes, strict=True))


async def forget_fingerprints(connection: PgConnection, now: int) -> None:
    """Deletes fingerprints whose time is over, in small transactions."""
    done = ""
    while done != "DELETE 0":
        done = await connection.execute(_FORGET_FINGERPRINTS, now)
