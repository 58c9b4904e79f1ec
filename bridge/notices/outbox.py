"""What accounts are owed finds those who take it: receivers bound here, the smarthost.

Decides who is told what and when. What is due first goes first: to the session that submitted the
message if that still takes it, else to the others in turn. What was not taken is tried again with
back-off, and nobody hears of a message before the answer to its submission. What a notice looks
like is its taker's matter; that notices of one message come one after the other, the store's.
"""

from __future__ import annotations

import asyncio
import heapq
import time
from collections import Counter
from collections.abc import Callable, Sequence, Set
from contextlib import suppress
from functools import partial
from typing import Final, Protocol

import structlog

from bridge.model.measures import NOTICES
from bridge.model.message import FINAL
from bridge.model.notice import Owed, Told
from bridge.notices.results import Keeper, Results
from bridge.notices.subscribers import NoticeQueue, Place, Taker, TakerAnswer
from bridge.store import StoreError

log = structlog.get_logger()

#: What was not taken is tried again after so many seconds, and after twice as many each time.
FIRST_BACK_OFF: Final = 5.0
LONGEST_BACK_OFF: Final = 300.0
#: Seconds between two looks for what became due by time alone, and queues looked into each time.
LOOK_EVERY: Final = 1.0
_LOOKS: Final = 50
#: Seconds between two looks that other nodes bring about.
_BREATH: Final = 0.1
#: How often the log hears of what was not taken (seconds).
_TELL_EVERY: Final = 10.0
#: Notices claimed at once, of a queue of which fewer than so many wait here.
_CLAIM: Final = 500
_FEW: Final = 32
#: Seconds between two claims of less than a turn.
_CLAIM_EVERY: Final = 0.003
#: Notices of a queue that may wait here for the answers to their messages' submissions.
_MOST_EARLY: Final = 10_000
#: Seconds between two looks for what nobody took in time, and how many end at once.
_EXPIRE_EVERY: Final = 60.0
_EXPIRE: Final = 1000
#: Told in one turn of the loop; nothing more is for so many times as long as that took. Others, and
#: the store's threads, have most of the time.
_TURN: Final = 16
_PAUSE: Final = 6
#: How long closing waits for the store (seconds).
_CLOSE_WITHIN: Final = 5.0
#: Seconds until a node that may have lost its lease looks again whether it has.
_UNCERTAIN_PAUSE: Final = 0.2
#: How long a queue rests when the store could not be asked (seconds).
_STORE_PAUSE: Final = 1.0


class Notices(Keeper, Protocol):
    """What is asked of :class:`bridge.store.Store`."""

    def claim_notices(self, queue: str, now: int, limit: int) -> asyncio.Future[Sequence[Owed]]: ...

    async def expire_notices(self, mails_before: int, before: int, limit: int) -> int: ...

    async def note_receivers(self, account: str, bound: bool) -> None: ...

    def may_tell(self) -> bool: ...


