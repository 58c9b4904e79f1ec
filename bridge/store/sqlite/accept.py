"""Submissions in SQLite: the messages of a group and what belongs to them, in a few inserts."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence, Set

from bridge.model.message import State
from bridge.model.notice import Notice
from bridge.store.daily_count import count_new
from bridge.store.errors import OverDailyLimit, StoreError
from bridge.store.rows import MESSAGE_COLUMNS, to_row
from bridge.store.sqlite import notices, parts
from bridge.store.sqlite.attempts import join_attempts
from bridge.store.sqlite.directory import run
from bridge.store.sqlite.many_rows import cut, write_rows
from bridge.store.sqlite.queue import move
from bridge.store.sqlite.verb import SqliteTurn, SqliteVerb
from bridge.store.types import Acceptance, Repeats

_INSERT_MESSAGE = f"INSERT INTO message ({', '.join(MESSAGE_COLUMNS)}) VALUES "  # noqa: S608
_INSERT_SUBMISSION = "INSERT INTO submission (id, account, messages) VALUES "
_FORGET_STAGED = "DELETE FROM import_line WHERE import_id = ? AND line > ? AND line <= ?"
#: Short ids wrap around: the later message gets the id.
_INSERT_ALIAS = "INSERT OR REPLACE INTO alias (id, message_id, receipts) VALUES "
_INSERT_FINGERPRINT = "INSERT OR REPLACE INTO fingerprint (key, message_id, until) VALUES "


def _known(connection: sqlite3.Connection, keys: Sequence[bytes], now: int) -> dict[bytes, int]:
    """The fingerprints that are stored and have not expired, with their message's id."""
    known: dict[bytes, int] = {}
    for some, size in cut(keys):
        marks = ",".join("?" * size)
        find = f"SELECT key, message_id FROM fingerprint WHERE until > ? AND key IN ({marks})"  # noqa: S608
        missing = [None] * (size - len(some))
        known.update(connection.execute(find, (now, *some, *missing)))
    return known


def _repeats(acceptance: Acceptance, known: dict[bytes, int]) -> Repeats:
    """The fingerprints that are known; the others are known from now on."""
    repeats = {
        f.key: known[f.key]
        for f in acceptance.fingerprints
        if known.get(f.key, f.instead_of) != f.instead_of
    }
    repeated = {f.message_id for f in acceptance.fingerprints if f.key in repeats}
    known.update(
        (f.key, f.message_id) for f in acceptance.fingerprints if f.message_id not in repeated
    )
    return repeats


def _accept(turn: SqliteTurn, acceptances: Sequence[Acceptance]) -> list[Repeats | StoreError]:
    connection = turn.connection
    keys = [f.key for acceptance in acceptances for f in acceptance.fingerprints]
    known = _known(connection, keys, turn.now) if keys else {}
    all_repeats = [
        _repeats(acceptance, known) if acceptance.fingerprints else {} for acceptance in acceptances
    ]
    over: Set[int] = frozenset()
    if any(acceptance.daily_limit for acceptance in acceptances):
        over = run(connection, count_new(acceptances, all_repeats, turn.now))
    answers: list[Repeats | StoreError] = []
    messages: list[tuple[object, ...]] = []
    submissions: list[tuple[object, ...]] = []
    fingerprints: list[tuple[object, ...]] = []
    aliases: list[tuple[object, ...]] = []
    owed: list[Notice] = []
    superseded: list[int] = []
    begun: dict[int, list[int]] = {}  # the new messages of each attempt
    for n, (acceptance, repeats) in enumerate(zip(acceptances, all_repeats, strict=True)):
        if n in over:
            answers.append(OverDailyLimit(acceptance.daily_limit))
            continue
        repeated: Set[int] = frozenset()
        if acceptance.fingerprints:
            repeated = {f.message_id for f in acceptance.fingerprints if f.key in repeats}
            fingerprints += [
                (f.key, f.message_id, f.until)
                for f in acceptance.fingerprints
                if f.message_id not in repeated
            ]
        answers.append(repeats)
        stored = [m for m in acceptance.messages if m.id not in repeated]
        new = [to_row(m) for m in stored]
        messages += new
        if acceptance.attempt and new:
            begun.setdefault(acceptance.attempt, []).append(acceptance.messages[0].id)
        if acceptance.aliases:
            ids = {id for m in stored for id in (m.id, m.submission_id)}
            aliases += [alias for alias in acceptance.aliases if alias.message_id in ids]
        if acceptance.notices:
            owed += [notice for notice in acceptance.notices if notice.about not in repeated]
        if acceptance.superseded:
            superseded += [one.id for one in acceptance.superseded if one.by not in repeated]
        if acceptance.parts is not None:
            part_id = acceptance.aliases[0].id if acceptance.aliases else 0
            # The first message, if this one repeats it.
            message_id = next(iter(repeats.values()), acceptance.messages[0].id)
            parts.finish(connection, acceptance.parts, message_id, part_id, turn.now)
        if acceptance.staged is not None:
            connection.execute(_FORGET_STAGED, acceptance.staged)
        elif len(acceptance.messages) > 1 and new:
            first = acceptance.messages[0]
            submissions.append((first.submission_id, first.account, len(new)))
    write_rows(connection, _INSERT_MESSAGE, messages)
    write_rows(connection, _INSERT_SUBMISSION, submissions)
    write_rows(connection, _INSERT_ALIAS, aliases)
    write_rows(connection, _INSERT_FINGERPRINT, fingerprints)
    join_attempts(turn, begun)
    notices.owe(turn, owed)
    if superseded:
        move(turn, superseded, State.CANCELLED, unposted=True)
    return answers


ACCEPT = SqliteVerb(_accept)
