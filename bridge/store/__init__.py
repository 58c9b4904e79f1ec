"""What must survive: the interface that every engine offers, and the words it speaks in.

An engine makes durable what it is told before it answers; what the messages mean, and when one is
due, is for the relay's layer to decide. The contract tests in ``tests/store`` run on each engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence, Set
from enum import Enum
from typing import NamedTuple, Protocol

from bridge.model.message import Message, State, Stored
from bridge.model.notice import Incoming, Notice, Owed, Told, UnjoinedPart


class StoreError(Exception):
    """The store could not do what it was asked; nothing of it was done."""


class StoreFull(StoreError):  # noqa: N818 - says what is the matter
    """There is no room for more on the disk, or it cannot be written to."""


class StoreInUse(StoreError):  # noqa: N818
    """Another daemon has the store open."""


class SchemaTooNew(StoreError):  # noqa: N818
    """A later version of the program has written the store."""


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

    While ``until`` (Unix time) lies ahead, another message with the same ``key`` is not stored.
    """

    key: bytes
    message_id: int
    until: int


class Acceptance(NamedTuple):
    """The messages of one submission, to be stored together or not at all.

    ``claimed`` says that this node's dispatcher keeps them in memory and will send them; the
    others belong to whichever node asks for them (:meth:`Store.waiting`). ``aliases`` are further
    ids that lead to a message. ``parts`` names the group of parts that the message was joined
    from, the one that has the first of the aliases; it counts as finished from then on.
    ``notices`` are about these messages, and owed for those that are stored.
    """

    messages: tuple[Message, ...]
    fingerprints: tuple[Fingerprint, ...] = ()
    claimed: bool = True
    aliases: tuple[Alias, ...] = ()
    parts: PartGroup | None = None
    notices: tuple[Notice, ...] = ()


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


class Answered(NamedTuple):
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


