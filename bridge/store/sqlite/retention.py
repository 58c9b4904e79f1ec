"""Retention in SQLite: deletes old messages with their rows elsewhere; blanks texts before."""

from __future__ import annotations

import sqlite3
from typing import Final

from bridge.model.ids import first_id
from bridge.store.retention import (
    BLANK_AGAIN,
    SEND_OUTS_UNDER_WAY,
    Walk,
    is_over,
    unfinished,
)
from bridge.store.sqlite.verb import SqliteTurn

#: Most free pages that one step gives back to the file system.
_PAGES: Final = 200
_OWED = "EXISTS (SELECT 1 FROM notice WHERE about = {table}.id AND ended_at = 0)"
_MESSAGES = (
    f"SELECT id, state, changed_at, {_OWED.format(table='message')} FROM message "  # noqa: S608
    "WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
)
_PHONES = (
    "SELECT id, '', max(received_at, coalesce((SELECT max(ended_at) FROM notice "  # noqa: S608
    f"WHERE about = incoming.id), 0)), {_OWED.format(table='incoming')} FROM incoming "
    "WHERE id > ? AND id < ? ORDER BY id LIMIT ?"
)
_BLANK = (
    "UPDATE message SET text = '', options = '', fallback = '', envelope = "
    "CASE envelope WHEN '' THEN '' ELSE json_remove(envelope, '$.subject') END "
    "WHERE id = ? AND (text <> '' OR options <> '' OR fallback <> '')"
)
#: Rows of other tables that belong to deleted messages.
_BELONGINGS = (
    "DELETE FROM alias WHERE message_id = ?",
    "DELETE FROM event WHERE message_id = ?",
    "DELETE FROM notice WHERE about = ?",
)
#: Send-outs go with the last of their messages.
_FORGET_SEND_OUTS = (
    "DELETE FROM send_out WHERE submission_id IN (SELECT submission_id FROM send_out "
    "WHERE submission_id < ? AND NOT EXISTS "
    "(SELECT 1 FROM submission WHERE id = submission_id) ORDER BY submission_id LIMIT ?)"
)


class SqliteSweeper:
    """Sweeps in steps; each continues where the last one ended."""

    def __init__(self) -> None:
        self._messages, self._phones = Walk(), Walk()
        self._texts, self._texts_of_phones = Walk(BLANK_AGAIN), Walk(BLANK_AGAIN)

    def sweep(self, turn: SqliteTurn, before: int, text_before: int, limit: int) -> int:
        """See :meth:`bridge.store.interface.Store.sweep`."""
        connection = turn.connection
        messages, seen = _over(connection, _MESSAGES, self._messages, before, limit)
        submissions = set()
        for id in messages:
            [row] = connection.execute(
                "DELETE FROM message WHERE id = ? RETURNING submission_id", (id,)
            ).fetchall()
            if row[0] != id:
                submissions.add(row)
        if submissions:
            heads = connection.execute(SEND_OUTS_UNDER_WAY).fetchall()
            submissions -= {(id,) for id in unfinished(heads)}
        connection.executemany(
            "DELETE FROM submission WHERE id = ?1 AND NOT EXISTS "
            "(SELECT 1 FROM message WHERE submission_id = ?1 AND submission_id <> id)",
            submissions,
        )
        connection.executemany(
            "DELETE FROM alias WHERE message_id = ?1 "
            "AND NOT EXISTS (SELECT 1 FROM submission WHERE id = ?1)",
            submissions,
        )
        connection.execute(_FORGET_SEND_OUTS, (first_id(before), limit))
        phones, looked = _over(connection, _PHONES, self._phones, before, limit)
        seen += looked
        connection.executemany("DELETE FROM incoming WHERE id = ?", [(id,) for id in phones])
        for sql in _BELONGINGS:
            connection.executemany(sql, [(id,) for id in (*messages, *phones)])
        # Notices without a message: refused recipients, parts that were not joined.
        seen += connection.execute(
            "DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE about = 0 "
            "AND known_as < ? AND ended_at > 0 AND ended_at < ? ORDER BY known_as LIMIT ?)",
            (first_id(before), before, limit),
        ).rowcount
        texts, looked = _over(connection, _MESSAGES, self._texts, text_before, limit)
        seen += looked
        connection.executemany(_BLANK, [(id,) for id in texts])
        texts, looked = _over(connection, _PHONES, self._texts_of_phones, text_before, limit)
        seen += looked
        connection.executemany(
            "UPDATE incoming SET text = '' WHERE id = ? AND text <> ''", [(id,) for id in texts]
        )
        _give_back_pages(connection)
        return seen


def _over(
    connection: sqlite3.Connection, sql: str, walk: Walk, before: int, limit: int
) -> tuple[list[int], int]:
    """The next old rows that may go, and how many it looked at."""
    rows = connection.execute(sql, (walk.after, first_id(before), limit)).fetchall()
    lives = [(id, is_over(state, ended, owed, before)) for id, state, ended, owed in rows]
    return walk.step(lives, limit, before)


def _give_back_pages(connection: sqlite3.Connection) -> None:
    """Gives some free pages back to the file system."""
    [free] = connection.execute("PRAGMA freelist_count").fetchone()
    for _ in range(min(free, _PAGES)):
        # Each page is a row without columns; the module sqlite3 stops after the first.
        connection.execute("PRAGMA incremental_vacuum(1)")
