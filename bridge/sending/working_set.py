"""The part of the waiting messages that is in memory.

The store has them all; memory holds what can be posted soon, lane by lane, and no more than a
bound. What does not fit, or is not due yet, is loaded when there is room or it is time. Whatever
happens in between, a message is in memory once at most. It is asked by the dispatcher and calls
nobody back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping

from bridge.model.message import Message, Route
from bridge.sending.queue import SendQueue
from bridge.sending.upstream import UpstreamLine, line_of
from bridge.store import Lane, Store

#: Waiting messages in memory, of one lane and of all; about a kilobyte each.
LANE_IN_MEMORY = 5_000
ALL_IN_MEMORY = 50_000


class WorkingSet:
    """Which waiting messages are in the queues of the upstreams. Times are Unix times."""

    def __init__(
        self, store: Store, lines: Mapping[str, UpstreamLine], clock: Callable[[], float]
    ) -> None:
        self._store = store
        self._lines = lines
        self._clock = clock
        #: In a queue, or being posted.
        self._loaded: set[int] = set()
        self._withdrawn: set[int] = set()
        #: Messages for which one of these says so stay in the store for now.
        self._barred: list[Callable[[Message], bool]] = []
        #: Lanes of which the store has more than memory does.
        self._spilled: set[Lane] = set()
        #: Behind what they were read up to: ``due_at`` and id.
        self._read_to: dict[Lane, tuple[int, int]] = {}
        #: While the store is read: what left memory meanwhile, and lanes that got more.
        self._left: set[int] | None = None
        self._grown: set[Lane] = set()
        self._wanted = asyncio.Event()
        self._wake_at: float | None = None

    def _queue_of(self, account: str, route: Route) -> SendQueue:
        return line_of(self._lines, account).queues[route]

    # --- messages come and go ----------------------------------------------------------------

    def add(self, message: Message) -> bool:
        """Puts a message into its queue, or leaves it in the store to be loaded later; tells
        whether it is in the queue now."""
        if message.due_at > self._clock():
            self.note_due(message.due_at)
        elif message.id not in self._loaded and message.id not in self._withdrawn:
            if self.has_room(message) and not (self._barred and self._is_barred(message)):
                self._push(message)
                return True
            # Behind what the store has of this lane, so that the order is kept.
            lane = Lane(message.account, message.level, message.route.value)
            self._spilled.add(lane)
            self._grown.add(lane)
        return False

    def _push(self, message: Message) -> None:
        self._loaded.add(message.id)
        self._queue_of(message.account, message.route).push(message)

    def has_room(self, message: Message) -> bool:
        """Whether :meth:`add` would take this message into memory now, if it is due."""
        if not self._spilled and len(self._loaded) < LANE_IN_MEMORY:
            return True
        lane = Lane(message.account, message.level, message.route.value)
        queue = self._queue_of(message.account, message.route)
        return (
            lane not in self._spilled
            and len(self._loaded) < ALL_IN_MEMORY
            and queue.size(message.level, message.account) < LANE_IN_MEMORY
        )

    def leave(self, ids: Iterable[int]) -> None:
        """These are no longer in memory: they have been changed in the store."""
        for id in ids:
            self._loaded.discard(id)
            if self._left is not None:
                self._left.add(id)
        if self._spilled:
            self._wanted.set()

    def withdraw(self, message: Message) -> bool:
        """Takes a message out to be changed in the store; tells whether it could.

        It cannot while the message is being posted. Until :meth:`restore` it is not loaded.
        """
        if message.id in self._loaded:
            queue = self._queue_of(message.account, message.route)
            if not queue.remove(message.id, message.level, message.account):
                return False
            self._loaded.discard(message.id)
        self._withdrawn.add(message.id)
        return True

    def bar(self, matches: Callable[[Message], bool]) -> list[Message]:
        """Takes all messages out for which ``matches`` says so, but those that are being posted,
        and lets none of them in until :meth:`unbar`."""
        self._barred.append(matches)
        taken = [
            message
            for line in self._lines.values()
            for queue in line.queues.values()
            for message in queue.take_matching(matches)
        ]
        self.leave(message.id for message in taken)
        return taken

    def unbar(self, matches: Callable[[Message], bool]) -> None:
        """Ends :meth:`bar`; :meth:`wake` finds those that still wait."""
        self._barred.remove(matches)

    def _is_barred(self, message: Message) -> bool:
        return any(matches(message) for matches in self._barred)

    def restore(self, id: int) -> None:
        """Ends :meth:`withdraw`; if the message still waits, :meth:`wake` finds it."""
        self._withdrawn.discard(id)
        self.leave([id])

    def note_due(self, due_at: float) -> None:
        """Something in the store will be due then."""
        if self._wake_at is None or due_at < self._wake_at:
            self._wake_at = due_at
            self._wanted.set()

    # --- loading ---------------------------------------------------------------------------

    async def wake(self) -> None:
        """Looks into every lane of the store, and notes when the next message will be due."""
        now = int(self._clock())
        self._wake_at = None
        self._read_to.clear()
        self._spilled.update(await self._store.lanes())
        due_at = await self._store.next_due(now)
        if due_at is not None:
            self.note_due(due_at)
        self._wanted.set()

    def want(self) -> None:
        """Ends :meth:`wanted`: there is something to load, or a load has failed."""
        self._wanted.set()

    async def wanted(self) -> None:
        """Waits until there is room to load something, or something is due."""
        wait = None if self._wake_at is None else max(0.0, self._wake_at - self._clock())
        try:
            async with asyncio.timeout(wait):
                await self._wanted.wait()
        except TimeoutError:
            pass
        self._wanted.clear()

    async def load(self) -> AsyncIterator[str]:
        """Loads what is due and has room; gives each account that got something.

        Raises :class:`bridge.store.StoreError`.
        """
        if self._wake_at is not None and self._wake_at <= self._clock():
            await self.wake()
        for lane in list(self._spilled):
            if await self._load(lane):
                yield lane.account

    async def _load(self, lane: Lane) -> bool:
        queue = self._queue_of(lane.account, Route(lane.route))
        room = min(
            LANE_IN_MEMORY - queue.size(lane.level, lane.account),
            ALL_IN_MEMORY - len(self._loaded),
        )
        # Only when a good part has gone, so that each look brings many.
        if room < LANE_IN_MEMORY // 2:
            return False
        left: set[int] = set()
        self._left = left
        self._grown.discard(lane)
        after = self._read_to.get(lane, (0, 0))
        # At first those in memory come again, and are passed over.
        limit = room if lane in self._read_to else room + min(len(self._loaded), 2 * LANE_IN_MEMORY)
        try:
            messages = await self._store.waiting(lane, int(self._clock()), limit, after)
        finally:
            self._left = None
        pushed = False
        for message in messages:
            if (
                message.id not in self._loaded
                and message.id not in left | self._withdrawn
                and not self._is_barred(message)
            ):
                self._push(message)
                pushed = True
        if len(messages) == limit:
            self._read_to[lane] = (messages[-1].due_at, messages[-1].id)
        elif self._read_to.pop(lane, None) or lane in self._grown:
            # Once more from the beginning: some may have come meanwhile, and a clock that was set
            # back puts them before what was read.
            self._wanted.set()
        else:
            self._spilled.discard(lane)
        return pushed
