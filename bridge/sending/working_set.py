"""The part of the waiting messages that is in memory.

The store has them all; memory holds what can be posted soon, lane by lane, and no more than a
bound. What does not fit, or is not due yet, is loaded when there is room or it is time. Lanes that
cannot go now, and large ones, make room for others. Whatever happens in between, a message is in
memory once at most. It is asked by the dispatcher and calls nobody back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from typing import NamedTuple

from bridge.model.message import Message, Route
from bridge.sending.queue import SendQueue
from bridge.sending.upstream import UpstreamLine, line_of
from bridge.store import Lane, Store

#: Waiting messages in memory, of one lane and of all; about a kilobyte each.
LANE_IN_MEMORY = 5_000
ALL_IN_MEMORY = 50_000


class _Loaded(NamedTuple):
    """A lane in memory, in the order in which lanes make room: those that cannot go before others,
    then the larger ones."""

    stopped: bool
    size: int
    lane: Lane


#: Longest wait for the time at which a message is due (seconds).
LOOK_EVERY = 5.0


class WorkingSet:
    """Which waiting messages are in the queues of the upstreams. Times are Unix times.

    Messages of accounts that are not ``known`` here stay in the store.
    """

    def __init__(
        self,
        store: Store,
        lines: Mapping[str, UpstreamLine],
        clock: Callable[[], float],
        known: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._lines = lines
        self._clock = clock
        self._known = known
        #: In a queue, or being posted.
        self._loaded: set[int] = set()
        self._withdrawn: set[int] = set()
        #: Messages for which one of these says so stay in the store for now.
        self._barred: list[Callable[[Message], bool]] = []
        #: Lanes of which the store has more than memory does; what comes goes behind that.
        self._spilled: set[Lane] = set()
        #: Lanes of which the store may have more: to be looked into.
        self._unread: set[Lane] = set()
        #: Behind what they were read up to: ``due_at`` and id.
        self._read_to: dict[Lane, tuple[int, int]] = {}
        #: While the store is read: what left memory meanwhile, and lanes that got more.
        self._left: set[int] | None = None
        self._grown: set[Lane] = set()
        self._wanted = asyncio.Event()
        self._wake_at: float | None = None
        #: Something in the store has changed since it was looked into.
        self._unseen = False

    def _queue_of(self, account: str, route: Route) -> SendQueue:
        return line_of(self._lines, account).queues[route]

    # --- messages come and go ----------------------------------------------------------------

    def add(self, message: Message, *, claimed: bool) -> bool:
        """Puts a message into its queue, or leaves it in the store to be loaded later; tells
        whether it is in the queue now. What is not ``claimed`` may be another node's to send."""
        if message.due_at > self._clock():
            self.note_due(message.due_at)
        elif message.id not in self._loaded and message.id not in self._withdrawn:
            barred = self._barred and self._is_barred(message)
            if claimed and self.has_room(message) and not barred:
                self._push(message)
                return True
            lane = Lane(message.account, message.level, message.route.value)
            # Behind what the store has of this lane, so that the order is kept.
            (self._spilled if claimed else self._unread).add(lane)
            self._grown.add(lane)
            self._wanted.set()
        return False

    def _push(self, message: Message) -> None:
        self._loaded.add(message.id)
        self._queue_of(message.account, message.route).push(message)

    def has_room(self, message: Message) -> bool:
        """Whether :meth:`add` would take this message into memory now, if it is due."""
        if not self._spilled and len(self._loaded) < LANE_IN_MEMORY:
            return True
        lane = Lane(message.account, message.level, message.route.value)
        if lane in self._spilled:
            return False
        size = self._queue_of(message.account, message.route).size(message.level, message.account)
        return size < LANE_IN_MEMORY and (
            len(self._loaded) < ALL_IN_MEMORY or self._make_room(lane, size)
        )

    def _make_room(self, wanting: Lane, size: int) -> bool:
        """Leaves the latter half of a lane to the store, if one must give way to the lane that
        wants room and has so many messages in memory; tells whether one did."""
        stopped = self._stopped(wanting.account, wanting.route)
        first = max(
            (
                _Loaded(self._stopped(account, route.value), count, Lane(account, level, route))
                for line in {id(line): line for line in self._lines.values()}.values()
                for route, queue in line.queues.items()
                for level, account, count in queue.sizes()
                if count > 1  # what remains is what an upstream is probed with
            ),
            default=None,
        )
        if first is None or first.lane == wanting or first.stopped < stopped:
            return False
        if first.stopped == stopped and first.size <= 2 * size + 1:
            return False
        account, level, route = first.lane
        last = self._queue_of(account, Route(route)).take_last(first.size // 2, level, account)
        self._loaded.difference_update(message.id for message in last)
        self._spilled.add(first.lane)
        self._grown.add(first.lane)
        self._read_to.pop(first.lane, None)
        return True

    def _stopped(self, account: str, route: str) -> bool:
        line = line_of(self._lines, account)
        return line.stopped or account in line.queues[Route(route)].held

    def leave(self, ids: Iterable[int]) -> None:
        """These are no longer in memory: they have been changed in the store."""
        for id in ids:
            self._loaded.discard(id)
            if self._left is not None:
                self._left.add(id)
        if self._spilled or self._unread:
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

    async def begin(self) -> None:
        """The first look; what comes meanwhile goes behind what the store has already."""
        await self._look()
        self._spilled |= self._unread

    def wake(self) -> None:
        """Has every lane of the store looked into, with the next :meth:`load` that can."""
        self._unseen = True
        self._wanted.set()

    async def _look(self) -> None:
        """Looks into every lane of the store, and notes when the next message will be due."""
        now = int(self._clock())
        self._unseen = False
        self._wake_at = None
        self._read_to.clear()
        try:
            lanes = await self._store.lanes()
            due_at = await self._store.next_due(now)
        except BaseException:
            self._unseen = True  # nobody else knows what is due
            raise
        self._unread.update(lane for lane in lanes if self._known(lane.account))
        if due_at is not None:
            self.note_due(due_at)
        self._wanted.set()

    def want(self) -> None:
        """Ends :meth:`wanted`: there is something to load, or a load has failed."""
        self._wanted.set()

    async def wanted(self) -> None:
        """Waits until there is room to load something, or something is due."""
        # A clock that is set forward makes things due that the wait did not know of.
        wait = None if self._wake_at is None else max(0.0, self._wake_at - self._clock())
        if wait is not None:
            wait = min(wait, LOOK_EVERY)
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
        if self._unseen or (self._wake_at is not None and self._wake_at <= self._clock()):
            await self._look()
        for lane in list(self._spilled | self._unread):
            if not self._known(lane.account):
                self._spilled.discard(lane)
                self._unread.discard(lane)
            elif await self._load(lane):
                yield lane.account

    async def _load(self, lane: Lane) -> bool:
        """Loads of one lane what has room; tells whether it was anything."""
        queue = self._queue_of(lane.account, Route(lane.route))
        size = queue.size(lane.level, lane.account)
        room = min(LANE_IN_MEMORY - size, ALL_IN_MEMORY - len(self._loaded))
        # Only when a good part has gone, so that each look brings many.
        while room < LANE_IN_MEMORY // 2:
            if LANE_IN_MEMORY - size < LANE_IN_MEMORY // 2 or not self._make_room(lane, size):
                self._spilled.add(lane)
                self._unread.discard(lane)
                return False
            room = min(LANE_IN_MEMORY - size, ALL_IN_MEMORY - len(self._loaded))
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
        self._unread.discard(lane)
        if len(messages) == limit:
            self._spilled.add(lane)
            self._read_to[lane] = (messages[-1].due_at, messages[-1].id)
        elif self._read_to.pop(lane, None) or lane in self._grown:
            # Once more from the beginning: some may have come meanwhile, and a clock that was set
            # back puts them before what was read.
            self._unread.add(lane)
            self._wanted.set()
        else:
            self._spilled.discard(lane)
        return pushed
