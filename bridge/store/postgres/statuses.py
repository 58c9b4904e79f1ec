"""Statuses in PostgreSQL: noted, kept if early, polled for.

All within the caller's transaction. :mod:`bridge.store.transitions` decides the effect of a status.
"""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass
from operator import itemgetter

import orjson

from bridge.model.message import State, Stored
from bridge.model.notice import Subject
from bridge.store.ended import LOOK_THROUGH
from bridge.store.postgres.connection import PgConnection, as_written, original, storable
from bridge.store.postgres.notices import SUBJECT, owe_states, to_subject
from bridge.store.postgres.verb import PostgresTurn, PostgresVerb
from bridge.store.rows import STORED, Row, to_stored
from bridge.store.transitions import MAX_POLL, Standing, note_status
from bridge.store.types import Noted, Status

#: Most early statuses that one step of :meth:`PostgresEarly.match` looks at.
_STEP = 5000

_FOUND = f"SELECT {SUBJECT}, upstream_id, {', '.join(Standing._fields)} FROM message WHERE "  # noqa: S608
# The whole condition of the index, and an order that no other index has.
_IS_SENT = "message.state = 'sent' AND message.upstream_id <> ''"
_FIND_SENT = (
    f"{_FOUND}{_IS_SENT} AND upstream_id = ANY($1::text[]) ORDER BY id + 0 FOR NO KEY UPDATE"
)
_FIND_ENDED = f"{_FOUND}id = ANY($1::bigint[]) AND state <> $2 ORDER BY id FOR NO KEY UPDATE"
_CHANGE = (
    "UPDATE message SET (state, status, status_at, changed_at, cost, counted_parts, err, cause) = "
    "(SELECT n ->> 0, n ->> 1, (n ->> 2)::bigint, (n ->> 3)::bigint, n ->> 4, "
    "(n ->> 5)::integer, (n ->> 6)::integer, n ->> 7 "
    "FROM (VALUES ($2::jsonb -> id::text)) AS now (n)) WHERE id = ANY($1::bigint[])"
)
_LATE = (
    "INSERT INTO event (message_id, at, what, detail) SELECT id, at, 'status', word "
    "FROM unnest($1::bigint[], $2::bigint[], $3::text[]) "
    "WITH ORDINALITY AS late (id, at, word, n) ORDER BY n"
)
_EARLY = (
    "INSERT INTO early_status (upstream_id, word, state, at, cost, counted_parts, err) "
    "SELECT upstream_id, word, state, at, cost, parts, err FROM unnest($1::text[], $2::text[], "
    "$3::text[], $4::bigint[], $5::text[], $6::integer[], $7::integer[]) "
    "WITH ORDINALITY AS early (upstream_id, word, state, at, cost, parts, err, n) ORDER BY n"
)
#: The latest ended messages that have an early status. "IS TRUE" prevents a join with nested loops;
#: the few upstream ids fit into a hash.
_ENDED_LATELY = (
    "SELECT upstream_id, id FROM (SELECT id, upstream_id, state FROM message "  # noqa: S608
    f"ORDER BY id DESC LIMIT {LOOK_THROUGH}) AS latest WHERE state <> 'sent' "
    "AND upstream_id <> '' AND (upstream_id IN (SELECT upstream_id FROM early_status "
    "ORDER BY id DESC LIMIT 20000)) IS TRUE ORDER BY id"
)
#: "OFFSET" keeps the planner from scanning all messages under way.
_PAGE = (
    "SELECT id, upstream_id, EXISTS (SELECT FROM message "  # noqa: S608
    f"WHERE message.upstream_id = early.upstream_id AND {_IS_SENT} OFFSET 0) "
    "FROM early_status AS early "
    "WHERE id > $1 ORDER BY id LIMIT $2"
)
_MATCHED = (
    "DELETE FROM early_status WHERE id = ANY(ARRAY(SELECT id FROM early_status "
    "WHERE id = ANY($1::bigint[]) ORDER BY id FOR UPDATE SKIP LOCKED)) "
    "RETURNING id, upstream_id, word, state, at, cost, counted_parts, err"
)
#: Their ids grow nearly with time.
_FORGET = (
    "DELETE FROM early_status WHERE id = ANY(ARRAY(SELECT id FROM early_status "
    "ORDER BY id LIMIT $2 FOR UPDATE SKIP LOCKED)) AND at < $1"
)
# Both written as in the index; plain true and false would be simplified away.
_POLL = (
    "SELECT id FROM message WHERE state = 'sent' AND (receipts = 0) = $1::boolean "
    "AND poll_at >= 0 AND poll_at <= $2 ORDER BY poll_at, id LIMIT $3 FOR NO KEY UPDATE SKIP LOCKED"
)
_TURN = (
    "UPDATE message SET poll_at = $2 + greatest(1, least($3, $2 - sent_at)) "  # noqa: S608
    f"WHERE id = ANY($1::bigint[]) RETURNING {', '.join(STORED)}"
)
_SENT = State.SENT.value


