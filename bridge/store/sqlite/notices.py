"""Notices in SQLite: owed, claimed, told, and the messages from phones that some are about.

:mod:`bridge.model.notice` decides which notices follow from a change.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import orjson

from bridge.model.message import State
from bridge.model.notice import (
    ALIASES,
    MAIL,
    Incoming,
    Notice,
    Owed,
    Subject,
    Told,
    aliases_of,
    incoming_notice,
    notices_of,
    subject_of,
)
from bridge.store.rows import INCOMING, NEW_NOTICE, NOTICE, STORED, from_notice, to_owed
from bridge.store.sqlite.many_rows import read_rows, write_rows
from bridge.store.sqlite.verb import SqliteTurn, SqliteVerb

_OWE = f"INSERT INTO notice ({', '.join(NEW_NOTICE)}) VALUES "  # noqa: S608
_SUBJECT = ("id", "submission_id", "account", "protocol", "receipts")
_ALIAS = ("message_id", "id", "receipts")
#: Only the first notice of each message and alias: these are told in order. A delay that is not
#: due yet does not block a final state.
_DUE = (
    "SELECT json_group_array(id) FROM (SELECT id FROM notice INDEXED BY notice_owed "
    "WHERE ended_at = 0 AND queue = ? AND due_at <= ? AND NOT EXISTS ("
    "SELECT 1 FROM notice AS earlier WHERE earlier.about = notice.about "
    "AND earlier.known_as = notice.known_as AND earlier.queue = notice.queue "
    "AND earlier.ended_at = 0 AND earlier.id < notice.id AND earlier.kind <> 'delay') "
    "ORDER BY due_at, id LIMIT ?)"
)
_OWED = (
    *("n." + name for name in NOTICE),
    *("i." + name for name in INCOMING),
    *("m." + name for name in STORED),
)
_WITH_SUBJECT = (
    "FROM notice AS n LEFT JOIN message AS m ON m.id = n.about "
    "LEFT JOIN incoming AS i ON i.id = n.about WHERE n.id IN ({keys})"
)
_TOLD = (
    "WITH told (id, ended_at, outcome, due_at, tried) AS (VALUES {rows}) "
    "UPDATE notice SET tries = tries + told.tried, ended_at = told.ended_at, "
    "outcome = told.outcome, due_at = told.due_at FROM told WHERE notice.id = told.id"
)
_INCOMING = (
    'INSERT INTO incoming (id, uid, account, phone, "to", text, at, received_at) '
    "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (uid) DO NOTHING"
)


def owe(turn: SqliteTurn, notices: Sequence[Notice]) -> None:
    """Stores notices."""
    write_rows(turn.connection, _OWE, list(map(from_notice, notices)))
    turn.queues.update(notice.queue for notice in notices if not notice.ended_at)


def owe_states(turn: SqliteTurn, changes: Iterable[tuple[int, State, int]]) -> None:
    """Stores the notices of messages that have reached these states now; the third of each is the
    id whose client gets the state as its answer (0: none)."""
    states = {id: (state, heard) for id, state, heard in changes}
    told: list[tuple[Subject, State, int]] = []
    found = "FROM message WHERE id IN ({keys})"
    for row in read_rows(turn.connection, _SUBJECT, found, list(states)):
        state, heard = states[row[0]]
        told.append((subject_of(*row)._replace(heard=heard), state, turn.now))
    owe_subjects(turn, told)


def owe_subjects(turn: SqliteTurn, changes: Sequence[tuple[Subject, State, int]]) -> None:
    """The same, with the messages' fields and the times given."""
    aliases: dict[int, list[tuple[int, int]]] = {}
    asking = {
        id
        for subject, _, _ in changes
        if subject.receipts & ALIASES
        for id in (subject.id, subject.submission_id)
    }
    found = "FROM alias WHERE message_id IN ({keys})"
    for message_id, id, receipts in sorted(read_rows(turn.connection, _ALIAS, found, list(asking))):
        aliases.setdefault(message_id, []).append((id, receipts))
    owe(
        turn,
        [
            notice
            for subject, state, at in changes
            for notice in notices_of(subject, aliases_of(subject, aliases), state, at)
        ],
    )


