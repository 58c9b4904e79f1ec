"""The verbs that every engine offers. The contract tests in ``tests/store`` run on each engine.

An engine answers a write only after it is durable. The callers decide what a message means and when
it is due.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence, Set
from pathlib import Path
from typing import ParamSpec, Protocol, TypeVar

from bridge.model.message import Message, State, Stored
from bridge.model.notice import Incoming, Notice, Owed, Told, UnjoinedPart
from bridge.store.directory.verb import Verb
from bridge.store.signals import StoreSignals
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

    Verbs that return a future are on the path of a message: the engine gathers requests while an
    earlier group is being written, and writes them in one transaction. A future is resolved when
    its request is durable, in the order of the calls.
    """

    #: Signals to other parts; see :mod:`bridge.store.signals`.
    signals: StoreSignals

    #: How many rows one step of long work writes (:mod:`bridge.store.small_steps`).
    step_rows: int

    async def open(self) -> None:
        """Opens the store and brings its schema up to date.

        Raises :class:`StoreInUse`, :class:`SchemaTooNew` or :class:`StoreError`.
        """

    async def open_reading(self) -> None:
        """Opens the store read-only; a daemon may have it open at the same time.

        Raises :class:`StoreError`, also for a store whose schema is not up to date.
        """

    async def close(self) -> None:
        """Writes all requests and closes."""

    async def backup(self, to: Path) -> None:
        """Writes a consistent, verified copy of the store to a new file, while others write too.

        Raises :class:`StoreError`, also if the database has a better tool for backups.
        """

    @property
    def node(self) -> int:
        """This daemon's node number, for its ids."""

    def time(self) -> float:
        """Unix time by the clock that all nodes share, for due and expiry times of messages."""

    def may_tell(self) -> bool:
        """Whether the notices that this node has claimed are certainly still its own. If it was
        stopped or cut off for longer than its lease, other nodes may have taken them over."""

    @property
    def last_id(self) -> int:
        """The greatest id in the store when it was opened."""

    @property
    def last_short_id(self) -> int:
        """The id below 2**32 that this node had given last when the store was opened."""

    def accept(self, acceptance: Acceptance) -> asyncio.Future[Repeats]:
        """Stores the messages, except those with a known fingerprint; returns these fingerprints.

        Begins the acceptance's attempt, if it has one, unless its message is not stored.

        Raises :class:`OverDailyLimit`, :class:`StoreFull` or :class:`StoreError`, and where several
        nodes share the store :class:`MoreWait`; then none of them is stored.
        """

    def also_known_as(self, aliases: Sequence[Alias]) -> asyncio.Future[None]:
        """Stores further ids of messages that are stored already.

        An alias that requests receipts gets those of later states, and that of the final state even
        if the message has reached it already.
        """

    def begin(self, attempt_id: int, messages: Sequence[Message]) -> asyncio.Future[Set[int]]:
        """Notes that these messages are about to be posted, so that they are found after a crash.

        Returns the ids of messages that no longer belong to this node (another node has cancelled,
        held or replaced them); they are not part of the attempt.
        """

    def finish(self, attempt_id: int, changes: Sequence[Change]) -> asyncio.Future[None]:
        """Ends an attempt with the changes of its messages (its other messages wait as before).

        Never refused for lack of room: it is tried again until it succeeds or the store closes.
        """

    async def interrupted(self) -> dict[int, list[Message]]:
        """The unfinished attempts of a daemon that is gone, each with its messages.

        Their outcome is unknown; the caller decides and ends each attempt with :meth:`finish`. A
        single daemon finds them at its start. Where several nodes share a store, each call also
        takes over from nodes whose lease has run out.
        """

    async def lanes(self) -> list[Lane]:
        """The lanes in which messages wait, due or not."""

    async def waiting(
        self, lane: Lane, now: int, limit: int, after: tuple[int, int] = (0, 0)
    ) -> list[Message]:
        """The first ``limit`` messages of a lane that are due at ``now``, in the order of due
        times.

        Only messages after ``after``, a ``due_at`` and an id, and no messages in an attempt: their
        outcome is decided first.

        Where several nodes share a store, the messages are claimed for this node. Messages claimed
        by another living node are left out; those claimed by this node before come again.
        """

    async def next_due(self, now: int) -> int | None:
        """The due time of the next message after ``now``; ``None`` if there is none."""

    async def waiting_for(self, account: str, phone: str) -> list[Stored]:
        """An account's waiting and held messages to one phone."""

    async def overdue(self, now: int, limit: int) -> list[Stored]:
        """Waiting and held messages whose validity has ended."""

    async def backlog(self) -> int:
        """The number of messages that wait to be sent."""

    async def message(self, message_id: int) -> Stored | None:
        """One message by its id or by an alias of it."""

    async def messages(self, message_ids: Sequence[int]) -> list[Stored]:
        """The messages with these ids, as far as stored, in the order of their ids."""

    async def submission(self, submission_id: int) -> list[Stored]:
        """The messages of a submission, in the order of their ids."""

    async def move(
        self, message_ids: Sequence[int], to: State, *, unposted: bool = False
    ) -> list[int]:
        """Cancels, holds, releases or expires waiting or held messages; returns the moved ones.

        Left as they are: messages in an attempt, messages whose state does not lead to ``to``
        (:data:`bridge.model.message.TRANSITIONS`), messages to be expired whose validity has not
        ended, and with ``unposted`` messages with an attempt of unknown outcome. Race-free against
        every node's :meth:`begin`. A final state is stored together with the requested notices.
        """

    async def replace(self, replacement: Replacement) -> bool:
        """Replaces the text of a message that :meth:`move` could cancel with ``unposted``.

        If it waits, it is claimed by this node from now on.
        """

    def add_part(self, part: Part, since: int) -> asyncio.Future[Gathered]:
        """Stores a part of a concatenated message and returns the state of its group.

        Parts and finished groups from before ``since`` (Unix time) do not count. A part whose
        number is taken by other content, or whose group is finished, begins a new group.
        """

    async def expired_parts(self, before: int, limit: int) -> list[Part]:
        """Removes and returns the parts of unfinished groups whose first part came before then;
        deletes finished groups of that age. A notice for each part is stored, and is owed if
        receipts were requested."""

    async def unjoined(self, part_id: int) -> UnjoinedPart | None:
        """A part that waits for the others of its message, or whose message was never completed.
        To be called if :meth:`message` knows no message by this id."""

    async def holds(self) -> set[tuple[str, str]]:
        """The holds of whole accounts and upstreams: ("account", name) and ("upstream", name)."""

    async def set_hold(self, scope: str, name: str, held: bool) -> None:
        """Holds or releases a whole account or upstream, for all nodes, across restarts."""

    async def sweep(self, before: int, text_before: int, limit: int) -> int:
        """Deletes messages that ended before ``before`` and blanks the texts of those that ended
        before ``text_before`` (Unix times): final messages, and messages from phones that were
        taken; not while a notice of them is owed. Looks at ``limit`` of each kind at most and
        returns how many it looked at; fewer than ``limit`` means that it is done for now."""

    async def nodes(self) -> int:
        """The number of nodes that share the store now, including this one."""

    async def node_numbers(self) -> list[int]:
        """The numbers of these nodes."""

    async def tell_nodes(self, words: str) -> None:
        """Sends words to the other nodes, as the signal ``told`` there. They may get lost."""

    @property
    def trouble(self) -> str:
        """Why writes failed a moment ago, for instance the full disk's path and free space; empty
        if none did."""

    async def forget_fingerprints(self, now: int) -> None:
        """Deletes expired fingerprints, a few at a time."""

    # --- statuses and messages from phones ---------------------------------------------------

    def note_statuses(self, statuses: Sequence[Status]) -> asyncio.Future[Sequence[Noted]]:
        """Stores statuses together with their notices; returns the result of each, in order. Only
        messages in the state ``sent`` change. A status of a message that ended long ago, at another
        node or before the store was opened counts as early at first (:attr:`Noted.EARLY`)."""

    async def match_early(self, now: int, before: int) -> int:
        """Notes early statuses whose message has its upstream id now, or turns out to have ended;
        deletes those that came before ``before`` and returns how many. To be called often, at every
        node."""

    async def to_poll(self, now: int, limit: int) -> list[Stored]:
        """Messages whose ``poll_at`` has come; those that request notices first.

        Sets their next ``poll_at``: after as long as they have been on their way, at most ten
        minutes.
        """

    def take_incoming(
        self, incoming: Sequence[tuple[Incoming, Sequence[str]]]
    ) -> asyncio.Future[Sequence[bool]]:
        """Stores messages from phones, each with a notice in these queues; returns for each whether
        it was new."""

    # --- notices -----------------------------------------------------------------------------

    def owe(self, notices: Sequence[Notice]) -> asyncio.Future[None]:
        """Stores notices that do not follow from a change in the store."""

    def claim_notices(self, queue: str, now: int, limit: int) -> asyncio.Future[Sequence[Owed]]:
        """Claims the notices of a queue that are due first. They belong to this node until it
        stores their results (:meth:`told`), or is gone.

        A notice waits for earlier ones with the same ``about`` and ``known_as``, except for delays,
        which may never become due. For one second, notices of submissions that came in at another
        node are left to that node.
        """

    def told(self, told: Sequence[Told]) -> asyncio.Future[None]:
        """Stores the results of claimed notices. Never refused for lack of room."""

    async def expire_notices(self, mails_before: int, before: int, limit: int) -> int:
        """Ends notices from before ``before`` that nobody took; returns how many. For notices that
        go out as mails ``mails_before`` counts."""

    async def note_receivers(self, account: str, bound: bool) -> None:
        """Stores, for the trace, whether receivers of the account are bound to this node now."""

    # --- the directory -----------------------------------------------------------------------

    async def look_up(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a verb of :mod:`bridge.store.directory` that changes nothing."""

    async def change(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a verb of :mod:`bridge.store.directory` as one transaction.

        Raises the verb's :class:`bridge.model.failure.Failure`; then nothing was changed.
        """

    async def take_place(self, account: str, most: int) -> bool:
        """Takes one of an account's ``most`` places for calls under way, over all nodes; False if
        there is none. A node that is gone has no places."""

    async def give_back_place(self, account: str) -> None:
        """Gives back a place that was taken."""

    # --- the story of a message --------------------------------------------------------------

    async def story(self, message_id: int) -> Story | None:
        """All that is known of one message, by its id or an alias of it."""

    async def find(self, text: str, limit: int, since: int = 0) -> list[Stored]:
        """The latest messages with this phone (E.164), client's reference or upstream id, the
        newest first, among those accepted since then (Unix time). Scans all of these: an index
        would cost every message too much for a rare query."""

    async def receivers(self, account: str) -> list[Receivers]:
        """The nodes at which receivers of the account are or were bound."""

    async def from_phones(self, text: str, limit: int, since: int = 0) -> list[AnsweredIncoming]:
        """The latest messages from phones with this id, number (E.164) or ``uid``, the newest
        first, among those taken since then (Unix time)."""
