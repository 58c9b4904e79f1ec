"""Notices in SQLite: owed, claimed, told. Functions of the writing connection.

Which notices follow from what is :mod:`bridge.model.notice`'s to decide.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence

import orjson

from bridge.model.message import State
from bridge.model.notice import (
    ALIASES,
    Incoming,
    Notice,
    Owed,
    Subject,
    Told,
    incoming_notice,
    notices_of,
    subject_of,
)
from bridge.store.rows import INCOMING, NEW_NOTICE, NOTICE, STORED, from_notice, to_owed
from bridge.store.sqlite.many_rows import read_rows, write_rows

_OWE = f"INSERT INTO notice ({', '.join(NEW_NOTICE)}) VALUES "  # noqa: S608
_SUBJECT = ("id", "submission_id", "account", "protocol", "receipts")
_ALIAS = ("message_id", "id", "receipts")
#: The head of each line alone: what is told of one message is told in order. A delay that has not
#: come yet keeps no end waiting.
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


def owe(connection: sqlite3.Connection, notices: Sequence[Notice]) -> set[str]:
    """Stores them; tells the queues in which there is something to tell."""
    write_rows(connection, _OWE, list(map(from_notice, notices)))
    return {notice.queue for notice in notices if not notice.ended_at}


def owe_states(
    connection: sqlite3.Connection, changes: Iterable[tuple[int, State, int]], now: int
) -> set[str]:
    """Stores the notices that follow from messages having come to these states, each with the id
    under which a client hears of it otherwise."""
    states = {id: (state, heard) for id, state, heard in changes}
    told: list[tuple[Subject, State]] = []
    found = "FROM message WHERE id IN ({keys})"
    for row in read_rows(connection, _SUBJECT, found, list(states)):
        state, heard = states[row[0]]
        told.append((subject_of(*row)._replace(heard=heard), state))
    return owe_subjects(connection, told, now)


def owe_subjects(
    connection: sqlite3.Connection, changes: Sequence[tuple[Subject, State]], now: int
) -> set[str]:
    """The same, where it is known already what matters of the messages."""
    aliases: dict[int, list[tuple[int, int]]] = {}
    asking = [subject.id for subject, _ in changes if subject.receipts & ALIASES]
    found = "FROM alias WHERE message_id IN ({keys})"
    for message_id, id, receipts in sorted(read_rows(connection, _ALIAS, found, asking)):
        aliases.setdefault(message_id, []).append((id, receipts))
    return owe(
        connection,
        [
            notice
            for subject, state in changes
            for notice in notices_of(subject, aliases.get(subject.id, []), state, now)
        ],
    )


class Claims:
    """What this daemon is telling, in memory: it is alone, and one that starts tells nothing yet.

    So a claim writes nothing, and keeps no message waiting that is to be stored.
    """

    def __init__(self) -> None:
        self._ids: dict[str, set[int]] = {}
        self._queues: dict[int, str] = {}

    def of(self, queue: str) -> frozenset[int]:
        """The ids of the notices of a queue that are claimed."""
        return frozenset(self._ids.get(queue, ()))

    def take(self, queue: str, owed: Sequence[Owed]) -> list[Owed]:
        """Claims those of them that are not claimed."""
        ids = self._ids.setdefault(queue, set())
        taken = [one for one in owed if one.notice.id not in ids]
        for one in taken:
            ids.add(one.notice.id)
            self._queues[one.notice.id] = queue
        return taken

    def end(self, told: Sequence[Told]) -> None:
        """Lets go of them: what became of them is durable."""
        for one in told:
            queue = self._queues.pop(one.notice_id, None)
            if queue is not None:
                self._ids[queue].discard(one.notice_id)


def due(
    connection: sqlite3.Connection, queue: str, now: int, limit: int, claimed: frozenset[int]
) -> list[Owed]:
    """What of a queue is due and not claimed, the first ``limit`` of it. Only reads."""
    [(found,)] = connection.execute(_DUE, (queue, now, limit + len(claimed)))
    ids = [id for id in orjson.loads(found) if id not in claimed][:limit]
    owed = [to_owed(row) for row in read_rows(connection, _OWED, _WITH_SUBJECT, ids)]
    owed.sort(key=lambda one: (one.notice.due_at, one.notice.id))
    return owed


def tell(connection: sqlite3.Connection, told: Sequence[Told], now: int) -> None:
    """See :meth:`bridge.store.Store.told`."""
    rows = [(t.notice_id, now if t.ended else 0, t.outcome, t.due_at, t.tried) for t in told]
    write_rows(connection, _TOLD, rows)


def expire(connection: sqlite3.Connection, before: int, limit: int, now: int) -> int:
    """See :meth:`bridge.store.Store.expire_notices`."""
    return connection.execute(
        "UPDATE notice SET ended_at = ?, outcome = CASE outcome WHEN '' THEN 'nobody took it' "
        "ELSE 'given up: ' || outcome END WHERE id IN (SELECT id FROM notice "
        "WHERE ended_at = 0 AND at < ? AND due_at <= ? LIMIT ?)",
        (now, before, now, limit),
    ).rowcount


def take(
    connection: sqlite3.Connection, incoming: Sequence[tuple[Incoming, Sequence[str]]]
) -> tuple[list[bool], list[Notice]]:
    """Stores messages from phones; tells which were new, and the notices that follow."""
    new: list[bool] = []
    notices: list[Notice] = []
    for one, queues in incoming:
        new.append(connection.execute(_INCOMING, one).rowcount > 0)
        if new[-1]:
            notices += [incoming_notice(one, queue) for queue in queues]
    return new, notices