class Outbox:
    """Owns what is told by this node. Belongs to one event loop; :meth:`run` it there.

    ``not_before`` gives the Unix time before which an account must not hear of a notice, because
    the answer to the submission comes first; asked again then. What nobody took for ``keep``
    seconds, of mails for ``keep_mails``, is given up. ``clock`` gives Unix time.
    """

    def __init__(
        self,
        store: Notices,
        keep: float,
        keep_mails: float,
        not_before: Callable[[Owed], float] = lambda owed: 0.0,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._keep = keep
        self._keep_mails = keep_mails
        self._not_before = not_before
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._queues: dict[str, NoticeQueue] = {}
        self._results = Results(store, self.wake)
        self._refused: Counter[tuple[str, str, str]] = Counter()
        self._accounts: dict[str, str] = {}  # queue → whose receivers its takers are
        self._noted: set[str] = set()  # accounts with receivers here, as the store knows
        self._wanted = asyncio.Event()
        self._stopping = False
        self._turn = 0

    # --- takers ----------------------------------------------------------------------------

    def join(self, queue: str, taker: Taker, *, account: str = "") -> None:
        """From now on ``taker`` takes what is in ``queue``.

        With an ``account`` the store is told since when that has receivers here, for the trace.
        """
        place = Place(taker)
        found = self._queues.get(queue)
        if found is None:
            found = self._queues[queue] = NoticeQueue(queue)
        found.places.setdefault(taker.name, []).append(place)
        if account:
            self._accounts[queue] = account
            self._wanted.set()
        found.look = True
        self._kick(found)

    def leave(self, queue: str, taker: Taker) -> None:
        """It takes nothing any more; its answers to what it was told still count."""
        found = self._queues.get(queue)
        if found is None:
            return
        places = found.places.get(taker.name, [])
        for place in places:
            if place.taker is taker:
                place.gone = True
                places.remove(place)
                break
        if not places:
            found.places.pop(taker.name, None)
        if not found.places:
            del self._queues[queue]
            self._give_back(found)
            self._wanted.set()

    def wake(self, queues: Set[str] | None) -> None:
        """There is something in these queues, or a taker has room again; None: in any of them."""
        if queues is None:
            self._wanted.set()  # other nodes may say so often: looks have their own pace
            return
        for name in queues:
            queue = self._queues.get(name)
            if queue is not None:
                queue.look = True
                self._kick(queue)

    # --- its life --------------------------------------------------------------------------

    async def run(self) -> None:
        """Looks after the time, until it is cancelled."""
        expire_at = tell_at = 0.0
        while True:
            # Not wait_for: that of Python 3.11 forgets to be cancelled while it is being woken.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wanted.wait()
            self._wanted.clear()
            self._look()
            if self._refused and self._loop.time() >= tell_at:
                tell_at = self._loop.time() + _TELL_EVERY
                self._tell_refused()
            try:
                await self._note_receivers()
                if self._loop.time() >= expire_at:
                    expire_at = self._loop.time() + _EXPIRE_EVERY
                    await self._expire()
            except StoreError as error:
                log.warning("outbox_failed", error=str(error))
            await asyncio.sleep(_BREATH)

    def _tell_refused(self) -> None:
        """One line for each taker and what it said, however often."""
        for (queue, taker, outcome), notices in self._refused.items():
            log.warning(
                "notices_not_taken", queue=queue, taker=taker, outcome=outcome, notices=notices
            )
        self._refused.clear()

    def stop(self) -> None:
        """Tells nobody anything any more. Answers are still kept; what has none comes again after
        the next start."""
        self._stopping = True

    async def close(self) -> None:
        """Waits until the answers are durable; nothing comes after that.

        Not for long: a store that cannot keep them now has them told again after the next start.
        """
        self._stopping = True
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await asyncio.sleep(0)  # answers that have just come
                await self._results.flush()
                for account in tuple(self._noted):
                    await self._store.note_receivers(account, False)
        except (TimeoutError, StoreError) as error:
            log.warning("outbox_failed", error=str(error) or "the store is too slow")
        self._noted.clear()

    def _look(self) -> None:
        """Looks into some queues for what became due by time alone, into all of them in turn."""
        now = int(self._clock())
        names = list(self._queues)
        if self._turn >= len(names):
            self._turn = 0
        chosen = names[self._turn : self._turn + _LOOKS]
        self._turn += _LOOKS
        again = [name for name in names if 0 < self._queues[name].retry_at <= now]
        for name in again:
            self._queues[name].retry_at = 0
        self.wake({*again, *chosen})
        for queue in self._queues.values():
            if queue.stands(self._loop.time()):
                self._give_back(queue)  # perhaps another node's takers take it
                self._kick(queue)

    async def _note_receivers(self) -> None:
        """Tells the store which accounts have receivers here now, where that has changed."""
        bound = {account for queue, account in self._accounts.items() if queue in self._queues}
        for account in bound ^ self._noted:
            await self._store.note_receivers(account, account in bound)
            self._noted ^= {account}

    async def _expire(self) -> None:
        now = self._clock()
        before, mails_before = int(now - self._keep), int(now - self._keep_mails)
        given_up = 0
        while ended := await self._store.expire_notices(mails_before, before, _EXPIRE):
            given_up += ended
            await asyncio.sleep(_BREATH)
        if given_up:
            log.warning("notices_given_up", notices=given_up)

    # --- telling ---------------------------------------------------------------------------

    def _kick(self, queue: NoticeQueue) -> None:
        """Looks after the queue when this turn of the loop is over: what comes together, once."""
        if not queue.kicked:
            queue.kicked = True
            self._loop.call_soon(self._pump, queue)

    def _pump(self, queue: NoticeQueue) -> None:
        queue.kicked = False
        if self._stopping or self._queues.get(queue.name) is not queue:
            return
        if not self._store.may_tell():
            # Others may be telling what was claimed here: the lease is looked at first.
            queue.kicked = True
            self._loop.call_later(_UNCERTAIN_PAUSE, self._pump, queue)
            return
        began = time.perf_counter()
        waits: list[float] = []
        now = self._clock()
        while queue.early and queue.early[0][0] <= now:
            self._line_up(queue, heapq.heappop(queue.early)[2], now)
        mono = self._loop.time()
        for _ in range(_TURN):
            if not queue.waiting:
                break
            place = queue.choose(queue.waiting[0], mono)
            if place is None:
                break
            self._tell(queue, place, queue.waiting.popleft())
        else:
            queue.kicked = True  # nothing brings the next turn forward
            took = time.perf_counter() - began
            self._loop.call_later(_PAUSE * took, self._pump, queue)
        few = len(queue.waiting) < _FEW and len(queue.early) < _MOST_EARLY
        if few and queue.look and not queue.claiming:
            room = min(_CLAIM, queue.room(mono))
            # A few at a time cost as much as many.
            later = 0.0 if room >= _TURN else queue.claimed_at + _CLAIM_EVERY - mono
            if room > 0 and later <= 0:
                queue.claimed_at = mono
                self._claim(queue, room)
            elif room > 0:
                waits.append(later)
        self._set_timer(queue, now, waits)

    def _set_timer(self, queue: NoticeQueue, now: float, waits: list[float]) -> None:
        """Comes back when something may be told, or when a taker has rested."""
        if queue.early:
            waits.append(queue.early[0][0] - now)
        mono = self._loop.time()
        waits += [p.rests_until - mono for p in queue.all_places() if p.failures and not p.told]
        waits = [wait for wait in waits if wait > 0]
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None
        if waits:
            queue.timer = self._loop.call_later(min(waits), self._kick, queue)

    def _line_up(self, queue: NoticeQueue, owed: Owed, now: float) -> None:
        """To be told now, or when the answer to its submission is out."""
        at = self._not_before(owed)
        if at <= now:
            queue.waiting.append(owed)
        else:
            heapq.heappush(queue.early, (at, owed.notice.id, owed))

    def _claim(self, queue: NoticeQueue, room: int) -> None:
        queue.claiming = True
        queue.look = False
        try:
            claimed = self._store.claim_notices(queue.name, int(self._clock()), room)
        except StoreError as error:  # it is closed
            log.warning("outbox_failed", queue=queue.name, error=str(error))
            return
        claimed.add_done_callback(partial(self._claimed, queue, room))

    def _claimed(
        self, queue: NoticeQueue, room: int, claimed: asyncio.Future[Sequence[Owed]]
    ) -> None:
        queue.claiming = False
        if claimed.cancelled():
            return
        error = claimed.exception()
        if error is not None:
            if isinstance(error, StoreError):
                log.warning("outbox_failed", queue=queue.name, error=str(error))
            else:
                log.error("outbox_failed", queue=queue.name, exc_info=error)
            self._loop.call_later(_STORE_PAUSE, self.wake, {queue.name})
            return
        found = claimed.result()
        if len(found) >= room:
            queue.look = True
        now = self._clock()
        for owed in found:
            self._line_up(queue, owed, now)
        if self._stopping:
            return  # they are this node's until it is gone
        if self._queues.get(queue.name) is not queue:
            self._give_back(queue)
            return
        if found or queue.look:
            self._kick(queue)

    def _give_back(self, queue: NoticeQueue) -> None:
        """Nobody takes them here any more; perhaps somebody does elsewhere, or later."""
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None
        kept = [*queue.waiting, *(owed for _, _, owed in queue.early)]
        queue.waiting.clear()
        queue.early.clear()
        if self._stopping:
            return  # as if they had not been claimed
        for owed in kept:
            id, outcome, due_at = owed.notice.id, owed.notice.outcome, owed.notice.due_at
            self._results.note(Told(id, False, outcome, due_at, tried=False), queue.name)

    def _tell(self, queue: NoticeQueue, place: Place, owed: Owed) -> None:
        place.told += 1
        try:
            answer = place.taker.tell(owed)
        except Exception:  # one notice's trouble must not hold up the others
            log.exception("notice_failed", queue=queue.name, notice=owed.notice.id)
            answer = self._loop.create_future()
            answer.set_result(TakerAnswer(False, "operation failed"))
        answer.add_done_callback(partial(self._answered, queue, place, owed))

    def _answered(
        self, queue: NoticeQueue, place: Place, owed: Owed, answered: asyncio.Future[TakerAnswer]
    ) -> None:
        place.told -= 1
        if answered.cancelled():
            return
        answer, notice = answered.result(), owed.notice
        NOTICES.add(notice.kind._value_, "taken" if answer.ended else "not_taken")
        present = self._queues.get(queue.name, queue)  # all may have left, and others come
        present.answered_at = self._loop.time()
        if answer.ended:
            # What follows it may have waited for this.
            more = "" if notice.state in FINAL else queue.name
            self._results.note(Told(notice.id, True, answer.outcome), more)
        elif self._stopping:
            return  # as if it had not been told: it comes again after the next start
        else:
            due = int(self._clock())
            at_once = answer.lost and not notice.tries
            if not at_once:
                wait = min(LONGEST_BACK_OFF, FIRST_BACK_OFF * 2 ** min(notice.tries, 16))
                due += int(wait)
            self._refused[queue.name, place.taker.name, answer.outcome] += 1
            self._results.note(
                Told(notice.id, False, answer.outcome, due), queue.name if at_once else ""
            )
            present.retry_at = min(present.retry_at or due, due)
        if not place.gone:
            place.note(answer, self._loop.time())
        self._kick(present)
