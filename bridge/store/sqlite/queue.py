"""Waiting messages in SQLite: the next ones of a lane; moved and replaced ones.

There is one daemon, so that reading the next messages claims them.
"""

from __future__ import annotations

from collections.abc import Sequence

from bridge.model.message import FINAL, State
from bridge.store.rows import MESSAGE_COLUMNS
from bridge.store.sqlite import notices
from bridge.store.sqlite.many_rows import INSERT_EVENT, write_rows
from bridge.store.sqlite.verb import SqliteTurn
from bridge.store.transitions import IDLE, movable_from
from bridge.store.types import Replacement

#: Messages in an attempt: they may be at the API already.
_SENDING = "SELECT value FROM attempt, json_each(message_ids)"
_IN_NO_ATTEMPT = f"id NOT IN ({_SENDING})"
#: The next messages of a lane that are due (:meth:`bridge.store.interface.Store.waiting`).
WAITING = (
    f"SELECT {', '.join(MESSAGE_COLUMNS)} FROM message INDEXED BY message_waiting "  # noqa: S608
    "WHERE state = 'accepted' AND account = ? AND level = ? AND route = ? "
    f"AND due_at <= ? AND (due_at, id) > (?, ?) AND {_IN_NO_ATTEMPT} ORDER BY due_at, id LIMIT ?"
)
#: Most messages that one statement moves.
_AT_ONCE = 500


def _states(states: Sequence[State]) -> str:
    names = ", ".join(f"'{state.value}'" for state in states)
    return f"state IN ({names})"


def move(turn: SqliteTurn, message_ids: Sequence[int], to: State, *, unposted: bool) -> list[int]:
    """See :meth:`bridge.store.interface.Store.move`."""
    sources = movable_from(to)
    sending = {id for [id] in turn.connection.execute(_SENDING)}
    idle = [id for id in message_ids if id not in sending]
    certain = "AND unknown = 0" if unposted else ""
    found: set[int] = set()
    for start in range(0, len(idle), _AT_ONCE):
        some = idle[start : start + _AT_ONCE]
        update = (
            "UPDATE message SET state = ?1, changed_at = ?2 "  # noqa: S608
            f"WHERE id IN ({','.join('?' * len(some))}) AND {_states(sources)} "
            f"AND (?1 <> 'expired' OR expires_at <= ?2) {certain} RETURNING id"
        )
        rows = turn.connection.execute(update, (to.value, turn.now, *some))
        found.update(id for [id] in rows)
    moved = [id for id in idle if id in found]
    write_rows(turn.connection, INSERT_EVENT, [(id, turn.now, to.value, "") for id in moved])
    if to in FINAL:
        notices.owe_states(turn, [(id, to, 0) for id in moved])
    return moved


def replace(turn: SqliteTurn, new: Replacement) -> bool:
    """See :meth:`bridge.store.interface.Store.replace`."""
    values = (new.text, new.fallback, new.parts, int(new.receipts), new.expires_at, new.due_at)
    replaced = turn.connection.execute(
        "UPDATE message SET text = ?1, fallback = ?2, parts = ?3, receipts = ?4, "  # noqa: S608
        "expires_at = coalesce(?5, expires_at), due_at = coalesce(?6, due_at), "
        "scheduled_at = iif(?6 IS NULL, scheduled_at, NULL) "
        f"WHERE id = ?7 AND {_states(IDLE)} AND unknown = 0 AND {_IN_NO_ATTEMPT}",
        (*values, new.message_id),
    ).rowcount
    if replaced:
        write_rows(turn.connection, INSERT_EVENT, [(new.message_id, turn.now, "replaced", "")])
    return bool(replaced)