class Claims:
    """The claimed notices, in memory: there is no other daemon, and after a start none is claimed.

    A claim therefore writes nothing, and delays no message that is to be stored.
    """

    def __init__(self) -> None:
        self._ids: dict[str, set[int]] = {}
        self._queues: dict[int, str] = {}

    def of(self, queue: str) -> frozenset[int]:
        """The ids of the notices of a queue that are claimed."""
        return frozenset(self._ids.get(queue, ()))

    def take(self, queue: str, owed: Sequence[Owed]) -> list[Owed]:
        """Claims those of the notices that are not claimed yet."""
        ids = self._ids.setdefault(queue, set())
        taken = [one for one in owed if one.notice.id not in ids]
        for one in taken:
            ids.add(one.notice.id)
            self._queues[one.notice.id] = queue
        return taken

    def end(self, told: Sequence[Told]) -> None:
        """Ends the claims: the results are durable."""
        for one in told:
            queue = self._queues.pop(one.notice_id, None)
            if queue is not None:
                self._ids[queue].discard(one.notice_id)


def due(
    connection: sqlite3.Connection, queue: str, now: int, limit: int, claimed: frozenset[int]
) -> list[Owed]:
    """The first ``limit`` notices of a queue that are due and not claimed. Only reads."""
    [(found,)] = connection.execute(_DUE, (queue, now, limit + len(claimed)))
    ids = [id for id in orjson.loads(found) if id not in claimed][:limit]
    owed = [to_owed(row) for row in read_rows(connection, _OWED, _WITH_SUBJECT, ids)]
    owed.sort(key=lambda one: (one.notice.due_at, one.notice.id))
    return owed


def expire(turn: SqliteTurn, mails_before: int, before: int, limit: int) -> int:
    """See :meth:`bridge.store.interface.Store.expire_notices`."""
    return turn.connection.execute(
        "UPDATE notice SET ended_at = ?, outcome = CASE outcome WHEN '' THEN 'nobody took it' "
        "ELSE 'given up: ' || outcome END WHERE id IN (SELECT id FROM notice "
        "WHERE ended_at = 0 AND at < iif(queue = ?, ?, ?) AND due_at <= ? LIMIT ?)",
        (turn.now, MAIL, mails_before, before, turn.now, limit),
    ).rowcount


# --- the writer's verbs --------------------------------------------------------------------------

#: A message from a phone, with the queues for its notices.
Arrival = tuple[Incoming, Sequence[str]]


def _owe(turn: SqliteTurn, payloads: Sequence[Sequence[Notice]]) -> list[None]:
    owe(turn, [notice for payload in payloads for notice in payload])
    return [None] * len(payloads)


def _told(turn: SqliteTurn, payloads: Sequence[Sequence[Told]]) -> list[None]:
    rows = [
        (t.notice_id, turn.now if t.ended else 0, t.outcome, t.due_at, t.tried)
        for payload in payloads
        for t in payload
    ]
    write_rows(turn.connection, _TOLD, rows)
    return [None] * len(payloads)


def _take(turn: SqliteTurn, payloads: Sequence[Sequence[Arrival]]) -> list[Sequence[bool]]:
    answers: list[Sequence[bool]] = []
    notices: list[Notice] = []
    for payload in payloads:
        new = [turn.connection.execute(_INCOMING, one).rowcount > 0 for one, _ in payload]
        notices += [
            incoming_notice(one, queue)
            for (one, queues), is_new in zip(payload, new, strict=True)
            if is_new
            for queue in queues
        ]
        answers.append(new)
    owe(turn, notices)
    return answers


OWE = SqliteVerb(_owe)
TOLD = SqliteVerb(_told, kept=True)
TAKE_INCOMING = SqliteVerb(_take)
