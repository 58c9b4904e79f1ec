"""Waiting messages in SQLite that are cancelled, held, released, expired or replaced.

Functions of the writing connection.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from bridge.model.message import FINAL, TRANSITIONS, Message, State
from bridge.store.rows import MESSAGE_COLUMNS, to_row
from bridge.store.sqlite import notices
from bridge.store.sqlite.many_rows import INSERT_EVENT, write_rows

#: Whoever is in an attempt may be at the API already.
_IN_NO_ATTEMPT = "id NOT IN (SELECT value FROM attempt, json_each(message_ids))"


def move(
    connection: sqlite3.Connection, message_ids: Sequence[int], to: State, now: int
) -> tuple[list[int], set[str]]:
    """See :meth:`bridge.store.Store.move`; with the queues in which notices were put."""
    sources = [state.value for state, leads in TRANSITIONS.items() if to in leads]
    marks = ", ".join("?" * len(sources))
    moved: list[int] = []
    for id in message_ids:
        done = connection.execute(
            "UPDATE message SET state = ?, changed_at = ? "  # noqa: S608
            f"WHERE id = ? AND state IN ({marks}) AND {_IN_NO_ATTEMPT}",
            (to.value, now, id, *sources),
        )
        if done.rowcount:
            moved.append(id)
    write_rows(connection, INSERT_EVENT, [(id, now, to.value, "") for id in moved])
    queues: set[str] = set()
    if to in FINAL:
        queues = notices.owe_states(connection, [(id, to, 0) for id in moved], now)
    return moved, queues


def replace(connection: sqlite3.Connection, message: Message, now: int) -> bool:
    """See :meth:`bridge.store.Store.replace`."""
    columns = ", ".join(f"{column} = ?" for column in MESSAGE_COLUMNS)
    replaced = connection.execute(
        f"UPDATE message SET {columns} WHERE id = ? "  # noqa: S608
        f"AND state IN ('accepted', 'held') AND {_IN_NO_ATTEMPT}",
        (*to_row(message), message.id),
    ).rowcount
    if replaced:
        write_rows(connection, INSERT_EVENT, [(message.id, now, "replaced", "")])
    return bool(replaced)
