"""Messages that accepted send-outs are still to make: they are known before they are stored."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Final

from bridge.model.message import Message, State, Stored
from bridge.store.directory.staging import SEND_OUT, read_staged_phone, send_outs_under_way
from bridge.store.directory.verb import Statement, Verb, chunks, marks
from bridge.store.rows import to_message

#: Any reference or id.
ANY: Final = ""


def to_be_made(wanted: Mapping[str, Collection[str]], account: str = "") -> Verb[list[Stored]]:
    """The messages to these phones (E.164) that are still to be made, the newest send-outs first.

    The phones stand by the submission's reference or id. An empty ``account`` means all accounts.
    """
    files = yield Statement(
        "SELECT id, head FROM import_file WHERE kind = ? AND committed = 1 "
        "AND (account = ? OR ? = '') ORDER BY id DESC",
        (SEND_OUT, account, account),
    )
    found: list[Stored] = []
    for id, head in files:
        message = to_message(json.loads(head)["message"])
        names = {ANY, message.reference, str(message.submission_id)}
        phones = sorted({phone for name in names & wanted.keys() for phone in wanted[name]})
        found += yield from _of_file(int(id), message, phones)
    return found


def reference_of(account: str, submission_id: int) -> Verb[str]:
    """The client's reference of a send-out, whether its messages are made or not."""
    for message in (yield from send_outs_under_way(account)):
        if message.submission_id == submission_id:
            return message.reference
    rows = yield Statement(
        "SELECT reference FROM message WHERE submission_id = ? AND submission_id <> id LIMIT 1",
        (submission_id,),
    )
    return str(rows[0][0]) if rows else ""


def _of_file(id: int, message: Message, phones: list[str]) -> Verb[list[Stored]]:
    found: list[Stored] = []
    # A line begins with its phone, and databases have no common function for JSON.
    by_length: dict[int, list[str]] = {}
    for phone in phones:
        beginning = json.dumps([phone])[:-1]
        by_length.setdefault(len(beginning), []).append(beginning)
    for length, beginnings in by_length.items():
        for some in chunks(beginnings):
            rows = yield Statement(
                "SELECT line, fields FROM import_line WHERE import_id = ? "  # noqa: S608
                f"AND substr(fields, 1, ?) IN ({marks(some)}) ORDER BY line",
                (id, length, *some),
            )
            for line, fields in rows:
                staged = read_staged_phone(int(line), fields)
                own = staged.own._asdict() if staged.own else {}
                made = message._replace(id=staged.message_id, phone=staged.phone, **own)
                found.append(Stored(made, State.ACCEPTED, "", made.accepted_at, "", ""))
    return found
