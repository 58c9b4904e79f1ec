"""Statuses in SQLite: noted, kept if early, polled for.

:mod:`bridge.store.transitions` decides the effect of a status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bridge.model.message import State, Stored
from bridge.model.notice import Subject, subject_of
from bridge.store.ended import LOOK_THROUGH
from bridge.store.rows import STORED, Row, to_stored
from bridge.store.sqlite.many_rows import INSERT_EVENT, read_rows, write_rows
from bridge.store.sqlite.notices import owe_subjects
from bridge.store.sqlite.verb import SqliteTurn, SqliteVerb
from bridge.store.transitions import Standing, note_status, poll_interval
from bridge.store.types import Noted, Status

#: Most early statuses that one step of :meth:`SqliteEarly.match` looks at.
_STEP = 5000

#: The latest ended messages that have an early status.
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
    *Standing._fields,
)
_SENT_ALREADY = "FROM message WHERE state = 'sent' AND upstream_id IN ({keys})"
_ENDED_ALREADY = "FROM message WHERE state <> 'sent' AND id IN ({keys})"
_CHANGE = (
    f"WITH change (id, {', '.join(Standing._fields)}) AS (VALUES {{rows}}) UPDATE message SET "  # noqa: S608
    f"{', '.join(f'{name} = change.{name}' for name in Standing._fields)} "
    "FROM change WHERE message.id = change.id"
)
_EARLY = "INSERT INTO early_status (upstream_id, word, state, at, cost, counted_parts, err) VALUES "


@dataclass(slots=True)
class _Found:
    """A message with its fields after the statuses noted so far."""

    subject: Subject
    standing: Standing
    changed: bool = False


def note(turn: SqliteTurn, statuses: Sequence[Status]) -> list[Noted]:
    """Notes statuses and returns the effect of each; early ones are kept."""
    found = _find(turn, list({status.upstream_id for status in statuses}))
    noted: list[Noted] = []
    early: list[tuple[object, ...]] = []
    late: list[tuple[object, ...]] = []
    ends: list[tuple[Subject, State, int]] = []
    over: list[tuple[str, int]] = []
    for status in statuses:
        one = found.get(status.upstream_id)
        if one is None:
            noted.append(Noted.EARLY)
            state = "" if status.state is None else status.state.value
            early.append((status.upstream_id, status.word, state, *status[3:]))
            continue
        what, one.standing = note_status(one.standing, status)
        noted.append(what)
        if what is Noted.LATE:
            late.append((one.subject.id, status.at, "status", status.word))
        elif what is not Noted.REPEATED:
            one.changed = True
        if what is Noted.CHANGED and status.state is not None:
            ends.append((one.subject, status.state, status.at))
            over.append((status.upstream_id, one.subject.id))
    changed = [(one.subject.id, *one.standing) for one in found.values() if one.changed]
    write_rows(turn.connection, _CHANGE, changed)
    write_rows(turn.connection, INSERT_EVENT, late)
    write_rows(turn.connection, _EARLY, early)
    owe_subjects(turn, ends)
    turn.ended.add(over)
    return noted


def _find(turn: SqliteTurn, upstream_ids: Sequence[str]) -> dict[str, _Found]:
    rows = read_rows(turn.connection, _FOUND, _SENT_ALREADY, upstream_ids)
    if len(rows) < len(upstream_ids):
        old = turn.ended.find(set(upstream_ids).difference(row[0] for row in rows))
        rows += read_rows(turn.connection, _FOUND, _ENDED_ALREADY, old)
    return {row[0]: _Found(subject_of(*row[1:6]), Standing(*row[6:])) for row in rows}


def _note_all(turn: SqliteTurn, payloads: Sequence[Sequence[Status]]) -> list[Sequence[Noted]]:
    noted = note(turn, [status for payload in payloads for status in payload])
    answers: list[Sequence[Noted]] = []
    start = 0
    for payload in payloads:
        answers.append(noted[start : start + len(payload)])
        start += len(payload)
    return answers


NOTE_STATUSES = SqliteVerb(_note_all)


class SqliteEarly:
    """Goes through the early statuses, some at a time, from the oldest on."""

    def __init__(self) -> None:
        self._seen = 0

    def match(self, turn: SqliteTurn, before: int, over: Sequence[tuple[str, int]]) -> int:
        """Notes those whose message is known now; deletes those older than ``before`` and returns
        how many.

        ``over`` are messages that turned out to have ended (:data:`ENDED_LATELY`).
        """
        connection = turn.connection
        turn.ended.add(over)
        page = connection.execute(_PAGE, (self._seen, _STEP)).fetchall()
        self._seen = page[-1][0] if len(page) == _STEP else 0
        known = [row for row in page if row[-1] or row[1] in turn.ended]
        if known:
            note(turn, [_early(row[1:-1]) for row in known])
            delete = "DELETE FROM early_status WHERE id = ?"
            connection.executemany(delete, [(row[0],) for row in known])
        return connection.execute("DELETE FROM early_status WHERE at < ?", (before,)).rowcount


def _early(row: Row) -> Status:
    upstream_id, word, state, *rest = row
    return Status(upstream_id, word, State(state) if state else None, *rest)


def to_poll(turn: SqliteTurn, now: int, limit: int) -> list[Stored]:
    """See :meth:`bridge.store.interface.Store.to_poll`."""
    connection = turn.connection
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
    rows = read_rows(connection, STORED, "FROM message WHERE id IN ({keys})", ids)
    stored = {row[0]: to_stored(row) for row in rows}
    connection.executemany(
        "UPDATE message SET poll_at = ? WHERE id = ?",
        [(now + poll_interval(now, stored[id].sent_at), id) for id in ids],
    )
    return [stored[id] for id in ids]
