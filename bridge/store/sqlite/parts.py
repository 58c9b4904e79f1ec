"""Parts of concatenated messages in SQLite: added, joined, deleted."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bridge.store.sqlite import notices
from bridge.store.sqlite.verb import SqliteTurn, SqliteVerb
from bridge.store.transitions import NOT_ARRIVED
from bridge.store.types import Gathered, Part, PartGroup
from bridge.store.unjoined import OVER, notices_of_parts

_KEY = "account = ? AND source = ? AND destination = ? AND reference = ? AND total = ?"


_NOT_ARRIVED = {state.value for state in NOT_ARRIVED}

#: A part, and the Unix time since when other parts of its group count.
Added = tuple[Part, int]


def _add_all(turn: SqliteTurn, added: Sequence[Added]) -> list[Gathered]:
    return [_add(turn.connection, part, since) for part, since in added]


ADD_PART = SqliteVerb(_add_all)


def _add(connection: sqlite3.Connection, part: Part, since: int) -> Gathered:
    """Adds a part to the latest group of its key."""
    latest = connection.execute(
        "SELECT id, message_id, "  # noqa: S608
        "(SELECT state FROM message WHERE message.id = part_group.message_id) "
        f"FROM part_group WHERE {_KEY} AND begun_at >= ? ORDER BY id DESC LIMIT 1",
        (*part.group, since),
    ).fetchone()
    group_id, message_id, state = latest or (0, 0, "")  # ids begin at 1
    if state in _NOT_ARRIVED:
        group_id = 0
    if group_id:
        same = connection.execute(
            "SELECT id, content FROM part WHERE group_id = ? AND number = ?",
            (group_id, part.number),
        ).fetchone()
        if same and same[1] == part.content:
            return Gathered(same[0], _if_complete(connection, group_id, part.group), message_id)
        if same or message_id:
            # References wrap around: this is the first part of another message.
            group_id = 0
    if not group_id:
        cursor = connection.execute(
            "INSERT INTO part_group (account, source, destination, reference, total, begun_at) "
            "VALUES (?, ?, ?, ?, ?, ?)",
            (*part.group, part.at),
        )
        group_id = int(cursor.lastrowid or 0)
    connection.execute(
        "INSERT INTO part (id, group_id, number, content, receipts, at) VALUES (?, ?, ?, ?, ?, ?)",
        (part.id, group_id, part.number, part.content, part.receipts, part.at),
    )
    return Gathered(part.id, _if_complete(connection, group_id, part.group))


def _if_complete(
    connection: sqlite3.Connection, group_id: int, group: PartGroup
) -> tuple[Part, ...]:
    parts = _parts(connection, group_id, group)
    return parts if len(parts) == group.total else ()


def _parts(connection: sqlite3.Connection, group_id: int, group: PartGroup) -> tuple[Part, ...]:
    rows = connection.execute(
        "SELECT id, number, content, receipts, at FROM part WHERE group_id = ? ORDER BY number",
        (group_id,),
    )
    return tuple(
        Part(id, group, number, content, receipts, at) for id, number, content, receipts, at in rows
    )


def finish(
    connection: sqlite3.Connection, group: PartGroup, message_id: int, part_id: int, now: int
) -> None:
    """Notes the message that the group with this part was joined to. The group's time starts again,
    so that a repeated part finds it for as long as it would be awaited.

    Without a part the latest group of this key is taken, even if a later message has begun it.
    """
    connection.execute(
        f"UPDATE part_group SET message_id = ?, begun_at = ? WHERE id = coalesce("  # noqa: S608
        f"(SELECT group_id FROM part WHERE id = ?), "
        f"(SELECT max(id) FROM part_group WHERE {_KEY} AND message_id = 0))",
        (message_id, now, part_id, *group),
    )


def expire(turn: SqliteTurn, before: int, limit: int) -> list[Part]:
    """See :meth:`bridge.store.interface.Store.expired_parts`."""
    connection = turn.connection
    rows = connection.execute(
        "SELECT id, message_id, account, source, destination, reference, total "  # noqa: S608
        f"FROM part_group WHERE {OVER.format(before='?1')} ORDER BY begun_at LIMIT ?2",
        (before, limit),
    ).fetchall()
    groups: list[tuple[Part, ...]] = []
    for id, message_id, *key in rows:
        if not message_id:
            groups.append(_parts(connection, id, PartGroup(*key)))
        connection.execute("DELETE FROM part_group WHERE id = ?", (id,))
    notices.owe(turn, notices_of_parts(groups, turn.now))
    return [part for parts in groups for part in parts]
