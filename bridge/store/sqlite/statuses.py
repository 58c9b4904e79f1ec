"""The API's words on messages in SQLite: noted, kept for later, asked for.

Functions of the writing connection. What a word means was decided before.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any

from bridge.model.message import State, Stored
from bridge.model.notice import Subject, subject_of
from bridge.store.ended import LOOK_THROUGH, Ended
from bridge.store.rows import STORED, to_stored
from bridge.store.sqlite.many_rows import INSERT_EVENT, read_rows, write_rows
from bridge.store.sqlite.notices import owe_subjects
from bridge.store.types import Noted, Status

#: The longest time between two questions about one message (seconds).
MAX_POLL = 600
#: How many early statuses :meth:`Early.match` looks at in one step.
_STEP = 5000

#: Those of the latest messages that ended and of which an early status may tell.
ENDED_LATELY = (
    "SELECT upstream_id, id FROM (SELECT id, upstream_id, state FROM message "  # noqa: S608
    f"ORDER BY id DESC LIMIT {LOOK_THROUGH}) WHERE state <> 'sent' AND upstream_id <> '' "
    "AND upstream_id IN (SELECT upstream_id FROM early_status) ORDER BY id"
)
_PAGE = (
    "SELECT id, upstream_id, word, state, at, cost, counted_parts, err, EXISTS (SELECT 1 "
    "FROM message WHERE message.upstream_id = early_status.upstream_id AND message.state = 'sent') "
    "FROM early_status WHERE id > ? ORDER BY id LIMIT ?"
)
_FOUND = (
    "upstream_id",
    "id",
    "submission_id",
    "account",
    "protocol",
    "receipts",
    "state",
    "status",
    "cost",
)
_SENT_ALREADY = "FROM message WHERE state = 'sent' AND upstream_id IN ({keys})"
_ENDED_ALREADY = "FROM message WHERE state <> 'sent' AND id IN ({keys})"
_CHANGE = (
    "WITH change (id, state, word, at, cost, parts, err) AS (VALUES {rows}) "
    "UPDATE message SET state = coalesce(change.state, message.state), status = change.word, "
    "status_at = change.at, changed_at = iif(change.state IS NULL, changed_at, change.at), "
    "cost = iif(change.cost = '', message.cost, change.cost), "
    "counted_parts = iif(change.parts = 0, counted_parts, change.parts), "
    "err = iif(change.state IS NULL, message.err, change.err), "
    "cause = iif(change.state IS NULL OR change.word <> '', cause, 'no status was received') "
    "FROM change WHERE message.id = change.id"
)
_EARLY = "INSERT INTO early_status (upstream_id, word, state, at, cost, counted_parts, err) VALUES "
_SENT = State.SENT.value


def note(
    connection: sqlite3.Connection, statuses: Sequence[Status], ended: Ended
) -> tuple[list[Noted], set[str]]:
    """What each of them was, and the queues in which notices were put.

    Messages that come to an end are added to ``ended``.
    """
    noted = [Noted.EARLY] * len(statuses)
    queues: set[str] = set()
    turn = list(range(len(statuses)))
    while turn:
        # Several words on one message take turns, in their order.
        first: dict[str, int] = {}
        later = [n for n in turn if first.setdefault(statuses[n].upstream_id, n) != n]
        queues |= _note(connection, statuses, first, noted, ended)
        turn = later
    return noted, queues


def _note(
    connection: sqlite3.Connection,
    statuses: Sequence[Status],
    turn: dict[str, int],
    noted: list[Noted],
    ended: Ended,
) -> set[str]:
    """Notes the statuses of one turn, at most one for each upstream id."""
    changes: list[tuple[Any, ...]] = []
    late: list[tuple[Any, ...]] = []
    ends: dict[int, list[tuple[Subject, State]]] = {}
    found = {row[0]: row[1:] for row in read_rows(connection, _FOUND, _SENT_ALREADY, list(turn))}
    if len(found) < len(turn):
        old = ended.find(turn.keys() - found.keys())
        ended_rows = read_rows(connection, _FOUND, _ENDED_ALREADY, old)
        found.update((row[0], row[1:]) for row in ended_rows)
    for upstream_id, n in turn.items():
        if upstream_id not in found:
            continue
        status = statuses[n]
        id, submission_id, account, protocol, receipts, state, word, cost = found[upstream_id]
        to = status.state
        news = status.word != word or (status.cost and not cost)
        if state == _SENT and to is not None:
            what = Noted.CHANGED
            who = subject_of(id, submission_id, account, protocol, receipts)
            ends.setdefault(status.at, []).append((who, to))
        elif state == _SENT:
            what = Noted.KEPT if news else Noted.REPEATED
        elif to is None or to.value == state:
            # Beside the end only what the API counted is of interest.
            what = Noted.KEPT if status.cost and not cost else Noted.REPEATED
            status = status._replace(word=word, state=None)
        else:
            what = Noted.LATE
            late.append((id, status.at, "status", status.word))
        noted[n] = what
        if what in (Noted.CHANGED, Noted.KEPT):
            state_to = None if status.state is None else status.state.value
            counted = (status.cost, status.counted_parts, status.err)
            changes.append((id, state_to, status.word, status.at, *counted))
    write_rows(connection, _CHANGE, changes)
    write_rows(connection, INSERT_EVENT, late)
    early = [statuses[n] for n in turn.values() if noted[n] is Noted.EARLY]
    write_rows(
        connection,
        _EARLY,
        [(s.upstream_id, s.word, "" if s.state is None else s.state.value, *s[3:]) for s in early],
    )
    queues: set[str] = set()
    for at, subjects in ends.items():
        queues |= owe_subjects(connection, subjects, at)
    ended.add((id, found[id][0]) for id, n in turn.items() if noted[n] is Noted.CHANGED)
    return queues


class Early:
    """Goes through the statuses that came too early, some at a time, from the oldest on."""

    def __init__(self, ended: Ended) -> None:
        self._ended = ended
        self._seen = 0

    def match(
        self, connection: sqlite3.Connection, before: int, over: Sequence[tuple[str, int]]
    ) -> tuple[int, set[str]]:
        """Notes those whose message is known now, forgets what is older than ``before``; how many
        that were, and the queues in which notices were put.

        ``over`` are messages that turned out to have ended (:data:`ENDED_LATELY`).
        """
        self._ended.add(over)
        page = connection.execute(_PAGE, (self._seen, _STEP)).fetchall()
        self._seen = page[-1][0] if len(page) == _STEP else 0
        known = [row for row in page if row[-1] or row[1] in self._ended]
        queues: set[str] = set()
        if known:
            _, queues = note(connection, [_early(row[1:-1]) for row in known], self._ended)
            delete = "DELETE FROM early_status WHERE id = ?"
            connection.executemany(delete, [(row[0],) for row in known])
        forgotten = connection.execute("DELETE FROM early_status WHERE at < ?", (before,)).rowcount
        return forgotten, queues


def _early(row: Sequence[Any]) -> Status:
    upstream_id, word, state, *rest = row
    return Status(upstream_id, word, State(state) if state else None, *rest)


def to_poll(connection: sqlite3.Connection, now: int, limit: int) -> list[Stored]:
    """See :meth:`bridge.store.Store.to_poll`."""
    ids: list[int] = []
    for nobody_waits in (0, 1):
        ids += [
            id
            for (id,) in connection.execute(
                "SELECT id FROM message INDEXED BY message_poll WHERE state = 'sent' "
                "AND (receipts = 0) = ? AND poll_at <= ? ORDER BY poll_at LIMIT ?",
                (nobody_waits, now, limit - len(ids)),
            )
        ]
    connection.executemany(
        "UPDATE message SET poll_at = ? + max(1, min(?, ? - sent_at)) WHERE id = ?",
        [(now, MAX_POLL, now, id) for id in ids],
    )
    rows = read_rows(connection, STORED, "FROM message WHERE id IN ({keys})", ids)
    stored = {row[0]: to_stored(row) for row in rows}
    return [stored[id] for id in ids]
