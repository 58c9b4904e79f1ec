"""Changes of waiting messages: cancelled, held, released, expired, replaced, sent sooner.

A message is withdrawn from memory before the store changes it, so that it is not posted meanwhile.
Each change is durable before a client hears of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from bridge.model.failure import Failure
from bridge.model.message import Message, State, Stored
from bridge.model.selection import Selection
from bridge.sending.clock_steps import ClockSteps
from bridge.sending.working_set import WorkingSet
from bridge.store import Acceptance, Repeats, Replacement, Store, StoreError, Superseded
from bridge.store.directory.staging import send_outs_under_way
from bridge.store.operating.queue import select_delayed, select_ids, send_now
from bridge.store.small_steps import SmallSteps

#: How long a verb waits for send-outs that are being made into messages, and how often it looks
#: (seconds). One of 100,000 takes about ten.
_MADE_WITHIN, _LOOK_AGAIN = 30.0, 0.1


class Progress(NamedTuple):
    """A message's new state, durable by now, and the failure if the API refused it."""

    message: Message
    state: State
    failure: Failure | None = None


class WaitingClients(Protocol):
    """The part of :class:`bridge.relay.pending_answers.PendingAnswers` that the dispatcher uses."""

    def report(self, progress: Progress) -> None:
        """A message has a new state, which is durable."""

    def will_hear(self, message: Message) -> int:
        """The message's final state is about to be stored. Returns the id under which a waiting
        client will get it as its answer; 0 if no client waits."""

    def wait_on(self, message: Message) -> None:
        """That final state could not be stored: the client waits on."""

    def awaits(self, message: Message) -> bool:
        """Whether a client waits for the outcome."""

    def give_up_within(self, seconds: float, concerned: Callable[[str], bool]) -> None:
        """No answer to messages of these accounts will come within this time (seconds)."""


