"""Parts of concatenated messages in PostgreSQL: added, joined, deleted.

All within the caller's transaction. Parts of one message may come to several nodes at once: adding
parts holds an advisory lock on their common key.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b

from bridge.store.postgres.connection import PgConnection
from bridge.store.postgres.notices import owe
from bridge.store.postgres.verb import PostgresTurn, PostgresVerb
from bridge.store.transitions import NOT_ARRIVED
from bridge.store.types import Gathered, Part, PartGroup
from bridge.store.unjoined import OVER, groups_of, notices_of_parts

_LOCK = "SELECT pg_advisory_xact_lock(key) FROM unnest($1::bigint[]) AS keys (key)"
_KEY = "account = $1 AND source = $2 AND destination = $3 AND reference = $4 AND total = $5"
_LATEST = (
    "SELECT id, begun_at, message_id, "  # noqa: S608
    "(SELECT state FROM message WHERE message.id = part_group.message_id) "
    f"FROM part_group WHERE {_KEY} ORDER BY turn DESC LIMIT 1"
)
_PARTS = (
    "SELECT id, number, content, receipts, at, group_id FROM part "
    "WHERE group_id = ANY($1::bigint[]) ORDER BY group_id, number"
)
_ADD_GROUPS = (
    "INSERT INTO part_group (id, account, source, destination, reference, total, begun_at) "
    "SELECT id, account, source, destination, reference, total, begun_at FROM unnest($1::bigint[], "
    "$2::text[], $3::text[], $4::text[], $5::integer[], $6::integer[], $7::bigint[]) "
    "WITH ORDINALITY AS new (id, account, source, destination, reference, total, begun_at, n) "
    "ORDER BY n"
)
_ADD_PARTS = (
    "INSERT INTO part (id, group_id, number, content, receipts, at) SELECT * FROM "
    "unnest($1::bigint[], $2::bigint[], $3::integer[], $4::bytea[], $5::smallint[], $6::bigint[])"
)
_FINISH = (
    "UPDATE part_group SET message_id = $6, begun_at = $8 WHERE id = coalesce("  # noqa: S608
    "(SELECT group_id FROM part WHERE id = $7), "
    f"(SELECT id FROM part_group WHERE {_KEY} AND message_id = 0 ORDER BY turn DESC LIMIT 1))"
)
_EXPIRED = (
    "SELECT id, message_id, account, source, destination, reference, total FROM part_group "  # noqa: S608
    f"WHERE {OVER.format(before='$1')} ORDER BY begun_at LIMIT $2 FOR UPDATE SKIP LOCKED"
)

_NOT_ARRIVED = {state.value for state in NOT_ARRIVED}

#: A part, and the Unix time since when other parts of its group count.
Added = tuple[Part, int]


@dataclass(slots=True)
class _Group:
    """The latest group of a key in the database, with the parts added since."""

    id: int
    begun_at: int
    message_id: int
    parts: dict[int, Part] = field(default_factory=dict)


def _lock_key(group: PartGroup) -> int:
    digest = blake2b(repr(tuple(group)).encode(errors="replace"), digest_size=8).digest()
    return int.from_bytes(digest, signed=True)


async def _add_parts(turn: PostgresTurn, added: Sequence[Added]) -> list[Gathered]:
    """Adds parts in their order."""
    await turn.hold()
    connection = turn.connection
    keys = {part.group for part, _ in added}
    # In the same order on every node, to avoid deadlocks.
    await connection.execute(_LOCK, sorted(map(_lock_key, keys)))
    latest = await _latest(connection, keys)
    groups: list[tuple[object, ...]] = []
    parts: list[tuple[object, ...]] = []
    answers: list[Gathered] = []
    for part, since in added:
        group = latest.get(part.group)
        if group is not None and group.begun_at < since:
            group = None
        if group is not None:
            same = group.parts.get(part.number)
            if same is not None and same.content == part.content:
                answers.append(_gathered(group, same))
                continue
            if same is not None or group.message_id:
                # References wrap around: this is the first part of another message.
                group = None
        if group is None:
            group = latest[part.group] = _Group(part.id, part.at, 0)
            groups.append((part.id, *part.group, part.at))
        group.parts[part.number] = part
        receipts = int(part.receipts)
        parts.append((part.id, group.id, part.number, part.content, receipts, part.at))
        answers.append(_gathered(group, part))
    if groups:
        await connection.execute(_ADD_GROUPS, *zip(*groups, strict=True))
    if parts:
        await connection.execute(_ADD_PARTS, *zip(*parts, strict=True))
    return answers


ADD_PART = PostgresVerb(_add_parts)


def _gathered(group: _Group, part: Part) -> Gathered:
    complete = len(group.parts) == part.group.total
    parts = tuple(group.parts[number] for number in sorted(group.parts)) if complete else ()
    return Gathered(part.id, parts, group.message_id)


async def _latest(connection: PgConnection, keys: Iterable[PartGroup]) -> dict[PartGroup, _Group]:
    latest: dict[PartGroup, _Group] = {}
    for key in keys:
        row = await connection.fetchrow(_LATEST, *key)
        if row is not None and row[3] not in _NOT_ARRIVED:
            latest[key] = _Group(*row[:3])
    by_id = {group.id: (key, group) for key, group in latest.items()}
    for id, number, content, receipts, at, group_id in await connection.fetch(_PARTS, list(by_id)):
        key, group = by_id[group_id]
        group.parts[number] = Part(id, key, number, content, receipts, at)
    return latest


async def finish_parts(
    connection: PgConnection, joined: Sequence[tuple[PartGroup, int, int]], now: int
) -> None:
    """Notes the message that the group with this part was joined to. The group's time starts again,
    so that a repeated part finds it for as long as it would be awaited.

    Without a part the latest group of the key is taken, even if a later message has begun it.
    """
    await connection.executemany(
        _FINISH, [(*group, message, part, now) for group, message, part in joined]
    )


async def expire_parts(turn: PostgresTurn, before: int, limit: int) -> list[Part]:
    """See :meth:`bridge.store.interface.Store.expired_parts`."""
    connection = turn.connection
    groups = {
        id: (message_id, PartGroup(*key))
        for id, message_id, *key in await connection.fetch(_EXPIRED, before, limit)
    }
    expired = [
        (group_id, Part(id, groups[group_id][1], number, content, receipts, at))
        for id, number, content, receipts, at, group_id in await connection.fetch(
            _PARTS, [id for id, (message_id, _) in groups.items() if not message_id]
        )
    ]
    await connection.execute("DELETE FROM part_group WHERE id = ANY($1::bigint[])", list(groups))
    await owe(turn, notices_of_parts(groups_of(expired), turn.now))
    return [part for _, part in expired]