@dataclass(slots=True)
class _Known:
    """A message with its fields after the statuses noted so far."""

    subject: Subject
    standing: Standing
    changed: bool = False


async def note(turn: PostgresTurn, statuses: Sequence[Status]) -> list[Noted]:
    """Notes statuses and returns the effect of each; early ones are kept."""
    connection = turn.connection
    by_upstream = await _find(turn, {status.upstream_id for status in statuses})
    noted: list[Noted] = []
    early: list[Status] = []
    late: list[tuple[int, int, str]] = []
    ends: list[tuple[Subject, State, int]] = []
    over: list[tuple[str, int]] = []
    for status in statuses:
        what = Noted.EARLY
        written = status._replace(word=storable(status.word), cost=storable(status.cost))
        for known in by_upstream.get(status.upstream_id, ()):
            what, known.standing = note_status(known.standing, written)
            if what is Noted.LATE:
                late.append((known.subject.id, status.at, written.word))
            elif what is not Noted.REPEATED:
                known.changed = True
            if what is Noted.CHANGED and status.state is not None:
                ends.append((known.subject, status.state, status.at))
                over.append((status.upstream_id, known.subject.id))
        if what is Noted.EARLY:
            early.append(status)
        noted.append(what)
    turn.ended.add(over)
    changed = [one for some in by_upstream.values() for one in some if one.changed]
    if changed:
        values = {str(one.subject.id): list(one.standing) for one in changed}
        ids = sorted(map(int, values))
        await connection.execute(_CHANGE, ids, orjson.dumps(values).decode())
    if late:
        await connection.execute(_LATE, *zip(*late, strict=True))
    if early:
        await connection.execute(_EARLY, *zip(*map(_early_row, early), strict=True))
    await owe_states(turn, ends)
    return noted


async def _find(turn: PostgresTurn, upstream_ids: Set[str]) -> dict[str, list[_Known]]:
    """The messages with these upstream ids, locked."""
    found: dict[str, list[_Known]] = {}
    rows = await turn.connection.fetch(_FIND_SENT, sorted(map(storable, upstream_ids)))
    if len(rows) < len(upstream_ids):
        old = turn.ended.find(upstream_ids - {original(row[5]) for row in rows})
        rows += await turn.connection.fetch(_FIND_ENDED, old, _SENT) if old else []
    for row in rows:
        known = _Known(to_subject(row[:5]), Standing(*row[6:]))
        found.setdefault(original(row[5]), []).append(known)
    return found


async def _note_all(
    turn: PostgresTurn, payloads: Sequence[Sequence[Status]]
) -> list[Sequence[Noted]]:
    await turn.hold()
    noted = await note(turn, [status for payload in payloads for status in payload])
    answers: list[Sequence[Noted]] = []
    start = 0
    for payload in payloads:
        answers.append(noted[start : start + len(payload)])
        start += len(payload)
    return answers


NOTE_STATUSES = PostgresVerb(_note_all, weight=len)


def _early_row(status: Status) -> tuple[object, ...]:
    upstream_id, word, state, at, cost, counted_parts, err = status
    state_name = "" if state is None else state._value_
    return (
        storable(upstream_id),
        storable(word),
        state_name,
        at,
        storable(cost),
        counted_parts,
        err,
    )


class PostgresEarly:
    """Goes through the early statuses, some at a time, from the oldest on."""

    def __init__(self) -> None:
        self._seen = 0

    async def match(self, turn: PostgresTurn, now: int, before: int) -> int:
        """See :meth:`bridge.store.interface.Store.match_early`.

        Statuses of messages that ended at another node are matched there.
        """
        connection, ended = turn.connection, turn.ended
        page = await connection.fetch(_PAGE, self._seen, _STEP)
        if page and ended.look(now):
            over = await connection.fetch(_ENDED_LATELY)
            ended.add((original(upstream_id), id) for upstream_id, id in over)
        self._seen = page[-1][0] if len(page) == _STEP else 0
        if ids := [id for id, name, sent in page if sent or original(name) in ended]:
            rows = sorted(await connection.fetch(_MATCHED, ids), key=itemgetter(0))
            await note(turn, [_early(row[1:]) for row in rows])
        done = await connection.execute(_FORGET, before, _STEP)
        return int(done.rpartition(" ")[2])


def _early(row: Row) -> Status:
    upstream_id, word, state, at, cost, counted_parts, err = row
    to = State(state) if state else None
    return Status(original(upstream_id), original(word), to, at, original(cost), counted_parts, err)


async def to_poll(connection: PgConnection, now: int, limit: int) -> list[Stored]:
    """See :meth:`bridge.store.interface.Store.to_poll`."""
    ids: list[int] = []
    for nobody_waits in (False, True):
        rows = await connection.fetch(_POLL, nobody_waits, now, limit - len(ids))
        ids += [row[0] for row in rows]
    rows = await connection.fetch(_TURN, ids, now, MAX_POLL) if ids else []
    stored = {row[0]: to_stored(as_written(row)) for row in rows}
    return [stored[id] for id in ids]