class QueueMoves:
    """The half of :class:`bridge.sending.dispatcher.Dispatcher` that changes waiting messages.

    ``clients`` are told of each durable change; ``clock`` gives Unix time.
    """

    def __init__(
        self,
        store: Store,
        clients: WaitingClients,
        working_set: WorkingSet,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._clients = clients
        self._working_set = working_set
        self._clock = clock
        self._clock_steps = ClockSteps(store, working_set, clock)
        #: The number of messages that wait to be sent.
        self.backlog = 0

    async def move(
        self, stored: Sequence[Stored], to: State, *, unposted: bool = False
    ) -> list[int]:
        """Cancels, holds, releases or expires messages that are not at the API.

        With ``unposted``, messages with an attempt of unknown outcome stay as they are. Returns the
        ids of the moved messages; each is reported.
        """

        async def move(ids: list[int]) -> list[int]:
            return await self._store.move(ids, to, unposted=unposted)

        return await self._move(stored, to, move)

    async def accept_instead(
        self, acceptance: Acceptance, earlier: Mapping[int, tuple[Stored, int]]
    ) -> tuple[Repeats, list[int]]:
        """Stores messages and cancels those that they replace, both or neither.

        ``earlier``: id of a waiting message → the message and the id of its replacement. Returns
        the repeats (:meth:`Store.accept`), and the ids of cancelled messages: those that no attempt
        may have delivered.
        """
        repeats: Repeats = {}

        async def accept(ids: list[int]) -> list[int]:
            nonlocal repeats
            superseded = tuple(Superseded(id, earlier[id][1]) for id in ids)
            repeats = await self._store.accept(acceptance._replace(superseded=superseded))
            try:
                there = await self._store.messages(ids) if ids else ()
            except StoreError:
                return ids  # most likely; the store knows which still wait
            return [one.message.id for one in there if one.state is State.CANCELLED]

        stored = [one for one, _ in earlier.values()]
        cancelled = await self._move(stored, State.CANCELLED, accept)
        return repeats, cancelled

    async def _move(
        self,
        stored: Sequence[Stored],
        to: State,
        change: Callable[[list[int]], Awaitable[list[int]]],
    ) -> list[int]:
        """Keeps messages from being posted while ``change`` moves those that it can."""
        mine = [one for one in stored if self._working_set.withdraw(one.message)]
        moved: list[int] = []
        try:
            moved = await change([one.message.id for one in mine])
        finally:
            for one in mine:
                self._working_set.restore(one.message.id)
            if len(moved) < len(mine) or to is State.ACCEPTED:
                self._working_set.wake()
        for message, state, *_ in mine:
            if message.id in moved:
                self.backlog += (to is State.ACCEPTED) - (state is State.ACCEPTED)
                self._clients.report(Progress(message, to))
        return moved

    async def move_selected(
        self, selection: Selection, to: State, *, unposted: bool = False
    ) -> int:
        """Cancels, holds or releases the selected messages that are not at the API; returns how
        many.

        None of them goes out once this has begun. Send-outs that are being made into messages are
        waited for. With ``unposted``, messages with an attempt of unknown outcome stay as they are.
        """
        matches = selection.may_hold
        # Held messages are in no queue.
        barred = self._working_set.bar(matches) if selection.state is not State.HELD else None
        taken = {message.id: message for message in barred or ()}
        moved = 0
        try:
            until = time.monotonic() + _MADE_WITHIN
            more = True
            while more:
                # Before the messages: those made meanwhile are found in the next round.
                more = barred is not None and await self._makes(selection)
                moved += await self._move_ids(selection, to, taken, unposted)
                if more:
                    more = time.monotonic() < until
                    await asyncio.sleep(_LOOK_AGAIN)
        finally:
            if barred is not None:
                self._working_set.unbar(matches)
            self.backlog = await self._store.backlog()
            self._working_set.wake()
        return moved

    async def _makes(self, selection: Selection) -> bool:
        """Whether a send-out is being made into messages that may be selected."""
        under_way = await self._store.look_up(send_outs_under_way, selection.account)
        return any(map(selection._replace(phone="").may_hold, under_way))

    async def _move_ids(
        self, selection: Selection, to: State, taken: Mapping[int, Message], unposted: bool
    ) -> int:
        """Moves the stored messages of the selection; returns how many. ``taken`` are reported."""
        moved = 0
        ids = await self._store.look_up(select_ids, selection)
        # Stop the messages first that would be sent first.
        ids.sort()
        steps = SmallSteps(self._store)
        start = 0
        while some := ids[start : start + steps.size]:
            start += len(some)
            done = await steps.take(self._store.move(some, to, unposted=unposted))
            moved += len(done)
            for id in taken.keys() & set(done):
                self._clients.report(Progress(taken[id], to))
        return moved

    async def send_now(self, selection: Selection) -> int:
        """Ends the pause before the next attempt of the selected messages; returns how many."""
        now = int(self._clock())
        ids = await self._store.look_up(select_delayed, selection, now)
        hurried = 0
        steps = SmallSteps(self._store)
        start = 0
        while some := ids[start : start + steps.size]:
            start += len(some)
            hurried += await steps.take(self._store.change(send_now, some, now))
        self._working_set.wake()
        return hurried

    async def replace(self, old: Message, new: Replacement) -> bool:
        """Replaces the text of ``old`` by ``new``, unless it may have gone out."""
        if not self._working_set.withdraw(old):
            return False
        replaced = False
        try:
            replaced = await self._store.replace(new)
        finally:
            self._working_set.restore(old.id)
            self._working_set.wake()
        return replaced

    async def follow_clock(self) -> None:
        """If the clock was set, corrects the times of what waits. Raises
        :class:`bridge.store.StoreError`; call it again then."""
        await self._clock_steps.follow()

    async def expire(self) -> None:
        """Ends the messages that wait or are held though their validity has ended."""
        await self.follow_clock()
        now = int(self._clock())
        while overdue := await self._store.overdue(now, 1000):
            # A client that still waits for an answer gets the end as its answer.
            alone = [one for one in overdue if not self._clients.awaits(one.message)]
            if not alone or not await self.move(alone, State.EXPIRED):
                return
