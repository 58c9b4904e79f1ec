"""Attempts in PostgreSQL: noted before a request to the API, ended with the messages' changes.

Statements that find messages by their ids give the state as a parameter and compare the owner
without an operator of the index: they can use only the primary key, so that the planner cannot
choose a wrong index.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set

import orjson

from bridge.model.ids import node_of
from bridge.model.message import Message, State
from bridge.store.postgres.connection import PgConnection, storable
from bridge.store.postgres.lease import FENCED
from bridge.store.postgres.notices import SUBJECT, owe_states, to_subject
from bridge.store.postgres.queue import MESSAGE, to_messages
from bridge.store.postgres.verb import PostgresTurn, PostgresVerb
from bridge.store.rows import Row
from bridge.store.types import Change

#: An attempt with the ids of its messages.
Begun = tuple[int, Sequence[int]]
#: An attempt (0: none) with the changes of its messages.
Finished = tuple[int, Sequence[Change]]

#: Locks the rows: another node moves or replaces a message before this statement, or sees the
#: attempt.
_BEGIN = (
    f"{FENCED}, mine AS MATERIALIZED (SELECT id FROM message "  # noqa: S608
    "WHERE id = ANY($4::bigint[]) AND state = $5 AND owner IS NOT DISTINCT FROM $1 "
    "AND EXISTS (SELECT FROM fence) ORDER BY id FOR NO KEY UPDATE), "
    "begun AS (INSERT INTO attempt (id, node, begun_at, message_ids) "
    "SELECT $6::bigint, $1, $7::bigint, array_agg(id) FROM mine HAVING count(*) > 0) "
    "SELECT EXISTS (SELECT FROM fence), "
    "CASE WHEN (SELECT count(*) FROM mine) < cardinality($4) "
    "THEN coalesce((SELECT array_agg(id) FROM mine), '{}') END"
)
#: A message that no longer belongs to this node stays as it is: the change was decided too late, or
#: was written before and the confirmation was lost.
_SENT = (
    f"{FENCED}, ended AS (DELETE FROM attempt "  # noqa: S608
    "WHERE id = ANY($4::bigint[]) AND node = $1 AND EXISTS (SELECT FROM fence)), "
    "sent AS (UPDATE message SET state = 'sent', owner = -1, changed_at = $7, sent_at = $7, "
    "upstream_id = $6::jsonb -> id::text ->> 0, "
    "poll_at = ($6::jsonb -> id::text ->> 1)::bigint "
    "WHERE id = ANY($5::bigint[]) AND state = $8 AND owner IS NOT DISTINCT FROM $1 "
    f"AND EXISTS (SELECT FROM fence) RETURNING {SUBJECT}) "
    "SELECT held, unheard.* FROM (SELECT EXISTS (SELECT FROM fence)) AS f (held) LEFT JOIN "
    "(SELECT * FROM sent WHERE receipts > 0 AND id = ANY($9::bigint[])) AS unheard ON true"
)
_CHANGED = (
    f"{FENCED}, changed AS (UPDATE message "  # noqa: S608
    "SET (state, upstream_id, due_at, attempts, unknown, failure, cause) = "
    "(SELECT c ->> 0, c ->> 1, (c ->> 2)::bigint, (c ->> 3)::integer, (c ->> 4)::integer, "
    "c ->> 5, c ->> 6 FROM (VALUES ($5::jsonb -> id::text)) AS given (c)), "
    "owner = -1, changed_at = $6 "
    "WHERE id = ANY($4::bigint[]) AND EXISTS (SELECT FROM fence) "
    "AND state = $7 AND owner IS NOT DISTINCT FROM $1 "
    f"RETURNING {SUBJECT}) "
    "SELECT held, changed.* FROM (SELECT EXISTS (SELECT FROM fence)) AS f (held) "
    "LEFT JOIN changed ON true"
)
#: A line of a message's story: state and text. The message's own row has only the last one.
_EVENTS = (
    "INSERT INTO event (message_id, at, what, detail) SELECT id, $1, what, detail "
    "FROM unnest($2::bigint[], $3::text[], $4::text[]) "
    "WITH ORDINALITY AS new (id, what, detail, n) ORDER BY n"
)
_OF_NODE = "SELECT id, message_ids FROM attempt WHERE node = $1 ORDER BY id"
_MESSAGES = (
    f"SELECT {MESSAGE} FROM message WHERE id = ANY($1::bigint[]) "  # noqa: S608
    "AND state = $2 AND owner IS NOT DISTINCT FROM $3 ORDER BY id"
)
_ACCEPTED = State.ACCEPTED.value


async def _begin(turn: PostgresTurn, attempts: Sequence[Begun]) -> list[Set[int]]:
    gone: list[Set[int]] = []
    for attempt, ids in attempts:
        parameters = (ids, _ACCEPTED, attempt, turn.now)
        held, mine = await turn.connection.fetchrow(_BEGIN, *turn.fence, *parameters)
        turn.check(held)
        gone.append(frozenset() if mine is None else frozenset(ids).difference(mine))
    return gone


async def _forget(connection: PgConnection, attempts: Sequence[Begun]) -> None:
    ids = [attempt for attempt, _ in attempts]
    await connection.execute("DELETE FROM attempt WHERE id = ANY($1::bigint[])", ids)


async def _recover_begun(
    connection: PgConnection, asked: Sequence[tuple[Begun, Set[int] | None]]
) -> dict[int, Set[int]]:
    # Nothing was posted for these yet: the caller has no answer. They begin again.
    await _forget(connection, [begun for begun, _ in asked])
    return {}


async def _take_back_begun(connection: PgConnection, attempts: Sequence[Begun], node: int) -> None:
    await _forget(connection, attempts)


async def _finish(turn: PostgresTurn, finished: Sequence[Finished]) -> list[None]:
    node = turn.fence.number
    attempts = [attempt for attempt, _ in finished if attempt]
    sent: dict[str, tuple[str, int]] = {}
    others: dict[str, Change] = {}
    #: Message → state, and the id whose client gets the state as its answer (0: none).
    notify: dict[int, tuple[State, int]] = {}
    for _, changes in finished:
        for change in changes:
            id = str(change.message_id)
            if change.notify:
                notify[change.message_id] = (change.state, change.heard)
            if (home := node_of(change.message_id)) != node and change.state is not State.ACCEPTED:
                turn.settled.setdefault(home, []).append(change.message_id)
            if change.state is State.SENT:
                sent[id] = (storable(change.upstream_id), change.poll_at)
            else:
                others[id] = change
                if change.state is State.ACCEPTED and change.due_at <= turn.now:
                    turn.is_work = True
    rows = await turn.connection.fetch(
        _SENT,
        *turn.fence,
        attempts,
        sorted(map(int, sent)),
        orjson.dumps(sent).decode(),
        turn.now,
        _ACCEPTED,
        list(notify),
    )
    turn.check(rows[0][0])
    if others:
        rows += await _change(turn, others)
    if notify:
        told = []
        for row in rows:
            if row[1] in notify:
                state, heard = notify[row[1]]
                told.append((to_subject(row[1:])._replace(heard=heard), state, turn.now))
        await owe_states(turn, told)
    return [None] * len(finished)


async def _change(turn: PostgresTurn, changes: dict[str, Change]) -> list[Row]:
    """Writes all changes but ``sent``; returns the rows of the changed messages."""
    values = {id: _values(change) for id, change in changes.items()}
    changed = await turn.connection.fetch(
        _CHANGED,
        *turn.fence,
        sorted(map(int, changes)),
        orjson.dumps(values).decode(),
        turn.now,
        _ACCEPTED,
    )
    turn.check(changed[0][0])
    if events := [
        (row[1], change.state._value_, storable(change.cause or change.failure))
        for row in changed
        if row[1] is not None and (change := changes[str(row[1])])
    ]:
        await turn.connection.execute(_EVENTS, turn.now, *zip(*events, strict=True))
    return changed


def _values(change: Change) -> list[object]:
    return [
        change.state._value_,
        storable(change.upstream_id),
        change.due_at,
        change.attempts,
        change.unknown,
        change.failure,
        storable(change.cause),
    ]


def _is_sent_alone(finished: Sequence[Finished], turn: PostgresTurn) -> bool:
    node = turn.fence.number
    return all(
        change.state is State.SENT and not change.notify and node_of(change.message_id) == node
        for _, changes in finished
        for change in changes
    )


async def left_behind(
    connection: PgConnection, node: int, is_known: Callable[[int], bool]
) -> dict[int, list[Message]]:
    """The node's attempts that this process does not know, with their messages: an earlier process
    began them and did not finish."""
    found: dict[int, list[Message]] = {}
    for attempt, ids in await connection.fetch(_OF_NODE, node):
        if not is_known(attempt):
            rows = await connection.fetch(_MESSAGES, ids, _ACCEPTED, node)
            found[attempt] = to_messages(rows)
    return found


BEGIN = PostgresVerb(
    _begin,
    is_one_statement=lambda attempts, turn: len(attempts) == 1,
    recover=_recover_begun,
    take_back=_take_back_begun,
)
FINISH = PostgresVerb(_finish, kept=True, is_one_statement=_is_sent_alone)
