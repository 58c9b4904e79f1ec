"""The part of the waiting messages that is in memory.

The store has all waiting messages. Memory has the ones that can be posted soon, lane by lane, up to
a limit. The others are loaded when they are due and there is room. Stopped and large lanes make
room for others. A message is never in memory twice. The dispatcher calls the working set, never the
other way round.
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
    """A lane in memory, in the order in which lanes make room: stopped ones first, then the
    larger ones."""

    stopped: bool
    size: int
    lane: Lane


#: Longest wait before the clock is read again (seconds).
LOOK_EVERY = 5.0


class WorkingSet:
    """Decides which waiting messages are in the queues of the upstreams. Times are Unix times.

    Messages of accounts that are not ``known`` stay in the store.
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
        #: Ids in a queue, or being posted.
        self._loaded: set[int] = set()
        self._withdrawn: set[int] = set()
        #: Messages that one of these matches stay in the store for now.
        self._barred: list[Callable[[Message], bool]] = []
        #: Lanes in which nothing but such messages was found. They are not read on: reading a
        #: hundred thousand messages to find none that may go would cost others more than the rest
        #: of such a lane gains. New messages that may go do not wait behind these.
        self._aside: set[Lane] = set()
        #: Lanes with more messages in the store than in memory; new messages go behind those.
        self._spilled: set[Lane] = set()
        #: Lanes that may have more messages in the store: to be read.
        self._unread: set[Lane] = set()
        #: The last message read of a lane: ``due_at`` and id.
        self._read_to: dict[Lane, tuple[int, int]] = {}
        #: During a read of the store: the ids that left memory, and the lanes that grew.
        self._left: set[int] | None = None
        self._grown: set[Lane] = set()
        self._wanted = asyncio.Event()
        self._wake_at: float | None = None
        #: The store may have changed since the last look.
        self._unseen = False

    def _queue_of(self, account: str, route: Route) -> SendQueue:
        return line_of(self._lines, account).queues[route]

    # --- messages come and go ----------------------------------------------------------------

    def add(self, message: Message, *, claimed: bool) -> bool:
        """Puts a message into its queue, or leaves it in the store to be loaded later; returns
        whether it is in the queue. A message that is not ``claimed`` may belong to another node."""
        if message.due_at > self._clock():
            self.note_due(message.due_at)
        elif message.id not in self._loaded and message.id not in self._withdrawn:
            barred = self._barred and self._is_barred(message)
            if claimed and self.has_room(message) and not barred:
                self._push(message)
                return True
            lane = Lane(message.account, message.level, message.route.value)
            # Behind the lane's messages in the store, to keep the order.
            (self._spilled if claimed else self._unread).add(lane)
            if not barred:
                self._aside.discard(lane)
            self._grown.add(lane)
            self._wanted.set()
        return False

    @property
    def is_all(self) -> bool:
        """Whether no due message waits outside of memory, as far as known, and none is barred."""
        return not (self._spilled or self._unread or self._unseen or self._barred)

    def post(self, message: Message) -> None:
        """A new message that is being stored is posted next, and is in no queue."""
        self._loaded.add(message.id)

    def _push(self, message: Message) -> None:
        self._loaded.add(message.id)
        self._queue_of(message.account, message.route).push(message)

    def has_room(self, message: Message) -> bool:
        """Whether :meth:`add` would take this message into memory now, if it is due."""
        if not self._spilled and len(self._loaded) < LANE_IN_MEMORY:
            return True
        lane = Lane(message.account, message.level, message.route.value)
        if lane in self._spilled and (lane not in self._aside or self._is_barred(message)):
            return False
        size = self._queue_of(message.account, message.route).size(message.level, message.account)
        return size < LANE_IN_MEMORY and (
            len(self._loaded) < ALL_IN_MEMORY or self._make_room(lane, size)
        )

    def _make_room(self, wanting: Lane, size: int) -> bool:
        """Removes the latter half of another lane from memory, if one must give way to the lane
        ``wanting``, which has ``size`` messages in memory; returns whether one did."""
        stopped = self._stopped(wanting.account, wanting.route)
        first = max(
            (
                _Loaded(self._stopped(account, route.value), count, Lane(account, level, route))
                for line in {id(line): line for line in self._lines.values()}.values()
                for route, queue in line.queues.items()
                for level, account, count in queue.sizes()
                if count > 1  # the rest serves as probe of its upstream
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
        """Forgets these messages: they have changed in the store."""
        for id in ids:
            self._loaded.discard(id)
            if self._left is not None:
                self._left.add(id)
        if self._spilled or self._unread:
            self._wanted.set()

    def withdraw(self, message: Message) -> bool:
        """Removes a message, so that it can be changed in the store; returns whether it could.

        It cannot while the message is being posted. The message is not loaded until
        :meth:`restore`.
        """
        if message.id in self._loaded:
            queue = self._queue_of(message.account, message.route)
            if not queue.remove(message.id, message.level, message.account):
                return False
            self._loaded.discard(message.id)
        self._withdrawn.add(message.id)
        return True

    def bar(self, matches: Callable[[Message], bool]) -> list[Message]:
        """Removes and returns all matching messages, except those that are being posted. No
        matching message is loaded until :meth:`unbar`, and none of a lane that is empty now."""
        self._barred.append(matches)
        taken: list[Message] = []
        for line in self._lines.values():
            for queue in line.queues.values():
                found = queue.take_matching(matches)
                taken += found
                self._aside |= {
                    Lane(account, level, queue.route.value)
                    for account, level in {(one.account, one.level) for one in found}
                    if not queue.size(level, account)
                }
        self.leave(message.id for message in taken)
        return taken

    def unbar(self, matches: Callable[[Message], bool]) -> None:
        """Ends :meth:`bar`; :meth:`wake` finds those that still wait."""
        self._barred.remove(matches)
        self._aside.clear()

    def _is_barred(self, message: Message) -> bool:
        return any(matches(message) for matches in self._barred)

    def restore(self, id: int) -> None:
        """Ends :meth:`withdraw`; if the message still waits, :meth:`wake` finds it."""
        self._withdrawn.discard(id)
        self.leave([id])

    def note_due(self, due_at: float) -> None:
        """A message in the store will be due at this time."""
        if self._wake_at is None or due_at < self._wake_at:
            self._wake_at = due_at
            self._wanted.set()

    # --- loading ---------------------------------------------------------------------------

    async def begin(self) -> None:
        """The first look into the store; later messages go behind the ones found."""
        await self._look()
        self._spilled |= self._unread

    def wake(self) -> None:
        """Has the next :meth:`load` look into every lane of the store."""
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
            self._unseen = True  # look again
            raise
        self._unread.update(lane for lane in lanes if self._known(lane.account))
        if due_at is not None:
            self.note_due(due_at)
        self._wanted.set()

    def want(self) -> None:
        """Ends :meth:`wanted`: there are messages to load, or a load has failed."""
        self._wanted.set()

    async def wanted(self) -> None:
        """Waits until there is room to load messages, or a message is due."""
        # LOOK_EVERY at most: the clock may be set forward meanwhile.
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
        """Loads messages that are due and have room; yields each account that got some.

        Raises :class:`bridge.store.StoreError`.
        """
        if self._unseen or (self._wake_at is not None and self._wake_at <= self._clock()):
            await self._look()
        for lane in list(self._spilled | self._unread):
            if not self._known(lane.account):
                self._spilled.discard(lane)
                self._unread.discard(lane)
            elif lane not in self._aside and await self._load(lane):
                yield lane.account

    async def _load(self, lane: Lane) -> bool:
        """Loads one lane as far as there is room; returns whether any message was loaded."""
        queue = self._queue_of(lane.account, Route(lane.route))
        size = queue.size(lane.level, lane.account)
        room = min(LANE_IN_MEMORY - size, ALL_IN_MEMORY - len(self._loaded))
        # Only when half of the lane is free, so that each read brings many messages.
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
        # The first read brings the messages in memory again; they are skipped.
        limit = room if lane in self._read_to else room + min(len(self._loaded), 2 * LANE_IN_MEMORY)
        try:
            messages = await self._store.waiting(lane, int(self._clock()), limit, after)
        finally:
            self._left = None
        pushed = barred = False
        for message in messages:
            if message.id in self._loaded or message.id in left or message.id in self._withdrawn:
                continue
            if self._barred and self._is_barred(message):
                barred = True
                continue
            self._push(message)
            pushed = True
        self._unread.discard(lane)
        if barred and not pushed and lane not in self._grown:
            self._aside.add(lane)
            self._spilled.add(lane)
            self._read_to.pop(lane, None)
        elif len(messages) == limit:
            self._spilled.add(lane)
            self._read_to[lane] = (messages[-1].due_at, messages[-1].id)
        elif self._read_to.pop(lane, None) or lane in self._grown:
            # Read again from the start: new messages may have come, and if the clock was set back
            # they stand before the ones read.
            self._unread.add(lane)
            self._wanted.set()
        else:
            self._spilled.discard(lane)
        return pushed
