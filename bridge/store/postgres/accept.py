"""Submissions in PostgreSQL: the messages of a group and what belongs to them, in a few inserts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

from bridge.model.message import State
from bridge.model.notice import Notice
from bridge.store.daily_count import count_new, uncount
from bridge.store.errors import MoreWait, OverDailyLimit, StoreError
from bridge.store.postgres.connection import PgConnection, free_text
from bridge.store.postgres.directory import run
from bridge.store.postgres.lease import CHANNEL, FENCED, NOBODY
from bridge.store.postgres.notices import owe
from bridge.store.postgres.parts import finish_parts
from bridge.store.postgres.queue import move
from bridge.store.postgres.replacing import with_more_waiting
from bridge.store.postgres.verb import PostgresTurn, PostgresVerb
from bridge.store.rows import MESSAGE_COLUMNS, to_row
from bridge.store.types import Acceptance, Alias, Fingerprint, PartGroup, Repeats, StagedLines

#: From so many rows on, COPY is cheaper than a statement with an array for each column.
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
#: The parameter after the arrays.
_AFTER = 4 + len(_COLUMNS)

_INSERT = (
    f"{FENCED}, stored AS (INSERT INTO message ({_NAMES}) "  # noqa: S608
    f"SELECT * FROM unnest({_ARRAYS}) WHERE EXISTS (SELECT FROM fence)) "
    "SELECT EXISTS (SELECT FROM fence)"
)


def _begun(now: str, attempts: str, messages: str, condition: str = "true") -> str:
    """Begins attempts with these messages, or adds messages to them."""
    return (
        "INSERT INTO attempt (id, node, begun_at, message_ids) "  # noqa: S608
        f"SELECT attempt, $1::smallint, {now}::bigint, array_agg(message) "
        f"FROM unnest({attempts}::bigint[], {messages}::bigint[]) AS begun (attempt, message) "
        f"WHERE {condition} GROUP BY attempt "
        "ON CONFLICT (id) DO UPDATE SET message_ids = attempt.message_ids || excluded.message_ids"
    )


_JOIN = _begun("$2", "$3", "$4")
_BEGUN = _begun(
    f"${_AFTER}", f"${_AFTER + 1}", f"${_AFTER + 2}", condition="EXISTS (SELECT FROM fence)"
)
#: As :data:`_INSERT`, and begins attempts: all that an idle bridge writes before a request.
_INSERT_BEGUN = (
    f"{FENCED}, stored AS (INSERT INTO message ({_NAMES}) "  # noqa: S608
    f"SELECT * FROM unnest({_ARRAYS}) WHERE EXISTS (SELECT FROM fence)), "
    f"begun AS ({_BEGUN}) "
    "SELECT EXISTS (SELECT FROM fence)"
)
#: The other messages of an attempt may be on their way.
_LEAVE = (
    "UPDATE attempt SET message_ids = "
    "ARRAY(SELECT unnest(message_ids) EXCEPT SELECT unnest($2::bigint[])) "
    "WHERE id = ANY($1::bigint[])"
)
_END_EMPTY = "DELETE FROM attempt WHERE id = ANY($1::bigint[]) AND message_ids = '{}'"
_FINGERPRINTS = (
    f"{FENCED}, won AS (INSERT INTO fingerprint (key, message_id, until) "  # noqa: S608
    "SELECT * FROM unnest($4::bytea[], $5::bigint[], $6::bigint[]) "
    "WHERE EXISTS (SELECT FROM fence) ON CONFLICT (key) DO UPDATE "
    "SET message_id = excluded.message_id, until = excluded.until "
    "WHERE fingerprint.until <= $7 OR fingerprint.message_id = ANY($8::bigint[]) RETURNING key) "
    "SELECT EXISTS (SELECT FROM fence), "
    "CASE WHEN (SELECT count(*) FROM won) < cardinality($4) "
    "THEN coalesce((SELECT array_agg(key) FROM won), '{}') END"
)
_FORGET = "DELETE FROM fingerprint WHERE key = ANY($1::bytea[]) AND message_id = ANY($2::bigint[])"
_KNOWN = "SELECT key, message_id FROM fingerprint WHERE key = ANY($1::bytea[])"
_RELEASE = (
    "UPDATE message SET owner = -1 WHERE id = ANY($1::bigint[]) AND state = $2 "
    "AND owner IS NOT DISTINCT FROM $3"
)
_ACCEPTED = State.ACCEPTED.value
_STORED = "SELECT id FROM message WHERE id = ANY($1::bigint[])"
_SUBMISSIONS = (
    "INSERT INTO submission (id, account, messages) "
    "SELECT * FROM unnest($1::bigint[], $2::text[], $3::integer[])"
)
_FORGET_STAGED = "DELETE FROM import_line WHERE import_id = $1 AND line > $2 AND line <= $3"
_ALIASES = (
    # Short ids wrap around: the later message gets the id.
    "INSERT INTO alias (id, message_id, receipts) "
    "SELECT * FROM unnest($1::bigint[], $2::bigint[], $3::smallint[]) ON CONFLICT (id) "
    "DO UPDATE SET message_id = excluded.message_id, receipts = excluded.receipts"
)


async def _accept(
    turn: PostgresTurn, acceptances: Sequence[Acceptance]
) -> list[Repeats | StoreError]:
    if all(acceptance.seen is None for acceptance in acceptances):
        return await _store(turn, acceptances)
    more = await with_more_waiting(turn, acceptances)
    stored = iter(await _store(turn, [one for n, one in enumerate(acceptances) if n not in more]))
    return [MoreWait() if n in more else next(stored) for n in range(len(acceptances))]


async def _store(
    turn: PostgresTurn, acceptances: Sequence[Acceptance]
) -> list[Repeats | StoreError]:
    connection, node = turn.connection, turn.fence.number
    prints = [f for acceptance in acceptances for f in acceptance.fingerprints]
    first = await _first(turn, prints) if prints else {}
    all_repeats = [
        {f.key: first[f.key] for f in acceptance.fingerprints if first[f.key] != f.message_id}
        for acceptance in acceptances
    ]
    over: Set[int] = frozenset()
    if any(acceptance.daily_limit for acceptance in acceptances):
        over = await _over_limit(turn, acceptances, all_repeats)
    answers: list[Repeats | StoreError] = []
    rows: list[tuple[object, ...]] = []
    submissions: list[tuple[int, str, int]] = []
    aliases: list[Alias] = []
    joined: list[tuple[PartGroup, int, int]] = []
    notices: list[Notice] = []
    staged: list[StagedLines] = []
    superseded: list[int] = []
    begun: list[tuple[int, int]] = []  # attempts, each with its message
    for n, (acceptance, repeats) in enumerate(zip(acceptances, all_repeats, strict=True)):
        if n in over:
            answers.append(OverDailyLimit(acceptance.daily_limit))
            continue
        messages = acceptance.messages
        if repeats:
            repeated = {f.message_id for f in acceptance.fingerprints if f.key in repeats}
            messages = tuple(m for m in messages if m.id not in repeated)
        answers.append(repeats)
        owner = (node if acceptance.claimed else NOBODY,)
        rows += [to_row(message) + owner for message in messages]
        turn.is_work = turn.is_work or _is_work(acceptance, turn.now)
        if acceptance.staged is not None:
            staged.append(acceptance.staged)
        elif len(acceptance.messages) > 1 and messages:
            submissions.append((messages[0].submission_id, messages[0].account, len(messages)))
        if acceptance.attempt and messages:
            begun.append((acceptance.attempt, messages[0].id))
        if acceptance.aliases:
            ids = {id for message in messages for id in (message.id, message.submission_id)}
            aliases += [alias for alias in acceptance.aliases if alias.message_id in ids]
        if acceptance.notices:
            ids = {message.id for message in messages}
            notices += [notice for notice in acceptance.notices if notice.about in ids]
        if acceptance.superseded:
            ids = {message.id for message in messages}
            superseded += [one.id for one in acceptance.superseded if one.by in ids]
        if acceptance.parts is not None:
            part = acceptance.aliases[0].id if acceptance.aliases else 0
            joined.append((acceptance.parts, _joined_to(acceptance, repeats), part))
    rows = free_text(rows)
    if len(rows) >= COPY_FROM:
        await turn.hold()
        await connection.copy_records_to_table("message", records=rows, columns=_COLUMNS)
        if begun:
            await connection.execute(_JOIN, node, turn.now, *zip(*begun, strict=True))
    elif begun:
        parameters = (*zip(*rows, strict=True), turn.now, *zip(*begun, strict=True))
        turn.check(await connection.fetchval(_INSERT_BEGUN, *turn.fence, *parameters))
    elif rows:
        turn.check(await connection.fetchval(_INSERT, *turn.fence, *zip(*rows, strict=True)))
    if submissions:
        await connection.execute(_SUBMISSIONS, *zip(*submissions, strict=True))
    if aliases:
        # asyncpg takes a flag for a list of flags.
        of_aliases = [(alias.id, alias.message_id, int(alias.receipts)) for alias in aliases]
        await connection.execute(_ALIASES, *zip(*of_aliases, strict=True))
    if joined:
        await finish_parts(connection, joined, turn.now)
    if notices:
        await owe(turn, notices)
    for lines in staged:
        await connection.execute(_FORGET_STAGED, *lines)
    if superseded:
        await move(turn, superseded, State.CANCELLED, unposted=True)
    return answers


async def _first(turn: PostgresTurn, prints: Sequence[Fingerprint]) -> dict[bytes, int]:
    """The message that has each of the fingerprints: one of these, or an earlier one."""
    first: dict[bytes, Fingerprint] = {}
    for f in prints:
        first.setdefault(f.key, f)
    # In the same order on every node, to avoid deadlocks.
    mine = [first[key] for key in sorted(first)]
    *columns, instead_of = zip(*mine, strict=True)
    held, won = await turn.connection.fetchrow(
        _FINGERPRINTS, *turn.fence, *columns, turn.now, instead_of
    )
    turn.check(held)
    ids = {f.key: f.message_id for f in mine}
    if won is not None:
        lost = list(ids.keys() - set(won))
        ids.update((row[0], row[1]) for row in await turn.connection.fetch(_KNOWN, lost))
    return ids


async def _over_limit(
    turn: PostgresTurn, acceptances: Sequence[Acceptance], repeats: Sequence[Repeats]
) -> set[int]:
    """Counts the messages of accounts with a limit; the positions of those that are over it."""
    await turn.hold()
    over = await run(turn.connection, count_new(acceptances, repeats, turn.now))
    prints = [f for n in over for f in acceptances[n].fingerprints]
    if prints:
        ids = [f.message_id for f in prints]
        await turn.connection.execute(_FORGET, [f.key for f in prints], ids)
    return over


def _joined_to(acceptance: Acceptance, repeats: Repeats) -> int:
    """The message that parts were joined to: the first one, if it is repeated."""
    return next(iter(repeats.values()), acceptance.messages[0].id)


def _is_work(acceptance: Acceptance, now: int) -> bool:
    """Whether it has messages that other nodes may send now."""
    return not acceptance.claimed and any(m.due_at <= now for m in acceptance.messages)


def _is_one_statement(acceptances: Sequence[Acceptance], turn: PostgresTurn) -> bool:
    return len(acceptances) < COPY_FROM and all(
        len(a.messages) == 1
        and not (a.fingerprints or a.aliases or a.parts or a.notices or a.superseded)
        and not a.daily_limit
        and a.seen is None
        and not _is_work(a, turn.now)
        for a in acceptances
    )


async def _recover(
    connection: PgConnection, asked: Sequence[tuple[Acceptance, Repeats | None]]
) -> dict[int, Repeats]:
    marks = [_mark(acceptance, repeats) for acceptance, repeats in asked]
    rows = await connection.fetch(_STORED, [mark for mark in marks if mark is not None])
    found = {row[0] for row in rows}
    return {n: asked[n][1] or {} for n, mark in enumerate(marks) if mark in found}


def _mark(acceptance: Acceptance, repeats: Repeats | None) -> int | None:
    """A message that is in the database if and only if the acceptance is."""
    if repeats is None and acceptance.fingerprints:
        return None  # the transaction was not finished
    repeated = {f.message_id for f in acceptance.fingerprints if f.key in (repeats or ())}
    return next((m.id for m in acceptance.messages if m.id not in repeated), None)


def _stays(acceptance: Acceptance) -> bool:
    given = (acceptance.parts, acceptance.staged)
    return bool(acceptance.fingerprints or acceptance.superseded) or given != (None, None)


async def _take_back(
    connection: PgConnection, acceptances: Sequence[Acceptance], node: int
) -> None:
    """Removes stored messages whose clients were told that they are not stored.

    A message with a fingerprint stays: a client that repeated it at another node may have been told
    that it is accepted. So does one that replaces another: otherwise neither would be sent; and one
    of a send-out: its recipient is not staged any more. Any node may send these.
    """
    known = [a for a in acceptances if _stays(a)]
    kept = [message.id for a in known for message in a.messages]
    ids = [m.id for a in acceptances if a not in known for m in a.messages]
    attempts = [a.attempt for a in acceptances if a.attempt]
    of_attempts = [a.messages[0].id for a in acceptances if a.attempt]
    async with connection.transaction():
        if attempts:
            await connection.execute(_LEAVE, attempts, of_attempts)
            await connection.execute(_END_EMPTY, attempts)
        await connection.execute(_RELEASE, kept, _ACCEPTED, node)
        if kept:
            await connection.execute("SELECT pg_notify($1, '')", CHANNEL)
        # A message that another node has taken up stays, and is sent.
        gone = await connection.fetch(
            "DELETE FROM message WHERE id = ANY($1::bigint[]) AND state = $2 "
            "AND owner IN ($3, -1) RETURNING id, submission_id, account, accepted_at",
            ids,
            _ACCEPTED,
            node,
        )
        ids = [row[0] for row in gone]
        submissions = [row[1] for row in gone]
        limited = {a.messages[0].account for a in acceptances if a.daily_limit}
        counted = Counter((row[2], row[3]) for row in gone if row[2] in limited)
        for (account, at), messages in sorted(counted.items()):
            await run(connection, uncount(account, messages, at))
        for sql, gone_ids in (
            ("DELETE FROM submission WHERE id = ANY($1::bigint[])", submissions),
            ("DELETE FROM alias WHERE message_id = ANY($1::bigint[])", ids + submissions),
            ("DELETE FROM notice WHERE about = ANY($1::bigint[])", ids),
        ):
            if ids:
                await connection.execute(sql, gone_ids)


ACCEPT = PostgresVerb(
    _accept,
    is_one_statement=_is_one_statement,
    recover=_recover,
    take_back=_take_back,
)
