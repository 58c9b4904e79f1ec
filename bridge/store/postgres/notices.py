"""Notices in PostgreSQL: owed, claimed, told. Each within the transaction of its caller.

:mod:`bridge.model.notice` decides which notices follow from a change. The ids of notices grow in
the order in which they are stored; those of one message are stored under its lock.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import orjson

from bridge.model.message import State, Stored
from bridge.model.notice import (
    ALIASES,
    MAIL,
    Incoming,
    Kind,
    Notice,
    Owed,
    Subject,
    Told,
    aliases_of,
    incoming_notice,
    notices_of,
    subject_of,
)
from bridge.store.postgres.connection import PgConnection, as_written, original, storable
from bridge.store.postgres.verb import PostgresTurn, PostgresVerb
from bridge.store.rows import (
    INCOMING,
    NEW_NOTICE,
    NOTICE,
    STORED,
    Row,
    from_notice,
    to_notice,
    to_stored,
)

#: The columns that decide about a message's notices, for :func:`to_subject`.
SUBJECT = "id, submission_id, account, protocol, receipts"

_NOTICE = ", ".join(NOTICE)
_NEW = ", ".join(NEW_NOTICE)
_OWE = (
    f"INSERT INTO notice ({_NEW}) SELECT {_NEW} "  # noqa: S608
    "FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], "
    "$7::bigint[], $8::text[], $9::bigint[], $10::text[], $11::text[]) WITH ORDINALITY "
    f"AS new ({_NEW}, n) ORDER BY n"
)
_ALIASES = (  # in an order that no index has
    "SELECT message_id, id, receipts FROM alias WHERE message_id = ANY($1::bigint[]) "
    "ORDER BY id + 0"
)
#: The node at which it came in: the number in the id of its subject, or of the submission.
_FROM = "((coalesce(nullif(notice.about, 0), notice.known_as) >> 16) & 63)"
#: Only the first notice of each message and alias: these are told in order. A delay that is not due
#: yet does not block a final state. "OFFSET" and "+ 0" force the search for earlier notices by
#: subject: while the table is small, the planner would scan all that are owed.
_CLAIM = (
    "UPDATE notice SET owner = $1 WHERE id = ANY(ARRAY("  # noqa: S608
    "SELECT id FROM notice WHERE ended_at = 0 AND owner = -1 AND queue = $2 AND due_at <= $3 "
    f"AND (due_at < $3 OR {_FROM} = $1 OR {_FROM} <> ALL($5::smallint[])) AND NOT EXISTS ("
    "SELECT FROM notice AS earlier WHERE earlier.about = notice.about "
    "AND earlier.known_as = notice.known_as AND earlier.queue = notice.queue "
    "AND earlier.ended_at + 0 = 0 AND earlier.id + 0 < notice.id AND earlier.kind <> 'delay' "
    "OFFSET 0) "
    "ORDER BY due_at, id LIMIT $4 FOR NO KEY UPDATE SKIP LOCKED)) "
    f"RETURNING {_NOTICE}"
)
_LIVING = "SELECT coalesce(array_agg(number), '{}') FROM node WHERE lease_until > clock_timestamp()"
_MESSAGES = f"SELECT {', '.join(STORED)} FROM message WHERE id = ANY($1::bigint[])"  # noqa: S608
_PHONES = f"SELECT {', '.join(INCOMING)} FROM incoming WHERE id = ANY($1::bigint[])"  # noqa: S608
#: Notices that another node has taken over meanwhile stay as they are.
_TOLD = (
    "UPDATE notice SET owner = -1, (ended_at, outcome, due_at, tries) = "
    "(SELECT (t ->> 0)::bigint, t ->> 1, (t ->> 2)::bigint, tries + (t ->> 3)::integer "
    "FROM (VALUES ($3::jsonb -> id::text)) AS told (t)) "
    "WHERE id = ANY($2::bigint[]) AND owner = $1"
)
_GIVE_BACK = "UPDATE notice SET owner = -1 WHERE ended_at = 0 AND owner = $1"
_EXPIRE = (
    "UPDATE notice SET ended_at = $2, outcome = CASE outcome WHEN '' THEN 'nobody took it' "
    "ELSE 'given up: ' || outcome END WHERE id = ANY(ARRAY(SELECT id FROM notice "
    "WHERE ended_at = 0 AND owner = -1 AND due_at <= $2 "
    "AND at < CASE queue WHEN $4 THEN $5::bigint ELSE $1::bigint END LIMIT $3 "
    "FOR NO KEY UPDATE SKIP LOCKED))"
)
_TAKE = (
    f"INSERT INTO incoming ({', '.join(INCOMING)}) SELECT * FROM unnest("  # noqa: S608
    "$1::bigint[], $2::text[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], "
    "$8::bigint[]) ON CONFLICT (uid) DO NOTHING RETURNING id"
)
_IS_SAME = "about = $1 AND known_as = $2 AND queue = $3 AND kind = $4 AND at = $5 AND content = $6"
_SAME = f"SELECT EXISTS (SELECT FROM notice WHERE {_IS_SAME})"  # noqa: S608
#: Not one that another node is telling, or has told.
_TAKE_BACK = f"DELETE FROM notice WHERE {_IS_SAME} AND owner = -1 AND tries = 0"  # noqa: S608


#: A message from a phone, with the queues for its notices.
Arrival = tuple[Incoming, Sequence[str]]
#: A queue, the time, and the most notices.
Claim = tuple[str, int, int]


def to_subject(row: Row) -> Subject:
    """The subject from the columns :data:`SUBJECT`."""
    return subject_of(*row)


# --- owed --------------------------------------------------------------------------------------


async def owe(turn: PostgresTurn, notices: Sequence[Notice]) -> None:
    """Stores notices."""
    if notices:
        rows = [(*row[:-1], storable(row[-1])) for row in map(from_notice, notices)]
        await turn.connection.execute(_OWE, *zip(*rows, strict=True))
        turn.put(notices)


async def owe_states(turn: PostgresTurn, changes: Iterable[tuple[Subject, State, int]]) -> None:
    """Stores the notices of messages that have reached these states."""
    told = [change for change in changes if change[0].receipts]
    asking = {
        id
        for subject, _, _ in told
        if subject.receipts & ALIASES
        for id in (subject.id, subject.submission_id)
    }
    aliases: dict[int, list[tuple[int, int]]] = {}
    if asking:
        for message_id, id, receipts in await turn.connection.fetch(_ALIASES, sorted(asking)):
            aliases.setdefault(message_id, []).append((id, receipts))
    notices = [
        notice
        for subject, state, at in told
        for notice in notices_of(subject, aliases_of(subject, aliases), state, at)
    ]
    await owe(turn, notices)


async def _are_owed(connection: PgConnection, notices: Sequence[Notice]) -> bool:
    """Whether these notices are stored; they were stored together or not at all."""
    if not notices:
        return True
    return bool(await connection.fetchval(_SAME, *_identity(notices[0])))


def _identity(notice: Notice) -> tuple[object, ...]:
    about, known_as, queue, kind = notice.about, notice.known_as, notice.queue, notice.kind.value
    return about, known_as, queue, kind, notice.at, storable(notice.content)


async def _take(turn: PostgresTurn, payloads: Sequence[Sequence[Arrival]]) -> list[Sequence[bool]]:
    """Stores messages from phones, with their notices."""
    await turn.hold()
    incoming = [arrival for payload in payloads for arrival in payload]
    first: dict[str, Incoming] = {}
    for one, _ in incoming:
        first.setdefault(one.uid, one)
    # In the same order on every node, to avoid deadlocks.
    rows = [[_text(value) for value in first[uid]] for uid in sorted(first)]
    new: set[int] = set()
    if rows:
        new = {row[0] for row in await turn.connection.fetch(_TAKE, *zip(*rows, strict=True))}
    notices = [
        incoming_notice(one, queue)
        for one, queues in incoming
        if one.id in new and one is first[one.uid]
        for queue in queues
    ]
    await owe(turn, notices)
    return [[one.id in new for one, _ in payload] for payload in payloads]


def _text(value: int | str) -> int | str:
    return storable(value) if isinstance(value, str) else value


# --- told --------------------------------------------------------------------------------------


async def _claim(turn: PostgresTurn, payloads: Sequence[Claim]) -> list[Sequence[Owed]]:
    await turn.hold()
    alive = await turn.connection.fetchval(_LIVING)
    return [await _claim_one(turn, alive, *payload) for payload in payloads]


async def _claim_one(
    turn: PostgresTurn, alive: Sequence[int], queue: str, now: int, limit: int
) -> list[Owed]:
    connection = turn.connection
    rows = await connection.fetch(_CLAIM, turn.fence.number, queue, now, limit, alive)
    notices = [read_notice(row) for row in rows]
    notices.sort(key=lambda notice: (notice.due_at, notice.id))
    stored = await _stored(connection, notices)
    phones = await _incoming(connection, notices)
    return [Owed(one, stored.get(one.about), phones.get(one.about)) for one in notices]


def read_notice(row: Row) -> Notice:
    """A notice from the columns :data:`bridge.store.rows.NOTICE`."""
    notice = to_notice(row)
    return notice._replace(content=original(notice.content), outcome=original(notice.outcome))


async def _stored(connection: PgConnection, notices: Sequence[Notice]) -> Mapping[int, Stored]:
    ids = {one.about for one in notices if one.about and one.kind is not Kind.INCOMING}
    if not ids:
        return {}
    rows = await connection.fetch(_MESSAGES, sorted(ids))
    return {row[0]: to_stored(as_written(row)) for row in rows}


async def _incoming(connection: PgConnection, notices: Sequence[Notice]) -> Mapping[int, Incoming]:
    ids = {one.about for one in notices if one.kind is Kind.INCOMING}
    if not ids:
        return {}
    rows = await connection.fetch(_PHONES, sorted(ids))
    return {row[0]: read_incoming(row) for row in rows}


def read_incoming(row: Row) -> Incoming:
    id, uid, account, phone, to, text, at, received_at = row
    return Incoming(
        id, original(uid), account, original(phone), original(to), original(text), at, received_at
    )


async def _told(turn: PostgresTurn, payloads: Sequence[Sequence[Told]]) -> list[None]:
    await turn.hold()
    told = [one for payload in payloads for one in payload]
    values = {
        str(t.notice_id): (turn.now if t.ended else 0, storable(t.outcome), t.due_at, int(t.tried))
        for t in told
    }
    ids = sorted(map(int, values))
    await turn.connection.execute(_TOLD, turn.fence.number, ids, orjson.dumps(values).decode())
    # Freed notices may be told at another node.
    turn.is_owed |= any(not one.ended and one.due_at <= turn.now for one in told)
    return [None] * len(payloads)


async def _give_back(turn: PostgresTurn, payloads: Sequence[Sequence[int]]) -> list[None]:
    await turn.hold()
    ids = [id for payload in payloads for id in payload]
    sql = f"{_GIVE_BACK} AND id = ANY($2::bigint[])"
    await turn.connection.execute(sql, turn.fence.number, ids)
    return [None] * len(payloads)


async def give_back_all(connection: PgConnection, node: int, but: Iterable[int]) -> None:
    """Frees the notices that a node has claimed, except some."""
    await connection.execute(f"{_GIVE_BACK} AND id <> ALL($2::bigint[])", node, list(but))


async def _owe(turn: PostgresTurn, payloads: Sequence[Sequence[Notice]]) -> list[None]:
    await turn.hold()
    await owe(turn, [notice for payload in payloads for notice in payload])
    return [None] * len(payloads)


async def _recover_owed(
    connection: PgConnection, asked: Sequence[tuple[Sequence[Notice], None]]
) -> dict[int, None]:
    return {n: None for n, (owed, _) in enumerate(asked) if await _are_owed(connection, owed)}


async def _take_back_owed(
    connection: PgConnection, payloads: Sequence[Sequence[Notice]], node: int
) -> None:
    """Removes notices that were stored though they were refused: their callers owe them again."""
    refused = [notice for payload in payloads for notice in payload]
    await connection.executemany(_TAKE_BACK, [_identity(notice) for notice in refused])


async def expire(turn: PostgresTurn, mails_before: int, before: int, limit: int) -> int:
    """See :meth:`bridge.store.interface.Store.expire_notices`."""
    done = await turn.connection.execute(_EXPIRE, before, turn.now, limit, MAIL, mails_before)
    return int(done.rpartition(" ")[2])


OWE = PostgresVerb(_owe, weight=len, recover=_recover_owed, take_back=_take_back_owed)
TAKE_INCOMING = PostgresVerb(_take, weight=len)
TOLD = PostgresVerb(_told, kept=True, weight=len)
GIVE_BACK = PostgresVerb(_give_back, kept=True)
CLAIM = PostgresVerb(_claim)
