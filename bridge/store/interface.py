"""The verbs that every engine offers. The contract tests in ``tests/store`` run on each engine.

An engine makes durable what it is told before it answers. What a message means, and when one is
due, is decided by its callers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from bridge.model.message import Message, State, Stored
from bridge.model.notice import Incoming, Notice, Owed, Told, UnjoinedPart
from bridge.store.directory.verb import Verb
from bridge.store.types import (
    Acceptance,
    Alias,
    AnsweredIncoming,
    Change,
    Gathered,
    Lane,
    Noted,
    Part,
    Receivers,
    Repeats,
    Replacement,
    Status,
    Story,
)

T = TypeVar("T")
P = ParamSpec("P")


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
    #: Called in the loop with messages that were accepted here and that another node has sent, or
    #: brought to another end.
    on_settled: Callable[[Sequence[int]], None] | None
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

    async def backup(self, to: Path) -> None:
        """Writes a consistent, verified copy of the store to a new file, while others write too.

        Raises :class:`StoreError`, also where the engine has a better tool for it.
        """

    @property
    def node(self) -> int:
        """This daemon's node number, for its ids."""

    def time(self) -> float:
        """Unix time by the clock that all nodes share: messages are due, and expire, by this."""

    def may_tell(self) -> bool:
        """Whether the notices that this node has claimed are its own for certain. They may be
        others' where it was stopped or cut off for longer than its lease."""

    @property
    def last_id(self) -> int:
        """The greatest id that the store held when it was opened."""

    @property
    def last_short_id(self) -> int:
        """The id below 2**32 that this node gave last, as of when the store was opened."""

    def accept(self, acceptance: Acceptance) -> asyncio.Future[Repeats]:
        """Stores the messages, but for those whose fingerprint is known; tells which these are.

        Raises :class:`StoreFull` or :class:`StoreError`; then none of them is stored.
        """

    def also_known_as(self, aliases: Sequence[Alias]) -> asyncio.Future[None]:
        """Stores further ids of messages that are stored already.

        With a wish for receipts such an id has those of the states to come, and of the end where
        the message has come to it.
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

        ``after`` is the ``due_at`` and id behind which to look. What is in an attempt does not
        come: its outcome is decided first.

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

    async def messages(self, message_ids: Sequence[int]) -> list[Stored]:
        """Those that there are of these messages, in the order of their ids."""

    async def submission(self, submission_id: int) -> list[Stored]:
        """The messages of a submission, in the order of their ids."""

    async def move(
        self, message_ids: Sequence[int], to: State, *, unposted: bool = False
    ) -> list[int]:
        """Cancels, holds, releases or expires messages that wait or are held; tells which it could.

        A message in an attempt is not touched, nor one whose state does not lead to ``to``
        (:data:`bridge.model.message.TRANSITIONS`), nor one that is to expire before its validity
        ends. With ``unposted`` those stay besides that an attempt of unknown outcome may have
        delivered. Race-free against every node's :meth:`begin`. The notices that the messages ask
        for are stored with a final state.
        """

    async def replace(self, replacement: Replacement) -> bool:
        """Replaces the text of a message that :meth:`move` could cancel with ``unposted``.

        Where it waits it is claimed by this node from then on.
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
        """Deletes what came to its end before ``before``, and blanks the texts of what did before
        ``text_before`` (Unix times): final messages, and messages from phones that were taken,
        unless a notice of them is still owed. Looks at ``limit`` of each at most and tells how many
        that were. With few of them it has come to the end for now."""

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

    async def expire_notices(self, mails_before: int, before: int, limit: int) -> int:
        """Ends the notices of what happened before then and nobody took; tells how many. Those
        that go out as mails have a time of their own."""

    async def note_receivers(self, account: str, bound: bool) -> None:
        """Keeps, for the trace, whether receivers of the account are bound to this node now."""

    # --- the directory -----------------------------------------------------------------------

    async def look_up(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a verb of :mod:`bridge.store.directory` that changes nothing."""

    async def change(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a verb of :mod:`bridge.store.directory` as one transaction.

        Raises the :class:`bridge.model.failure.Failure` that it raises; then it changed nothing.
        """

    # --- the story of a message --------------------------------------------------------------

    async def story(self, message_id: int) -> Story | None:
        """All that is known of one message, by its id or an alias of it."""

    async def find(self, text: str, limit: int, since: int = 0) -> list[Stored]:
        """The latest messages with this phone (E.164), client's reference or upstream id, the
        newest first, of those accepted since then (Unix time). Looks through all of these: an index
        would cost every message more than a rare question is worth."""

    async def receivers(self, account: str) -> list[Receivers]:
        """Where receivers of the account are bound, or were."""

    async def from_phones(self, text: str, limit: int, since: int = 0) -> list[AnsweredIncoming]:
        """The latest messages from phones with this id, number (E.164) or ``uid``, the newest
        first, of those taken since then (Unix time)."""