class Store(Protocol):
    """The verbs of an engine.

    Those that return a future are on the path of a message: the engine gathers what is asked
    while an earlier group is being written, and writes it as one. A future is resolved when
    everything it stands for is durable, in the order in which the verbs were called.
    """

    #: Called in the loop when other nodes made something available, or are gone: it is time to look
    #: into :meth:`interrupted`, :meth:`holds` and :meth:`lanes`.
    on_work: Callable[[], None] | None
    #: Called in the loop with the queues in which notices were put, ``None`` where only other nodes
    #: know in which.
    on_owed: Callable[[Set[str] | None], None] | None
    #: Called in the loop when other nodes took over from this one, which must stop: every verb
    #: fails from then on.
    on_lost: Callable[[], None] | None

    async def open(self) -> None:
        """Opens the store and brings its schema up to date.

        Raises :class:`StoreInUse`, :class:`SchemaTooNew` or :class:`StoreError`.
        """

    async def open_reading(self) -> None:
        """Opens it beside a daemon that has it open, to read alone; nothing can be written.

        Raises :class:`StoreError`, also for a store that a daemon has still to bring up to date.
        """

    async def close(self) -> None:
        """Writes what was asked for and closes."""

    @property
    def node(self) -> int:
        """This daemon's node number, for its ids."""

    @property
    def last_id(self) -> int:
        """The greatest id that the store held when it was opened."""

    @property
    def last_short_id(self) -> int:
        """The greatest alias below 2**32 that the store held when it was opened."""

    def accept(self, acceptance: Acceptance) -> asyncio.Future[Repeats]:
        """Stores the messages, but for those whose fingerprint is known; tells which these are.

        Raises :class:`StoreFull` or :class:`StoreError`; then none of them is stored.
        """

    def begin(self, attempt_id: int, messages: Sequence[Message]) -> asyncio.Future[Set[int]]:
        """Notes that these messages are about to be posted, so that a crash is not forgotten.

        Tells the ids of those that are this node's to send no longer (another node cancelled,
        held or replaced them meanwhile); they are not part of the attempt.
        """

    def finish(self, attempt_id: int, changes: Sequence[Change]) -> asyncio.Future[None]:
        """Ends an attempt with what became of its messages (the others wait as before).

        Never refused for want of room: it is tried again until it succeeds or the store closes.
        """

    async def interrupted(self) -> dict[int, list[Message]]:
        """The attempts that were begun and never finished by a daemon that is gone.

        Each with its messages; their outcome is unknown, and :meth:`finish` ends the attempt with
        what is decided. On one machine they are found at the start; where several nodes share a
        store, this takes over what belongs to nodes whose lease ran out, whenever it is called.
        """

    async def lanes(self) -> list[Lane]:
        """The lanes in which messages wait, due or not."""

    async def waiting(
        self, lane: Lane, now: int, limit: int, after: tuple[int, int] = (0, 0)
    ) -> list[Message]:
        """The ``limit`` messages of a lane that are due first, of those due at ``now``.

        ``after`` is the ``due_at`` and id behind which to look.

        Where several nodes share a store they are claimed for this node, and only those come that
        no other living node has claimed; what this node has claimed before comes again.
        """

    async def next_due(self, now: int) -> int | None:
        """When the next message after ``now`` will be due; ``None`` if none waits for a time."""

    async def waiting_for(self, account: str, phone: str) -> list[Stored]:
        """What waits or is held of an account for one phone."""

    async def overdue(self, now: int, limit: int) -> list[Stored]:
        """Messages that wait or are held though their validity has ended."""

    async def backlog(self) -> int:
        """How many messages wait to be sent."""

    async def sent_since(self, account: str, unix_time: int) -> int:
        """How many messages of an account were accepted since then."""

    async def message(self, message_id: int) -> Stored | None:
        """One message by its id or by an alias of it."""

    async def submission(self, submission_id: int) -> list[Stored]:
        """The messages of a submission, in the order of their ids."""

    async def move(self, message_ids: Sequence[int], to: State) -> list[int]:
        """Cancels, holds or releases messages that wait or are held; tells which it could.

        A message in an attempt is not touched, nor one whose state does not lead to ``to``
        (:data:`bridge.model.message.TRANSITIONS`). Race-free against every node's :meth:`begin`.
        The notices that the messages ask for are stored with a final state.
        """

    async def replace(self, message: Message) -> bool:
        """Puts ``message`` in the place of the one with its id, if :meth:`move` could cancel that.

        From then on it is claimed by this node.
        """

    def add_part(self, part: Part, since: int) -> asyncio.Future[Gathered]:
        """Stores a part of a concatenated message and tells what there is of its group now.

        Parts and finished groups from before ``since`` (Unix time) do not count. The same number
        with other content, or with a finished group, begins a new group.
        """

    async def expired_parts(self, before: int, limit: int) -> list[Part]:
        """Takes the parts of unfinished groups whose first part came before then, and forgets
        finished groups of that age. What remains of each part is a notice, stored with it: owed to
        those that asked."""

    async def unjoined(self, part_id: int) -> UnjoinedPart | None:
        """A part that waits for the others of its message, or that never came into one. To be asked
        where no message is known by this id (:meth:`message`)."""

    async def holds(self) -> set[tuple[str, str]]:
        """What is held as a whole: ("account", name) and ("upstream", name)."""

    async def set_hold(self, scope: str, name: str, held: bool) -> None:
        """Holds or releases an account or an upstream as a whole, over restarts and nodes."""

    async def sweep(self, before: int, text_before: int, limit: int) -> int:
        """Deletes final messages whose last change lies before ``before``, and blanks the texts of
        those before ``text_before`` (Unix times), at most ``limit`` of each; tells how many it
        looked at or touched. With few of them it has come to the end for now."""

    async def nodes(self) -> int:
        """How many nodes share the store now, this one included."""

    async def forget_fingerprints(self, now: int) -> None:
        """Drops those whose time has passed, a few at a time."""

    # --- what comes back ---------------------------------------------------------------------

    def note_statuses(self, statuses: Sequence[Status]) -> asyncio.Future[Sequence[Noted]]:
        """Keeps what the API said of messages, with the notices that follow; tells of each, in
        order, what it was. Only messages in the state ``sent`` change. Of those that ended long
        ago, at another node or before the store was opened nothing is known at first
        (:attr:`Noted.EARLY`)."""

    async def match_early(self, now: int, before: int) -> int:
        """Notes the statuses that came before the message had its upstream id, where it has one
        now, and those of messages that were not known to have ended; forgets those that came before
        ``before`` and tells how many. To be called often, at every node."""

    async def to_poll(self, now: int, limit: int) -> list[Stored]:
        """Messages whose ``poll_at`` has come, those first whose sender waits for a notice.

        Their next turn is set: after as long as it is since they were sent, at most ten minutes.
        """

    def take_incoming(
        self, incoming: Sequence[tuple[Incoming, Sequence[str]]]
    ) -> asyncio.Future[Sequence[bool]]:
        """Stores messages from phones, each with a notice in these queues; tells of each whether it
        was new."""

    # --- what is owed ------------------------------------------------------------------------

    def owe(self, notices: Sequence[Notice]) -> asyncio.Future[None]:
        """Stores notices that follow from nothing that the store knows."""

    def claim_notices(self, queue: str, now: int, limit: int) -> asyncio.Future[Sequence[Owed]]:
        """The notices of a queue that are due first; they are this node's until it says
        (:meth:`told`) what became of them, or is gone.

        None comes while an earlier one of the same ``about`` and ``known_as`` has not ended, but
        for a delay, which may never come.
        What came in at another node is left to that for a second.
        """

    def told(self, told: Sequence[Told]) -> asyncio.Future[None]:
        """Keeps what became of claimed notices. Never refused for want of room."""

    async def expire_notices(self, before: int, limit: int) -> int:
        """Ends the notices of what happened before then and nobody took; tells how many."""

    async def note_receivers(self, account: str, bound: bool) -> None:
        """Keeps, for the trace, whether receivers of the account are bound to this node now."""

    # --- the story of a message --------------------------------------------------------------

    async def story(self, message_id: int) -> Story | None:
        """All that is known of one message, by its id or an alias of it."""

    async def find(self, text: str, limit: int, since: int = 0) -> list[Stored]:
        """The latest messages with this phone (E.164), client's reference or upstream id, the
        newest first, of those accepted since then (Unix time). Looks through all of these: an index
        would cost every message more than a rare question is worth."""

    async def receivers(self, account: str) -> list[Receivers]:
        """Where receivers of the account are bound, or were."""

    async def from_phones(self, text: str, limit: int, since: int = 0) -> list[Answered]:
        """The latest messages from phones with this id, number (E.164) or ``uid``, the newest
        first, of those taken since then (Unix time)."""
