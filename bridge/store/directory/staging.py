"""Large imports and send-outs: all or nothing, in many small transactions.

The lines of a file are staged, and one small transaction commits the file. From then on it is
processed step by step, by this process or, after a crash, by another one. A file that was not
committed has no effect. A file contains contacts, groups, templates, the black list, or the
recipients of a send-out.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NamedTuple

from bridge.model.contact import BlackListEntry, Blocks, Contact, Group, Template
from bridge.model.failure import Failure, Reason
from bridge.model.message import WILL_NOT_ARRIVE, Message
from bridge.store.daily_count import Counting, count_accepted, uncount
from bridge.store.directory.importing import (
    Entry,
    Imported,
    import_black_list,
    import_contacts,
    import_groups,
    import_templates,
)
from bridge.store.directory.verb import Statement, Verb, marks
from bridge.store.directory.versions import BLACK_LIST, GROUPS, next_version
from bridge.store.errors import OverDailyLimit
from bridge.store.rows import to_message
from bridge.store.types import Alias, Fingerprint

CONTACTS: Final = "contacts"
TEMPLATES: Final = "templates"
SEND_OUT: Final = "send_out"


class ImportFile(NamedTuple):
    """A file that is not processed yet; ``head`` has the fields common to all its lines."""

    id: int
    account: str
    kind: str
    head: str
    committed: bool


class OwnText(NamedTuple):
    """The text of one recipient of a send-out, as in its message (``Message``)."""

    text: str
    fallback: str
    parts: int
    envelope: str


class StagedPhone(NamedTuple):
    """A recipient of a send-out, and the id of its message. ``to`` and ``orcpt`` are those of a
    recipient of a mail (:class:`bridge.model.mail_record.Original`); ``own`` is there if its text
    is not that of the send-out."""

    line: int
    phone: str
    message_id: int
    to: str = ""
    orcpt: str = ""
    own: OwnText | None = None


class SendOut(NamedTuple):
    """A submission with a name, and its numbers of messages, parts and refused recipients.

    ``reference`` is the client's id of it, as of its messages.
    """

    submission_id: int
    name: str
    at: int
    recipients: int
    parts: int
    refused: int
    reference: str = ""


_SEND_OUT: Final = ", ".join(SendOut._fields)


def begin_import(account: str, kind: str, now: int, head: str = "") -> Verb[ImportFile]:
    """Begins a file; its lines follow (``stage_…``)."""
    [[id]] = yield Statement(
        "INSERT INTO import_file (account, kind, head, committed, touched_at) "
        "VALUES (?, ?, ?, 0, ?) RETURNING id",
        (account, kind, head, now),
    )
    return ImportFile(int(id), account, kind, head, False)


def stage_contacts(import_id: int, entries: Sequence[Entry], now: int) -> Verb[None]:
    """Stores lines of a file of contacts."""
    rows = [
        (entry.line, json.dumps([entry.contact, entry.groups], ensure_ascii=False))
        for entry in entries
    ]
    yield from _stage(import_id, rows, now)


def stage_black_list(import_id: int, entries: Sequence[BlackListEntry], now: int) -> Verb[None]:
    """Stores lines of a file of the black list; their ids are the line numbers."""
    rows = [(entry.id, json.dumps(entry[1:], ensure_ascii=False)) for entry in entries]
    yield from _stage(import_id, rows, now)


def stage_groups(import_id: int, groups: Sequence[Group], now: int) -> Verb[None]:
    """Stores lines of a file of groups; their ids are the line numbers."""
    rows = [(group.id, json.dumps(group[1:], ensure_ascii=False)) for group in groups]
    yield from _stage(import_id, rows, now)


def stage_templates(import_id: int, templates: Sequence[Template], now: int) -> Verb[None]:
    """Stores lines of a file of templates; their ids are the line numbers."""
    rows = [(one.id, json.dumps(one[1:], ensure_ascii=False)) for one in templates]
    yield from _stage(import_id, rows, now)


def stage_phones(import_id: int, phones: Sequence[StagedPhone], now: int) -> Verb[None]:
    """Stores recipients of a send-out."""
    rows = [
        (one.line, json.dumps(one[1:] if one.own else one[1:5] if one.to else one[1:3]))
        for one in phones
    ]
    yield from _stage(import_id, rows, now)


def _stage(import_id: int, rows: Sequence[tuple[int, str]], now: int) -> Verb[None]:
    yield Statement(
        "INSERT INTO import_line (import_id, line, fields) VALUES (?, ?, ?)",
        many=[(import_id, line, fields) for line, fields in rows],
    )
    yield Statement("UPDATE import_file SET touched_at = ? WHERE id = ?", (now, import_id))


def commit_import(import_id: int, now: int) -> Verb[None]:
    """Commits the file: it will be processed."""
    yield Statement(
        "UPDATE import_file SET committed = 1, touched_at = ? WHERE id = ?", (now, import_id)
    )


def commit_send_out(
    import_id: int,
    account: str,
    head: str,
    send_out: SendOut,
    now: int,
    fingerprint: Fingerprint | None = None,
    daily_limit: int = 0,
    aliases: Sequence[Alias] = (),
    *,
    unless_sent: bool = False,
) -> Verb[int]:
    """Commits the send-out and stores its submission and further ids of that; returns its id.

    With a known ``fingerprint``, nothing is stored, and the id is the first submission's; with
    ``unless_sent`` only if a message of that has arrived, or may still arrive.
    Raises Failure(TOO_FAST) over the account's ``daily_limit`` (0: none).
    """
    if fingerprint is not None:
        rows = yield Statement(
            "INSERT INTO fingerprint (key, message_id, until) VALUES (?, ?, ?) "
            "ON CONFLICT (key) DO UPDATE "
            "SET message_id = excluded.message_id, until = excluded.until "
            "WHERE fingerprint.until <= ? RETURNING message_id",
            (fingerprint.key, send_out.submission_id, fingerprint.until, now),
        )
        if not rows:
            [[first]] = yield Statement(
                "SELECT message_id FROM fingerprint WHERE key = ?", (fingerprint.key,)
            )
            if not (unless_sent and (yield from _will_not_arrive(account, int(first)))):
                return int(first)
            yield Statement(
                "UPDATE fingerprint SET message_id = ?, until = ? WHERE key = ?",
                (send_out.submission_id, fingerprint.until, fingerprint.key),
            )
    if daily_limit:
        counting = Counting(account, daily_limit, range(send_out.recipients))
        if (yield from count_accepted([counting], now)):
            raise OverDailyLimit(daily_limit).failure
    yield Statement("UPDATE import_file SET head = ? WHERE id = ?", (head, import_id))
    yield Statement(
        "INSERT INTO submission (id, account, messages) VALUES (?, ?, ?)",
        (send_out.submission_id, account, send_out.recipients),
    )
    for alias in aliases:
        # Short ids wrap around: the later submission gets the id.
        yield Statement(
            "INSERT INTO alias (id, message_id, receipts) VALUES (?, ?, ?) ON CONFLICT (id) "
            "DO UPDATE SET message_id = excluded.message_id, receipts = excluded.receipts",
            (alias.id, alias.message_id, int(alias.receipts)),
        )
    if send_out.name:
        yield Statement(
            f"INSERT INTO send_out (account, {_SEND_OUT}) "  # noqa: S608
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (account, *send_out),
        )
    yield from commit_import(import_id, now)
    return send_out.submission_id


def _will_not_arrive(account: str, submission_id: int) -> Verb[bool]:
    """Whether no message of a send-out has arrived or may still arrive."""
    # First what is still to be made: it may be made before the next statement.
    under_way = yield from send_outs_under_way(account)
    if any(one.submission_id == submission_id for one in under_way):
        return False
    states = sorted(state.value for state in WILL_NOT_ARRIVE)
    rows = yield Statement(
        "SELECT 1 FROM message WHERE submission_id = ? AND submission_id <> id "  # noqa: S608
        f"AND state NOT IN ({marks(states)}) LIMIT 1",
        (submission_id, *states),
    )
    return not rows


def withdraw_send_out(
    import_id: int, account: str, send_out: SendOut, now: int, *, keep: bool
) -> Verb[bool]:
    """Undoes :func:`commit_send_out`, whose answer was lost; with ``keep`` it stays as it is.
    Whether the send-out is accepted."""
    # Waits for a transaction that may still commit.
    rows = yield Statement(
        "UPDATE import_file SET touched_at = ? WHERE id = ? RETURNING committed", (now, import_id)
    )
    committed = bool(rows and rows[0][0])
    if keep or not committed:
        return committed
    id = (send_out.submission_id,)
    yield Statement("UPDATE import_file SET committed = 0 WHERE id = ?", (import_id,))
    yield Statement("DELETE FROM submission WHERE id = ?", id)
    yield Statement("DELETE FROM send_out WHERE submission_id = ?", id)
    yield Statement("DELETE FROM alias WHERE message_id = ?", id)
    yield from uncount(account, send_out.recipients, send_out.at)
    return False


def staged_phones(import_id: int, limit: int, after: int = 0) -> Verb[list[StagedPhone]]:
    """The next recipients of a send-out without stored messages, after a line. The line saves the
    database from walking over deleted rows."""
    rows = yield Statement(
        "SELECT line, fields FROM import_line WHERE import_id = ? AND line > ? "
        "ORDER BY line LIMIT ?",
        (import_id, after, limit),
    )
    return [read_staged_phone(int(line), fields) for line, fields in rows]


def read_staged_phone(line: int, fields: str) -> StagedPhone:
    """A recipient from its stored fields."""
    one = StagedPhone(line, *json.loads(fields))
    return one._replace(own=OwnText(*one.own)) if one.own else one


def send_outs_under_way(account: str) -> Verb[list[Message]]:
    """What the messages of accepted send-outs have in common, of those whose messages are not all
    stored yet. An empty ``account`` means all accounts."""
    rows = yield Statement(
        "SELECT head FROM import_file WHERE kind = ? AND committed = 1 AND (account = ? OR ? = '')",
        (SEND_OUT, account, account),
    )
    return [to_message(json.loads(head)["message"]) for [head] in rows]


def touch_import(import_id: int, now: int) -> Verb[None]:
    """Marks the file as being processed."""
    yield Statement("UPDATE import_file SET touched_at = ? WHERE id = ?", (now, import_id))


def finish_import(import_id: int) -> Verb[None]:
    """Deletes a file whose lines are all processed."""
    yield Statement("DELETE FROM import_file WHERE id = ?", (import_id,))


def list_send_outs(account: str, *, limit: int = 1000) -> Verb[list[SendOut]]:
    """Send-outs of an account, the newest first."""
    rows = yield Statement(
        f"SELECT {_SEND_OUT} FROM send_out WHERE account = ? ORDER BY submission_id DESC LIMIT ?",  # noqa: S608
        (account, limit),
    )
    return [SendOut(*row) for row in rows]


def find_send_out(account: str, id: int) -> Verb[SendOut]:
    """The newest send-out of an account with this id, its client's or the bridge's. Raises
    Failure(NOT_FOUND)."""
    rows = yield Statement(
        f"SELECT {_SEND_OUT} FROM send_out WHERE account = ? "  # noqa: S608
        "AND (submission_id = ? OR reference = ?) ORDER BY submission_id DESC LIMIT 1",
        (account, id, str(id)),
    )
    if not rows:
        raise Failure(Reason.NOT_FOUND)
    return SendOut(*rows[0])


def forget_send_out(account: str, submission_id: int) -> Verb[None]:
    """Deletes a send-out from the list; its messages stay."""
    yield Statement(
        "DELETE FROM send_out WHERE account = ? AND submission_id = ?", (account, submission_id)
    )


def merge_step(
    file: ImportFile, limit: int, now: int, after: int = -1
) -> Verb[tuple[Imported, int] | None]:
    """Imports the next lines of a committed file after the line ``after``; returns the result and
    the last line. If there are none, deletes the file and returns None."""
    rows = yield Statement(
        "SELECT line, fields FROM import_line WHERE import_id = ? AND line > ? "
        "ORDER BY line LIMIT ?",
        (file.id, after, limit),
    )
    if not rows:
        if file.kind == BLACK_LIST:
            # A version without a change makes every node read the whole list again.
            yield from next_version(file.account, BLACK_LIST)
        yield Statement("DELETE FROM import_file WHERE id = ?", (file.id,))
        return None
    read = [(int(line), json.loads(fields)) for line, fields in rows]
    if file.kind == CONTACTS:
        entries = [_entry(line, fields) for line, fields in read]
        done = yield from import_contacts(file.account, entries, dry_run=False)
    elif file.kind == GROUPS:
        groups = [Group(line, *fields) for line, fields in read]
        done = yield from import_groups(file.account, groups, dry_run=False)
    elif file.kind == TEMPLATES:
        templates = [Template(line, *fields) for line, fields in read]
        done = yield from import_templates(file.account, templates, dry_run=False)
    else:
        numbers = [
            BlackListEntry(line, phone, Blocks(blocks), comment)
            for line, (phone, blocks, comment) in read
        ]
        done = yield from import_black_list(file.account, numbers, dry_run=False)
    last = read[-1][0]
    yield Statement(
        "DELETE FROM import_line WHERE import_id = ? AND line > ? AND line <= ?",
        (file.id, after, last),
    )
    yield Statement("UPDATE import_file SET touched_at = ? WHERE id = ?", (now, file.id))
    return done, last


def _entry(line: int, fields: list[list[object]]) -> Entry:
    contact, groups = fields
    values = [tuple(value) if isinstance(value, list) else value for value in contact]
    return Entry(line, Contact._make(values), tuple(str(name) for name in groups))


def discard_step(import_id: int, limit: int) -> Verb[bool]:
    """Deletes lines of a file that was not committed; False if none are left."""
    rows = yield Statement(
        "SELECT line FROM import_line WHERE import_id = ? ORDER BY line LIMIT ?", (import_id, limit)
    )
    if rows:
        yield Statement(
            "DELETE FROM import_line WHERE import_id = ? AND line <= ?", (import_id, rows[-1][0])
        )
        return True
    yield Statement("DELETE FROM import_file WHERE id = ?", (import_id,))
    return False


def abandoned_imports(kinds: Sequence[str], before: int, now: int) -> Verb[list[ImportFile]]:
    """Files of these kinds that no process has marked since ``before`` (Unix time); the caller
    takes them over."""
    rows = yield Statement(
        f"UPDATE import_file SET touched_at = ? WHERE touched_at < ? AND kind IN ({marks(kinds)}) "  # noqa: S608
        "RETURNING id, account, kind, head, committed",
        (now, before, *kinds),
    )
    return [
        ImportFile(int(id), account, kind, head, bool(committed))
        for id, account, kind, head, committed in sorted(map(tuple, rows))
    ]
