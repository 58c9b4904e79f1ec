"""The arguments and results of the store's verbs. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from bridge.model.message import Message, MessageType, Receipts, State, Stored
from bridge.model.notice import Incoming, Notice


class Lane(NamedTuple):
    """One queue of waiting messages: of one account, one level, one route.

    The dispatcher takes turns between lanes; within a lane the message that is due first goes
    first.
    """

    account: str
    level: int
    route: str


class Alias(NamedTuple):
    """Another id of a message, for instance of a part, with the receipts requested for it.

    ``message_id`` is the submission's if that has several messages.
    """

    id: int
    message_id: int
    receipts: int = 0


class PartGroup(NamedTuple):
    """The common key of the parts of one concatenated message (SMPP 3.4 §5.3.2.22 ff.)."""

    account: str
    source: str
    destination: str
    reference: int
    total: int


class Part(NamedTuple):
    """One part of a concatenated message, as it was received.

    ``number`` counts from 1. ``content`` is for the listener, to join the parts; a repeated part
    has the same content. ``at`` is a Unix time in seconds.
    """

    id: int
    group: PartGroup
    number: int
    content: bytes
    receipts: int
    at: int


class Gathered(NamedTuple):
    """The state of a group of parts after one was added.

    ``id`` is the id of the part; a repeated part has the id of the first. ``parts`` are all parts
    in the order of their numbers if the group is complete, else empty. ``message_id`` is the
    message that the group was joined to already, else 0.
    """

    id: int
    parts: tuple[Part, ...] = ()
    message_id: int = 0


class Fingerprint(NamedTuple):
    """The key by which a repeated message is recognised.

    Until ``until`` (Unix time) no other message with the same ``key`` is stored, except one that
    comes ``instead_of`` the message with the key, because that one will not arrive.
    """

    key: bytes
    message_id: int
    until: int
    instead_of: int = 0


class StagedLines(NamedTuple):
    """The lines of a staged file behind one, up to and including another."""

    import_id: int
    after: int
    last: int


class Superseded(NamedTuple):
    """A waiting message, and the accepted message that replaces it."""

    id: int
    by: int


class SeenWaiting(NamedTuple):
    """The messages that waited when the caller looked for those to be replaced. ``message_type``:
    only messages of this type are replaced; None: of any."""

    ids: frozenset[int]
    message_type: MessageType | None


class Acceptance(NamedTuple):
    """The messages of one submission, to be stored together or not at all.

    ``claimed``: this node's dispatcher keeps them in memory and will send them; other messages go
    to the node that claims them (:meth:`Store.waiting`). ``aliases`` are further ids of a message.
    ``parts`` is the group of parts that the message was joined from, the one with the first alias;
    it counts as finished from then on. ``notices`` are owed for those of the messages that are
    stored. ``staged`` are the staged lines that the messages were made from
    (:mod:`bridge.store.directory.staging`): they are deleted in the same transaction, and the
    submission is in the store already. ``superseded`` are cancelled in it, as by :meth:`Store.move`
    with ``unposted``, if the message that replaces them is stored. ``daily_limit`` is the most that
    the account may have accepted in a day, 0 for any number; only with a limit are messages counted
    (:mod:`bridge.store.daily_count`). ``attempt``, if not 0, is begun in the transaction, as by
    :meth:`Store.begin`, if its one message is stored; several acceptances may share it. With
    ``seen`` nothing is stored if more messages wait to the phones, from the senders, than the
    caller has seen.
    """

    messages: tuple[Message, ...]
    fingerprints: tuple[Fingerprint, ...] = ()
    claimed: bool = True
    aliases: tuple[Alias, ...] = ()
    parts: PartGroup | None = None
    notices: tuple[Notice, ...] = ()
    staged: StagedLines | None = None
    superseded: tuple[Superseded, ...] = ()
    daily_limit: int = 0
    attempt: int = 0
    seen: SeenWaiting | None = None


class Replacement(NamedTuple):
    """A new text for a waiting message, with its receipts and times.

    ``None`` keeps the message's value. With ``due_at`` it waits in the bridge until then. The state
    of the queue, for instance its attempts, is not replaced.
    """

    message_id: int
    text: str
    fallback: str
    parts: int
    receipts: Receipts
    expires_at: int | None = None
    due_at: int | None = None


class Change(NamedTuple):
    """A change of an accepted message: its new state and the fields that belong to it.

    ``due_at`` is for the state ``accepted`` (retry later), ``poll_at`` for ``sent``: when the API
    is asked for the status. ``failure`` is the name of the reason and ``cause`` the API's text, for
    the trace. ``notify``: the requested notices are stored with the change, except the one for the
    id ``heard``, whose client gets the change as its answer.
    """

    message_id: int
    state: State
    upstream_id: str = ""
    due_at: int = 0
    attempts: int = 0
    unknown: int = 0
    failure: str = ""
    cause: str = ""
    poll_at: int = 0
    notify: bool = False
    heard: int = 0


class Status(NamedTuple):
    """One status of a message from the API, by webhook or by polling.

    ``state`` is the meaning of the word, ``None`` if it is not final. ``at`` is when it came (Unix
    time); ``cost``, ``counted_parts`` and ``err`` as in :class:`bridge.model.message.Stored`.
    """

    upstream_id: str
    word: str
    state: State | None
    at: int
    cost: str = ""
    counted_parts: int = 0
    err: int = 0


class Noted(Enum):
    """The effect of a status."""

    CHANGED = "the message reached a final state"
    KEPT = "the message does not change; the status is kept"
    REPEATED = "said before"
    LATE = "the message had already ended in another state"
    EARLY = "no message is known by this upstream id yet; kept for a while"


class Event(NamedTuple):
    """One line of a message's story that is not in its own row.

    ``what`` is the new state, ``status`` for a late status of the API, or ``deleted`` if the client
    deleted the message from its answers; ``detail`` is the text that came with it. ``at`` is a Unix
    time.
    """

    at: int
    what: str
    detail: str


class Story(NamedTuple):
    """Everything stored about a message. ``attempt_at``: since when it is being posted, 0 if it is
    not; ``poll_at``: when the API is asked for its status next, or it ends without one."""

    stored: Stored
    aliases: tuple[Alias, ...]
    events: tuple[Event, ...]
    notices: tuple[Notice, ...]
    attempt_at: int = 0
    poll_at: int = 0


class AnsweredIncoming(NamedTuple):
    """A message from a phone, with its notices."""

    incoming: Incoming
    notices: tuple[Notice, ...]


class Receivers(NamedTuple):
    """Whether receivers of an account are bound to a node, and since when (Unix time)."""

    node: int
    bound: bool
    since: int


#: Fingerprints that were known already, with the id of the first message that had them.
Repeats = Mapping[bytes, int]
