"""What must survive: the interface that every engine offers, and the words it speaks in.

An engine makes durable what it is told before it answers; what the messages mean, and when one is
due, is for the relay's layer to decide. The contract tests in ``tests/store`` run on each engine.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

from bridge.message import Message, State


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


class Fingerprint(NamedTuple):
    """What marks a message as one that may come again.

    While ``until`` (Unix time) lies ahead, another message with the same ``key`` is not stored.
    """

    key: bytes
    message_id: int
    until: int


class Acceptance(NamedTuple):
    """The messages of one submission, to be stored together or not at all."""

    messages: tuple[Message, ...]
    fingerprints: tuple[Fingerprint, ...] = ()


class Change(NamedTuple):
    """What became of a message that was accepted: its new state and what belongs to it.

    ``due_at`` counts for the state ``accepted`` (again, later). ``failure`` is the reason's name
    and ``cause`` the API's own words, for the trace.
    """

    message_id: int
    state: State
    upstream_id: str = ""
    due_at: int = 0
    attempts: int = 0
    unknown: int = 0
    failure: str = ""
    cause: str = ""


class Stored(NamedTuple):
    """A message as the store has it."""

    message: Message
    state: State
    upstream_id: str
    changed_at: int
    failure: str
    cause: str


#: Fingerprints that were known already, with the id of the message that had them first.
Repeats = Mapping[bytes, int]


class Store(Protocol):
    """The verbs of an engine.

    Those that return a future are on the path of a message: the engine gathers what is asked
    while an earlier group is being written, and writes it as one. A future is resolved when
    everything it stands for is durable, in the order in which the verbs were called.
    """

    async def open(self) -> None:
        """Opens the store and brings its schema up to date.

        Raises :class:`StoreInUse`, :class:`SchemaTooNew` or :class:`StoreError`.
        """

    async def close(self) -> None:
        """Writes what was asked for and closes."""

    @property
    def node(self) -> int:
        """This daemon's node number, for its ids."""

    @property
    def last_id(self) -> int:
        """The greatest id that the store held when it was opened."""

    def accept(self, acceptance: Acceptance) -> asyncio.Future[Repeats]:
        """Stores the messages, but for those whose fingerprint is known; tells which these are.

        Raises :class:`StoreFull` or :class:`StoreError`; then none of them is stored.
        """

    def begin(self, attempt_id: int, messages: Sequence[Message]) -> asyncio.Future[None]:
        """Notes that these messages are about to be posted, so that a crash is not forgotten."""

    def finish(self, attempt_id: int, changes: Sequence[Change]) -> asyncio.Future[None]:
        """Ends an attempt with what became of its messages (the others wait as before).

        Never refused for want of room: it is tried again until it succeeds or the store closes.
        """

    async def interrupted(self) -> dict[int, list[Message]]:
        """The attempts that were begun and never finished before this start, with their messages.

        Their outcome is unknown; :meth:`finish` ends each with what is decided about it.
        """

    async def lanes(self) -> list[Lane]:
        """The lanes in which messages wait, due or not."""

    async def waiting(self, lane: Lane, now: int, limit: int) -> list[Message]:
        """The ``limit`` messages of a lane that are due first, of those due at ``now``."""

    async def next_due(self, now: int) -> int | None:
        """When the next message after ``now`` will be due; ``None`` if none waits for a time."""

    async def backlog(self) -> int:
        """How many messages wait to be sent."""

    async def sent_since(self, account: str, unix_time: int) -> int:
        """How many messages of an account were accepted since then."""

    async def message(self, message_id: int) -> Stored | None:
        """One message by its id or by an alias of it."""

    async def submission(self, submission_id: int) -> list[Stored]:
        """The messages of a submission, in the order of their ids."""

    async def forget_fingerprints(self, now: int) -> None:
        """Drops those whose time has passed, a few at a time."""
