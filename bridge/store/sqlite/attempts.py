"""Attempts in SQLite: noted before a request to the API, ended with the messages' changes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from typing import Any

import orjson

from bridge.model.message import State
from bridge.store.sqlite import notices
from bridge.store.sqlite.many_rows import INSERT_EVENT, read_rows, write_rows
from bridge.store.sqlite.verb import SqliteTurn, SqliteVerb
from bridge.store.types import Change

#: An attempt with the ids of its messages.
Begun = tuple[int, Sequence[int]]
#: An attempt (0: none) with the changes of its messages.
Finished = tuple[int, Sequence[Change]]

_INSERT = "INSERT INTO attempt (id, begun_at, message_ids) VALUES "
_JOIN = (
    "INSERT INTO attempt (id, begun_at, message_ids) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE "
    "SET message_ids = (SELECT json_group_array(value) FROM "
    "(SELECT value FROM json_each(attempt.message_ids) "
    "UNION ALL SELECT value FROM json_each(excluded.message_ids)))"
)
# A message that has left the state ``accepted`` ended meanwhile, and stays as it is.
_SENT = (
    "WITH change (id, upstream_id, at, poll_at) AS (VALUES {rows}) "
    "UPDATE message SET state = 'sent', upstream_id = change.upstream_id, sent_at = change.at, "
    "changed_at = change.at, poll_at = change.poll_at FROM change "
    "WHERE message.id = change.id AND message.state = 'accepted'"
)
_OTHER = (
    "UPDATE message SET state = ?, upstream_id = ?, due_at = ?, attempts = ?, unknown = ?, "
    "failure = ?, cause = ?, changed_at = ? WHERE id = ? AND state = 'accepted'"
)
_WAITING = "FROM message WHERE state = 'accepted' AND id IN ({keys})"


def join_attempts(turn: SqliteTurn, attempts: Mapping[int, Sequence[int]]) -> None:
    """Begins these attempts, or adds messages to them: the rest may come in the next group."""
    for attempt, ids in attempts.items():
        turn.connection.execute(_JOIN, (attempt, turn.now, orjson.dumps(ids).decode()))


def _begin(turn: SqliteTurn, attempts: Sequence[Begun]) -> list[Set[int]]:
    rows = [(attempt, turn.now, orjson.dumps(ids).decode()) for attempt, ids in attempts]
    write_rows(turn.connection, _INSERT, rows)
    # No other node can have taken one of the messages.
    return [frozenset()] * len(attempts)


def _finish(turn: SqliteTurn, finished: Sequence[Finished]) -> list[None]:
    connection, now = turn.connection, turn.now
    sent: list[tuple[object, ...]] = []
    other: list[tuple[Any, ...]] = []  # the id is the last
    words: dict[int, tuple[object, ...]] = {}
    notify: dict[int, tuple[int, State, int]] = {}
    for _, changes in finished:
        for change in changes:
            id, state = change.message_id, change.state
            if change.notify:
                notify[id] = (id, state, change.heard)
            if state is State.SENT:
                sent.append((id, change.upstream_id, now, change.poll_at))
            else:
                words[id] = (id, now, state._value_, change.cause or change.failure)
                # From the state on, in the order of the type.
                other.append((state._value_, *change[2:8], now, id))
    if notify:
        # Only changes that are really made get notices.
        waiting = {id for [id] in read_rows(connection, ("id",), _WAITING, list(notify))}
        notify = {id: one for id, one in notify.items() if id in waiting}
    write_rows(connection, _SENT, sent)
    changed = [row[-1] for row in other if connection.execute(_OTHER, row).rowcount]
    write_rows(connection, INSERT_EVENT, [words[id] for id in changed])
    notices.owe_states(turn, notify.values())
    ended = [(attempt,) for attempt, _ in finished if attempt]
    connection.executemany("DELETE FROM attempt WHERE id = ?", ended)
    return [None] * len(finished)


BEGIN = SqliteVerb(_begin)
FINISH = SqliteVerb(_finish, kept=True)
