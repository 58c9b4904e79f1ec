"""Waiting messages in SQLite that are cancelled, held, released, expired or replaced."""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.message import FINAL, Message, State
from bridge.store.rows import MESSAGE_COLUMNS, to_row
from bridge.store.sqlite import notices
from bridge.store.sqlite.many_rows import INSERT_EVENT, write_rows
from bridge.store.sqlite.verb import SqliteTurn
from bridge.store.transitions import IDLE, movable_from

#: A message in an attempt may be at the API already.
_SENDING = "SELECT value FROM attempt, json_each(message_ids)"
_IN_NO_ATTEMPT = f"id NOT IN ({_SENDING})"
#: How many messages one statement moves.
_AT_ONCE = 500


def _states(states: Sequence[State]) -> str:
    return f"state IN ({', '.join('?' * len(states))})"


def move(turn: SqliteTurn, message_ids: Sequence[int], to: State) -> list[int]:
    """See :meth:`bridge.store.interface.Store.move`."""
    sources = movable_from(to)
    sending = {id for [id] in turn.connection.execute(_SENDING)}
    idle = [id for id in message_ids if id not in sending]
    found: set[int] = set()
    for start in range(0, len(idle), _AT_ONCE):
        some = idle[start : start + _AT_ONCE]
        update = (
            "UPDATE message SET state = ?, changed_at = ? "  # noqa: S608
            f"WHERE id IN ({','.join('?' * len(some))}) AND {_states(sources)} RETURNING id"
        )
        rows = turn.connection.execute(update, (to.value, turn.now, *some, *sources))
        found.update(id for [id] in rows)
    moved = [id for id in idle if id in found]
    write_rows(turn.connection, INSERT_EVENT, [(id, turn.now, to.value, "") for id in moved])
    if to in FINAL:
        notices.owe_states(turn, [(id, to, 0) for id in moved])
    return moved


def replace(turn: SqliteTurn, message: Message) -> bool:
    """See :meth:`bridge.store.interface.Store.replace`."""
    columns = ", ".join(f"{column} = ?" for column in MESSAGE_COLUMNS)
    replaced = turn.connection.execute(
        f"UPDATE message SET {columns} WHERE id = ? AND {_states(IDLE)} AND {_IN_NO_ATTEMPT}",  # noqa: S608
        (*to_row(message), message.id, *IDLE),
    ).rowcount
    if replaced:
        write_rows(turn.connection, INSERT_EVENT, [(message.id, turn.now, "replaced", "")])
    return bool(replaced)
