"""The words of the store's interface: what goes into its verbs and what comes out. Plain data."""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from typing import NamedTuple

from bridge.model.message import Message, Receipts, State, Stored
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
    """Another id of a message, of a part for instance, with its own wish for receipts."""

    id: int
    message_id: int
    receipts: int = 0


class PartGroup(NamedTuple):
    """What the parts of one concatenated message have in common (SMPP 3.4 §5.3.2.22 ff.)."""

    account: str
    source: str
    destination: str
    reference: int
    total: int


class Part(NamedTuple):
    """One part of a concatenated message, as it was received.

    ``number`` counts from 1. ``content`` is whatever the listener needs to join the parts; the
    same part has the same content. ``at`` is a Unix time in seconds.
    """

    id: int
    group: PartGroup
    number: int
    content: bytes
    receipts: int
    at: int


class Gathered(NamedTuple):
    """What the store has of a group of parts after one was added.

    ``id`` is the id of the part: an earlier one's, where the same part came again. ``parts`` are
    all of the group in the order of their numbers where it is complete, else empty. ``message_id``
    is the message that the group was joined to already, else 0.
    """

    id: int
    parts: tuple[Part, ...] = ()
    message_id: int = 0


class Fingerprint(NamedTuple):
    """What marks a message as one that may come again.

    While ``until`` (Unix time) lies ahead, another message with the same ``key`` is not stored, but
    for one that comes ``instead_of`` the message that has the key: that one will not arrive.
    """

    key: bytes
    message_id: int
    until: int
    instead_of: int = 0


class StagedLines(NamedTuple):
    """The lines of a staged file up to and including one."""

    import_id: int
    last_line: int


class Superseded(NamedTuple):
    """A message that waits, and the one of an acceptance that takes its place."""

    id: int
    by: int


class Acceptance(NamedTuple):
    """The messages of one submission, to be stored together or not at all.

    ``claimed`` says that this node's dispatcher keeps them in memory and will send them; the
    others belong to whichever node asks for them (:meth:`Store.waiting`). ``aliases`` are further
    ids that lead to a message. ``parts`` names the group of parts that the message was joined
    from, the one that has the first of the aliases; it counts as finished from then on.
    ``notices`` are about these messages, and owed for those that are stored. ``staged`` names the
    staged lines that the messages were made from (:mod:`bridge.store.directory.staging`): they are
    forgotten with it, and the submission is known already. ``superseded`` are cancelled with it, as
    :meth:`Store.move` with ``unposted`` would, where the message that takes their place is stored.
    """

    messages: tuple[Message, ...]
    fingerprints: tuple[Fingerprint, ...] = ()
    claimed: bool = True
    aliases: tuple[Alias, ...] = ()
    parts: PartGroup | None = None
    notices: tuple[Notice, ...] = ()
    staged: StagedLines | None = None
    superseded: tuple[Superseded, ...] = ()


class Replacement(NamedTuple):
    """What takes the place of a waiting message's text, and of the wishes that came with it.

    ``None`` keeps what the message has. With ``due_at`` it waits here until then. What the queue
    knows of the message, its attempts for instance, is nobody's to replace.
    """

    message_id: int
    text: str
    fallback: str
    parts: int
    receipts: Receipts
    expires_at: int | None = None
    due_at: int | None = None


class Change(NamedTuple):
    """What became of a message that was accepted: its new state and what belongs to it.

    ``due_at`` counts for the state ``accepted`` (again, later), ``poll_at`` for ``sent``: when the
    API is to be asked for its status. ``failure`` is the reason's name and ``cause`` the API's own
    words, for the trace. ``notify`` says that nobody hears of it otherwise: the notices that the
    message asks for are stored with it, but for that of the id ``heard``.
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
    """One word of the API on the way of a message, by a webhook or because it was asked.

    ``state`` is what the word means, ``None`` where it ends nothing. ``at`` is when it came (Unix
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
    """What a status was to the store."""

    CHANGED = "the message came to a final state"
    KEPT = "the message stays as it is; the word is kept"
    REPEATED = "said before"
    LATE = "the message had come to another end before"
    EARLY = "no message is known by this upstream id yet; kept for a while"


class Event(NamedTuple):
    """One line of a message's story that its own row does not tell.

    ``what`` is the state that it led to, or ``status`` for a late word of the API; ``detail`` are
    the words that came with it. ``at`` is a Unix time.
    """

    at: int
    what: str
    detail: str


class Story(NamedTuple):
    """All that is known of a message. ``attempt_at`` is since when it is being posted, 0 if not;
    ``poll_at`` is when the API is asked for its status next, or it ends without one."""

    stored: Stored
    aliases: tuple[Alias, ...]
    events: tuple[Event, ...]
    notices: tuple[Notice, ...]
    attempt_at: int = 0
    poll_at: int = 0


class AnsweredIncoming(NamedTuple):
    """A message from a phone, and the notices of it."""

    incoming: Incoming
    notices: tuple[Notice, ...]


class Receivers(NamedTuple):
    """Whether receivers of an account are bound to a node, and since when (Unix time)."""

    node: int
    bound: bool
    since: int


#: Fingerprints that were known already, with the id of the message that had them first.
Repeats = Mapping[bytes, int]
