"""Waiting and held messages of a selection: counted, listed, and sent at once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from bridge.model.message import State, Stored
from bridge.model.selection import Selection
from bridge.store.directory.verb import Statement, Verb, chunks, marks
from bridge.store.rows import STORED, to_stored

#: The default states of a selection: waiting and held.
QUEUED: Final = (State.ACCEPTED, State.HELD)
_STORED: Final = ", ".join(STORED)


class QueueGroup(NamedTuple):
    """Messages with the same state, account, type, sender and reason.

    ``oldest`` and ``newest`` are Unix times of acceptance, ``example`` the id of the newest.
    """

    state: str
    account: str
    message_type: str
    sender: str
    failure: str
    cause: str
    messages: int
    oldest: int
    newest: int
    example: int


def _where(selection: Selection) -> tuple[str, list[object]]:
    """The WHERE condition. States are written out, so that their partial indexes are used."""
    states = QUEUED if selection.state is None else (selection.state,)
    terms = ["(" + " OR ".join(f"state = '{state.value}'" for state in states) + ")"]
    args: list[object] = []
    if selection.id:
        terms.append("(id = ? OR (submission_id = ? AND submission_id <> id))")
        args += [selection.id, selection.id]
    kind = selection.message_type
    for column, value in (
        ("account", selection.account),
        ("message_type", "" if kind is None else kind.value),
        ("sender", selection.sender),
    ):
        if value:
            terms.append(f"{column} = ?")
            args.append(value)
    if selection.phone.endswith("*"):
        terms.append("phone LIKE ?")
        args.append(selection.phone[:-1].replace("%", "") + "%")
    elif selection.phone:
        terms.append("phone = ?")
        args.append(selection.phone)
    if selection.reason:
        terms.append("(failure = ? OR lower(cause) LIKE ?)")
        args += [selection.reason.upper(), f"%{selection.reason.lower()}%"]
    if selection.since:
        terms.append("accepted_at >= ?")
        args.append(selection.since)
    if selection.until:
        terms.append("accepted_at < ?")
        args.append(selection.until)
    return " AND ".join(terms), args


def group_queue(selection: Selection, limit: int) -> Verb[list[QueueGroup]]:
    """The groups of the selected messages, the largest first."""
    where, args = _where(selection)
    rows = yield Statement(
        "SELECT state, account, message_type, sender, failure, cause, count(*), "  # noqa: S608
        f"min(accepted_at), max(accepted_at), max(id) FROM message WHERE {where} "
        "GROUP BY state, account, message_type, sender, failure, cause "
        "ORDER BY count(*) DESC, max(id) DESC LIMIT ?",
        (*args, limit),
    )
    return [QueueGroup(*row) for row in rows]


def count_selected(selection: Selection) -> Verb[int]:
    """The number of selected messages."""
    where, args = _where(selection)
    [[count]] = yield Statement(f"SELECT count(*) FROM message WHERE {where}", tuple(args))  # noqa: S608
    return int(count)


def list_selected(selection: Selection, limit: int) -> Verb[list[Stored]]:
    """The newest selected messages."""
    where, args = _where(selection)
    rows = yield Statement(
        f"SELECT {_STORED} FROM message WHERE {where} ORDER BY id DESC LIMIT ?",  # noqa: S608
        (*args, limit),
    )
    return [to_stored(row) for row in rows]


def select_ids(selection: Selection) -> Verb[list[int]]:
    """The ids of all selected messages, in any order."""
    where, args = _where(selection)
    rows = yield Statement(f"SELECT id FROM message WHERE {where}", tuple(args))  # noqa: S608
    return [row[0] for row in rows]


def select_uncertain(selection: Selection) -> Verb[list[int]]:
    """The ids of the selected messages with an attempt of unknown outcome, in any order."""
    where, args = _where(selection)
    rows = yield Statement(f"SELECT id FROM message WHERE {where} AND unknown > 0", tuple(args))  # noqa: S608
    return [row[0] for row in rows]


def count_cancelled(ids: Sequence[int]) -> Verb[int]:
    """The number of these messages that are cancelled."""
    found = 0
    for some in chunks(ids):
        [[count]] = yield Statement(
            f"SELECT count(*) FROM message WHERE state = 'cancelled' AND id IN ({marks(some)})",  # noqa: S608
            tuple(some),
        )
        found += count
    return found


#: Messages that wait for their next attempt. Those being posted are due already, and those without
#: an attempt wait for their schedule.
_DELAYED: Final = "state = 'accepted' AND due_at > ? AND attempts > 0"


def select_delayed(selection: Selection, now: int) -> Verb[list[int]]:
    """The ids of the selected messages that wait for their next attempt, in any order."""
    where, args = _where(selection)
    rows = yield Statement(
        f"SELECT id FROM message WHERE {where} AND {_DELAYED}",  # noqa: S608
        (*args, now),
    )
    return [row[0] for row in rows]


def send_now(ids: Sequence[int], now: int) -> Verb[int]:
    """Makes messages due that wait for their next attempt; returns their number."""
    hurried = 0
    for some in chunks(ids):
        rows = yield Statement(
            f"UPDATE message SET due_at = ? WHERE {_DELAYED} "  # noqa: S608
            f"AND id IN ({marks(some)}) RETURNING id",
            (now, now, *some),
        )
        hurried += len(rows)
    return hurried
