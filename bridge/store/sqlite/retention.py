"""What SQLite forgets: old messages with all that belongs to them, and their texts before that."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from bridge.model.ids import first_id
from bridge.store.sqlite.verb import SqliteTurn

#: How many free pages one step gives back.
_PAGES = 200
_FINAL = "state NOT IN ('accepted', 'held')"
#: What belongs to messages that are deleted.
_BELONGINGS = (
    "DELETE FROM alias WHERE message_id = ?",
    "DELETE FROM event WHERE message_id = ?",
    "DELETE FROM notice WHERE about = ?",
)


class SqliteSweeper:
    """Goes on from where it was the last time."""

    def __init__(self) -> None:
        # Up to where texts have been blanked, and the first message that was too young for it.
        self._blanked = 0
        self._passed_over = 0

    def sweep(self, turn: SqliteTurn, before: int, text_before: int, limit: int) -> int:
        """See :meth:`bridge.store.interface.Store.sweep`."""
        connection = turn.connection
        deleted = connection.execute(
            f"DELETE FROM message WHERE id IN (SELECT id FROM message WHERE id < ? AND {_FINAL} "  # noqa: S608
            "AND changed_at < ? ORDER BY id LIMIT ?) RETURNING id, submission_id",
            (first_id(before), before, limit),
        ).fetchall()
        phones = connection.execute(
            "DELETE FROM incoming WHERE id IN (SELECT id FROM incoming WHERE id < ? "
            "ORDER BY id LIMIT ?) RETURNING id",
            (first_id(before), limit),
        ).fetchall()
        for sql in _BELONGINGS:
            connection.executemany(sql, [row[:1] for row in (*deleted, *phones)])
        connection.executemany(
            "DELETE FROM submission WHERE id = ?1 AND NOT EXISTS "
            "(SELECT 1 FROM message WHERE submission_id = ?1 AND submission_id <> id)",
            {(submission_id,) for id, submission_id in deleted if submission_id != id},
        )
        # What is about no message of ours: refused recipients, parts that never became one.
        lonely = connection.execute(
            "DELETE FROM notice WHERE id IN (SELECT id FROM notice WHERE about = 0 "
            "AND known_as < ? AND ended_at > 0 AND ended_at < ? ORDER BY known_as LIMIT ?)",
            (first_id(before), before, limit),
        ).rowcount
        blanked = self._blank(connection, text_before, limit)
        _give_back_pages(connection)
        return len(deleted) + len(phones) + lonely + blanked

    def _blank(self, connection: sqlite3.Connection, before: int, limit: int) -> int:
        """Blanks texts from where it was the last time; tells how many messages it looked at.

        At the end it goes back to the oldest that could not be blanked yet.
        """
        connection.execute(
            "UPDATE incoming SET text = '' WHERE id IN (SELECT id FROM incoming WHERE id < ? "
            "AND text <> '' LIMIT ?)",
            (first_id(before), limit),
        )
        rows: Sequence[Any] = connection.execute(
            f"SELECT id, {_FINAL} AND changed_at < ?1, text <> '' "  # noqa: S608
            "OR fallback <> '' FROM message WHERE id > ?2 AND id < ?3 ORDER BY id LIMIT ?4",
            (before, self._blanked, first_id(before), limit),
        ).fetchall()
        connection.executemany(
            "UPDATE message SET text = '', options = '', fallback = '', envelope = "
            "CASE envelope WHEN '' THEN '' ELSE json_remove(envelope, '$.subject') END "
            "WHERE id = ?",
            [(id,) for id, final, written in rows if final and written],
        )
        passed_over = [id for id, final, _ in rows if not final]
        if passed_over and not self._passed_over:
            self._passed_over = passed_over[0]
        if rows:
            self._blanked = rows[-1][0]
        elif self._passed_over:
            self._blanked, self._passed_over = self._passed_over - 1, 0
        return len(rows)


def _give_back_pages(connection: sqlite3.Connection) -> None:
    """Gives some of the pages that are free back to the file system."""
    [free] = connection.execute("PRAGMA freelist_count").fetchone()
    for _ in range(min(free, _PAGES)):
        # Each page is a row without columns, after the first of which the module stops.
        connection.execute("PRAGMA incremental_vacuum(1)")
