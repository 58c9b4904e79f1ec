"""What a group of requests becomes: a few statements of many rows, in one transaction.

Each statement is fenced (:mod:`bridge.store.postgres.lease`), so that a group of a single
statement, as an idle bridge writes them, is a single round trip. Statements that find messages by
their ids name the state by a parameter and compare the owner without an operator of the index:
there is one index that they can use, and the planner cannot be wrong about it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import orjson

from bridge.model.message import TRANSITIONS, State
from bridge.model.notice import Notice
from bridge.store.ended import Ended
from bridge.store.errors import LeaseLost
from bridge.store.postgres import delivery
from bridge.store.postgres.connection import free_text, storable
from bridge.store.postgres.delivery import VERBS, Turn
from bridge.store.postgres.lease import CHANNEL, FENCED, NOBODY, OWED, Fence
from bridge.store.postgres.notices import SUBJECT, owe, owe_states, to_subject
from bridge.store.postgres.parts import add_parts, finish_parts
from bridge.store.rows import MESSAGE_COLUMNS, to_row
from bridge.store.types import Acceptance, Alias, Change, Fingerprint, PartGroup

#: From so many rows on COPY is cheaper than a statement with an array for each column.
COPY_FROM = 24

#: The columns of ``message`` that are no text.
_TYPES = {
    "id": "bigint",
    "submission_id": "bigint",
    "level": "smallint",
    "parts": "integer",
    "accepted_at": "bigint",
    "due_at": "bigint",
    "scheduled_at": "bigint",
    "expires_at": "bigint",
    "receipts": "smallint",
    "attempts": "integer",
    "unknown": "integer",
    "owner": "smallint",
}
_COLUMNS = (*MESSAGE_COLUMNS, "owner")
_NAMES = ", ".join(_COLUMNS)
_ARRAYS = ", ".join(f"${n}::{_TYPES.get(name, 'text')}[]" for n, name in enumerate(_COLUMNS, 4))

_HELD = f"{FENCED} SELECT EXISTS (SELECT FROM fence)"  # noqa: S608
_INSERT = (
    f"{FENCED}, stored AS (INSERT INTO message ({_NAMES}) "  # noqa: S608
    f"SELECT * FROM unnest({_ARRAYS}) WHERE EXISTS (SELECT FROM fence)) "
    "SELECT EXISTS (SELECT FROM fence)"
)
_FINGERPRINTS = (
    f"{FENCED}, won AS (INSERT INTO fingerprint (key, message_id, until) "  # noqa: S608
    "SELECT * FROM unnest($4::bytea[], $5::bigint[], $6::bigint[]) "
    "WHERE EXISTS (SELECT FROM fence) ON CONFLICT (key) DO UPDATE "
    "SET message_id = excluded.message_id, until = excluded.until WHERE fingerprint.until <= $7 "
    "RETURNING key) "
    "SELECT EXISTS (SELECT FROM fence), "
    "CASE WHEN (SELECT count(*) FROM won) < cardinality($4) "
    "THEN coalesce((SELECT array_agg(key) FROM won), '{}') END"
)
_KNOWN = "SELECT key, message_id FROM fingerprint WHERE key = ANY($1::bytea[])"
_SUBMISSIONS = (
    "INSERT INTO submission (id, account, messages) "
    "SELECT * FROM unnest($1::bigint[], $2::text[], $3::integer[])"
)
_ALIASES = (
    "INSERT INTO alias (id, message_id, receipts) "
    "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[])"
)
#: The rows are locked: whoever moves or replaces one of them does so before, or sees the attempt.
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
#: A message that this node has no longer stays as it is: the change was decided too late, or it
#: was written before and the answer got lost.
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
#: What becomes of messages that are in no node's memory; the dispatcher's own may become anything.
_LATER = [
    f"{source.value} {to.value}"
    for source in (State.HELD, State.SENT)
    for to in sorted(TRANSITIONS[source])
]
_CHANGED = (
    f"{FENCED}, changed AS (UPDATE message "  # noqa: S608
    "SET (state, upstream_id, due_at, attempts, unknown, failure, cause) = "
    "(SELECT c ->> 0, c ->> 1, (c ->> 2)::bigint, (c ->> 3)::integer, (c ->> 4)::integer, "
    "c ->> 5, c ->> 6 FROM (VALUES ($5::jsonb -> id::text)) AS given (c)), "
    "owner = -1, changed_at = $6 "
    "WHERE id = ANY($4::bigint[]) AND EXISTS (SELECT FROM fence) "
    "AND (state = $7 AND owner IS NOT DISTINCT FROM $1 "
    "OR state || ' ' || ($5::jsonb -> id::text ->> 0) = ANY($8::text[])) "
    f"RETURNING {SUBJECT}) "
    "SELECT held, changed.* FROM (SELECT EXISTS (SELECT FROM fence)) AS f (held) "
    "LEFT JOIN changed ON true"
)
#: What became of a message, and the words that came with it: its row keeps the last alone.
_EVENTS = (
    "INSERT INTO event (message_id, at, what, detail) SELECT id, $1, what, detail "
    "FROM unnest($2::bigint[], $3::text[], $4::text[]) "
    "WITH ORDINALITY AS new (id, what, detail, n) ORDER BY n"
)
_NOTIFY = "SELECT pg_notify($1, $2)"
_ACCEPTED = State.ACCEPTED.value


class Request:
    """Something to write, and the future that is resolved when it is durable.

    ``stored`` is a message that is in the database if and only if the request is; 0: none is.
    ``unsure``: the connection was lost while it was being written.
    """

    __slots__ = ("answer", "future", "payload", "stored", "unsure", "verb")

    def __init__(self, verb: str, payload: Any, future: asyncio.Future[Any]) -> None:
        self.verb = verb
        self.payload = payload
        self.future = future
        self.answer: Any = None
        self.stored = 0
        self.unsure = False


class Group:
    """Requests to be written together at the time ``now``; :meth:`write` leaves their answers."""

    def __init__(self, requests: Sequence[Request], now: int, ended: Ended) -> None:
        self._now = now
        self._ended = ended
        self._accepts = [request for request in requests if request.verb == "accept"]
        self._begins = [request for request in requests if request.verb == "begin"]
        self._finishes = [request for request in requests if request.verb == "finish"]
        self._parts = [request for request in requests if request.verb == "add_part"]
        self._others = [request for request in requests if request.verb in VERBS]
        #: The queues in which notices were put.
        self.queues: set[str] = set()
        #: Whether something is due that another node may tell.
        self._owed = any(
            not told.ended and told.due_at <= now
            for request in self._others
            if request.verb == "told"
            for told in request.payload
        )
        self._messages = sum(len(request.payload.messages) for request in self._accepts)
        self._changes = [
            change
            for request in self._finishes
            for change in request.payload[1]
            if change.state is not State.SENT
        ]
        #: Messages that were sent, or ended, without anybody hearing of it otherwise, but under
        #: the second of these.
        self._unheard = {
            change.message_id: (change.state, change.heard)
            for request in self._finishes
            for change in request.payload[1]
            if change.notify
        }
        #: Whether something became available that another node may send.
        self._notify = any(self._is_work(request.payload) for request in self._accepts) or any(
            change.state is State.ACCEPTED and change.due_at <= now for change in self._changes
        )

    def _is_work(self, acceptance: Acceptance) -> bool:
        return not acceptance.claimed and any(
            message.due_at <= self._now for message in acceptance.messages
        )

    def _is_one_statement(self) -> bool:
        statements = bool(self._accepts) + len(self._begins) + bool(self._finishes)
        return (
            statements == 1
            and not (self._parts or self._changes or self._notify)
            and not (self._others or self._unheard)
            and self._messages < COPY_FROM
            and all(
                not (a.fingerprints or a.aliases or a.parts or a.notices) and len(a.messages) == 1
                for a in (request.payload for request in self._accepts)
            )
        )

    async def write(self, connection: Any, fence: Fence) -> None:
        """Raises :class:`LeaseLost`, or what asyncpg raises; then nothing is stored, unless the
        connection was lost."""
        if self._is_one_statement():
            await self._statements(connection, fence)
        else:
            async with connection.transaction():
                await self._statements(connection, fence)

    async def _statements(self, connection: Any, fence: Fence) -> None:
        if self._accepts:
            await self._accept(connection, fence)
        for request in self._begins:
            attempt, ids = request.payload
            held, mine = await connection.fetchrow(
                _BEGIN, *fence, ids, _ACCEPTED, attempt, self._now
            )
            _check(held)
            request.answer = frozenset() if mine is None else frozenset(ids).difference(mine)
        if self._finishes:
            await self._finish(connection, fence)
        if self._parts:
            _check(await connection.fetchval(_HELD, *fence))
            await add_parts(connection, self._parts)
        if self._others:
            _check(await connection.fetchval(_HELD, *fence))
            turn = Turn(connection, fence.number, self._now, self._ended)
            self._put(await delivery.write(turn, self._others))
        if self._notify:
            await connection.execute(_NOTIFY, CHANNEL, str(fence.number))
        if self._owed:
            await connection.execute(_NOTIFY, OWED, str(fence.number))

    def _put(self, notices: Sequence[Notice]) -> None:
        self.queues.update(notice.queue for notice in notices)
        self._owed = self._owed or any(notice.due_at <= self._now for notice in notices)

    # --- accepted --------------------------------------------------------------------------

    async def _accept(self, connection: Any, fence: Fence) -> None:
        prints = [f for request in self._accepts for f in request.payload.fingerprints]
        first = await self._first(connection, fence, prints) if prints else {}
        rows: list[tuple[Any, ...]] = []
        submissions: list[tuple[int, str, int]] = []
        aliases: list[Alias] = []
        joined: list[tuple[PartGroup, int, int]] = []
        notices: list[Notice] = []
        for request in self._accepts:
            acceptance: Acceptance = request.payload
            messages = acceptance.messages
            request.answer = {}
            if acceptance.fingerprints:
                repeated: set[int] = set()
                for f in acceptance.fingerprints:
                    if first[f.key] != f.message_id:
                        request.answer[f.key] = first[f.key]
                        repeated.add(f.message_id)
                messages = tuple(m for m in messages if m.id not in repeated)
            owner = (fence.number if acceptance.claimed else NOBODY,)
            rows += [to_row(message) + owner for message in messages]
            request.stored = messages[0].id if messages else 0
            if len(acceptance.messages) > 1 and messages:
                submissions.append((messages[0].submission_id, messages[0].account, len(messages)))
            if acceptance.aliases:
                ids = {message.id for message in messages}
                aliases += [alias for alias in acceptance.aliases if alias.message_id in ids]
            if acceptance.notices:
                ids = {message.id for message in messages}
                notices += [notice for notice in acceptance.notices if notice.about in ids]
            if acceptance.parts is not None:
                part = acceptance.aliases[0].id if acceptance.aliases else 0
                joined.append((acceptance.parts, acceptance.messages[0].id, part))
        rows = free_text(rows)
        if len(rows) >= COPY_FROM:
            _check(await connection.fetchval(_HELD, *fence))
            await connection.copy_records_to_table("message", records=rows, columns=_COLUMNS)
        elif rows:
            _check(await connection.fetchval(_INSERT, *fence, *zip(*rows, strict=True)))
        if submissions:
            await connection.execute(_SUBMISSIONS, *zip(*submissions, strict=True))
        if aliases:
            # asyncpg takes a flag for a list of flags.
            rows = [(alias.id, alias.message_id, int(alias.receipts)) for alias in aliases]
            await connection.execute(_ALIASES, *zip(*rows, strict=True))
        if joined:
            await finish_parts(connection, joined)
        if notices:
            await owe(connection, notices)
            self._put(notices)

    async def _first(
        self, connection: Any, fence: Fence, prints: Sequence[Fingerprint]
    ) -> dict[bytes, int]:
        """The message that has each of the fingerprints: one of these, or an earlier one."""
        first: dict[bytes, Fingerprint] = {}
        for f in prints:
            first.setdefault(f.key, f)
        # In one order on every node, so that none waits for another that waits for it.
        mine = [first[key] for key in sorted(first)]
        held, won = await connection.fetchrow(
            _FINGERPRINTS, *fence, *zip(*mine, strict=True), self._now
        )
        _check(held)
        ids = {f.key: f.message_id for f in mine}
        if won is not None:
            lost = list(ids.keys() - set(won))
            ids.update(await connection.fetch(_KNOWN, lost))
        return ids

    # --- finished --------------------------------------------------------------------------

    async def _finish(self, connection: Any, fence: Fence) -> None:
        attempts = [request.payload[0] for request in self._finishes if request.payload[0]]
        sent = {
            str(change.message_id): (storable(change.upstream_id), change.poll_at)
            for request in self._finishes
            for change in request.payload[1]
            if change.state is State.SENT
        }
        rows = await connection.fetch(
            _SENT,
            *fence,
            attempts,
            sorted(map(int, sent)),
            orjson.dumps(sent).decode(),
            self._now,
            _ACCEPTED,
            list(self._unheard),
        )
        _check(rows[0][0])
        if self._changes:
            changes = {str(change.message_id): change for change in self._changes}
            values = {id: _values(change) for id, change in changes.items()}
            changed = await connection.fetch(
                _CHANGED,
                *fence,
                sorted(map(int, changes)),
                orjson.dumps(values).decode(),
                self._now,
                _ACCEPTED,
                _LATER,
            )
            _check(changed[0][0])
            rows += changed
            if events := [
                (row[1], change.state._value_, storable(change.cause or change.failure))
                for row in changed
                if row[1] is not None and (change := changes[str(row[1])])
            ]:
                await connection.execute(_EVENTS, self._now, *zip(*events, strict=True))
        if self._unheard:
            told = []
            for row in rows:
                if row[1] in self._unheard:
                    state, heard = self._unheard[row[1]]
                    told.append((to_subject(row[1:])._replace(heard=heard), state, self._now))
            self._put(await owe_states(connection, told))


def _values(change: Change) -> list[Any]:
    return [
        change.state._value_,
        storable(change.upstream_id),
        change.due_at,
        change.attempts,
        change.unknown,
        change.failure,
        storable(change.cause),
    ]


def _check(held: bool) -> None:
    if not held:
        raise LeaseLost
