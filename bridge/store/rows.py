"""Messages as rows: the columns of the table ``message``, in one order for both directions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import orjson

from bridge.model.message import Message, MessageType, Protocol, Receipts, Route, State, Stored
from bridge.model.notice import Incoming, Kind, Notice, Owed

#: A row of a result; the statement decides the types of its columns.
Row = Sequence[Any]

#: The columns that :func:`to_row` fills and :func:`to_message` reads, in this order.
MESSAGE_COLUMNS = (
    "id",
    "submission_id",
    "account",
    "protocol",
    "peer",
    "phone",
    "sender",
    "message_type",
    "text",
    "options",
    "fallback",
    "route",
    "level",
    "parts",
    "accepted_at",
    "due_at",
    "scheduled_at",
    "expires_at",
    "receipts",
    "reference",
    "attempts",
    "unknown",
    "envelope",
)
#: The further columns of a stored message.
STATE_COLUMNS = (
    "state",
    "upstream_id",
    "changed_at",
    "failure",
    "cause",
    "sent_at",
    "status",
    "status_at",
    "cost",
    "counted_parts",
    "err",
)
STORED = (*MESSAGE_COLUMNS, *STATE_COLUMNS)
#: The columns of the tables ``notice`` and ``incoming``, as they are read.
NOTICE = (
    "queue",
    "account",
    "kind",
    "about",
    "known_as",
    "at",
    "due_at",
    "state",
    "content",
    "id",
    "tries",
    "ended_at",
    "outcome",
)
#: The columns of a new notice.
NEW_NOTICE = (*NOTICE[:8], "ended_at", "outcome", "content")
INCOMING = ("id", "uid", "account", "phone", '"to"', "text", "at", "received_at")

# Looking a member up by its value is several times slower than a dictionary.
_PROTOCOLS = {member.value: member for member in Protocol}
_TYPES = {member.value: member for member in MessageType}
_ROUTES = {member.value: member for member in Route}
_STATES = {member.value: member for member in State}
_KINDS = {member.value: member for member in Kind}


def to_row(message: Message) -> tuple[object, ...]:
    m = message
    return (
        m.id,
        m.submission_id,
        m.account,
        m.protocol._value_,
        m.peer,
        m.phone,
        m.sender,
        m.message_type._value_,
        m.text,
        orjson.dumps(m.options).decode() if m.options else "",
        m.fallback,
        m.route._value_,
        m.level,
        m.parts,
        m.accepted_at,
        m.due_at,
        m.scheduled_at,
        m.expires_at,
        int(m.receipts),
        m.reference,
        m.attempts,
        m.unknown,
        m.envelope,
    )


def to_message(row: Row) -> Message:
    """A message from the first columns of a row."""
    (id, submission_id, account, protocol, peer, phone, sender, message_type, text) = row[:9]
    (options, fallback, route, level, parts, accepted_at, due_at, scheduled_at) = row[9:17]
    (expires_at, receipts, reference, attempts, unknown, envelope) = row[17:23]
    return Message(
        id,
        submission_id,
        account,
        _PROTOCOLS[protocol],
        peer,
        phone,
        sender,
        _TYPES[message_type],
        text,
        tuple(orjson.loads(options)) if options else (),
        fallback,
        _ROUTES[route],
        level,
        parts,
        accepted_at,
        due_at,
        scheduled_at,
        expires_at,
        Receipts(receipts),
        reference,
        attempts,
        unknown,
        envelope,
    )


def to_stored(row: Row) -> Stored:
    """A message with its state from a whole row."""
    state, *rest = row[23:34]
    return Stored(to_message(row), _STATES[state], *rest)


def from_notice(notice: Notice) -> tuple[Any, ...]:
    """The columns :data:`NEW_NOTICE` of a new notice. ``content`` is the last of them."""
    n = notice
    state = "" if n.state is None else n.state._value_
    return (
        n.queue,
        n.account,
        n.kind._value_,
        n.about,
        n.known_as,
        n.at,
        n.due_at,
        state,
        n.ended_at,
        n.outcome,
        n.content,
    )


def to_notice(row: Row) -> Notice:
    """A notice from the columns :data:`NOTICE`."""
    queue, account, kind, about, known_as, at, due_at, state, *rest = row
    told = _STATES[state] if state else None
    return Notice(queue, account, _KINDS[kind], about, known_as, at, due_at, told, *rest)


def to_owed(row: Row) -> Owed:
    """A notice with its subject, from the columns of :data:`NOTICE`, :data:`INCOMING` and
    :data:`STORED` (NULL where there is none)."""
    notice = to_notice(row[:13])
    about_incoming = notice.kind is Kind.INCOMING
    incoming = Incoming(*row[13:21]) if about_incoming and row[13] is not None else None
    stored = None if about_incoming or row[21] is None else to_stored(row[21:])
    return Owed(notice, stored, incoming)
