"""Brings notices to their takers: receivers bound at this node, the smarthost, callback URLs.

Decides which taker gets which notice, and when. The notice that is due first goes first: to the
session that submitted the message if it has room, else to the others in turn. A refused notice is
retried with back-off. No notice goes out before the answer to its submission. The taker decides
how a notice looks; the store keeps the notices of one message in order.
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
from bridge.notices.bound_receivers import BoundReceivers, ReceiverNotes
from bridge.notices.results import Keeper, Results
from bridge.notices.subscribers import NoticeQueue, Place, Taker, TakerAnswer
from bridge.store import StoreError
from bridge.store.outage import Outage

log = structlog.get_logger()

#: Back-off for a notice that was not taken: doubles from the first to the longest (seconds).
FIRST_BACK_OFF: Final = 5.0
LONGEST_BACK_OFF: Final = 300.0
#: Seconds between two looks for notices that became due by time, and queues per look.
LOOK_EVERY: Final = 1.0
_LOOKS: Final = 50
#: Shortest time between two looks, however often other nodes wake this one (seconds).
_BREATH: Final = 0.1
#: How often refused notices are logged (seconds).
_TELL_EVERY: Final = 10.0
#: Most notices claimed at once, and the number waiting here below which more are claimed.
_CLAIM: Final = 500
_FEW: Final = 32
#: Shortest time between two claims of fewer notices than one turn tells (seconds).
_CLAIM_EVERY: Final = 0.003
#: Most notices of a queue that wait here for the answer to their submission.
_MOST_EARLY: Final = 10_000
#: Seconds between two looks for expired notices, and how many end in one transaction.
_EXPIRE_EVERY: Final = 60.0
_EXPIRE: Final = 1000
#: Notices told in one turn; then pause for ``_PAUSE`` times the turn's duration, to leave most of
#: the time to other tasks and to the store's threads.
_TURN: Final = 16
_PAUSE: Final = 6
#: Longest wait for the store on closing (seconds).
_CLOSE_WITHIN: Final = 5.0
#: Seconds until a node that may have lost its lease checks again.
_UNCERTAIN_PAUSE: Final = 0.2
#: Pause of a queue after a failed claim (seconds).
_STORE_PAUSE: Final = 1.0


class Notices(Keeper, ReceiverNotes, Protocol):
    """The part of :class:`bridge.store.Store` that the outbox uses."""

    def claim_notices(self, queue: str, now: int, limit: int) -> asyncio.Future[Sequence[Owed]]: ...

    async def expire_notices(self, mails_before: int, before: int, limit: int) -> int: ...

    def may_tell(self) -> bool: ...


class Outbox:
    """Tells the notices of this node. Belongs to one event loop; :meth:`run` it there.

    ``not_before`` gives the Unix time before which a notice must not be told, because the answer to
    the submission comes first; it is called again at that time. A notice that nobody took within
    ``keep`` seconds (a mail: ``keep_mails``) is given up. ``clock`` gives Unix time.
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
        self._outage = Outage("outbox_failed", work="claim")
        self._refused: Counter[tuple[str, str, str]] = Counter()
        self._bound = BoundReceivers(store)
        self._wanted = asyncio.Event()
        self._stopping = False
        self._turn = 0

    # --- takers ----------------------------------------------------------------------------

    def join(self, queue: str, taker: Taker, *, account: str = "") -> None:
        """From now on ``taker`` gets notices of ``queue``.

        With an ``account``, the store notes since when it has receivers here, for the trace.
        """
        place = Place(taker)
        found = self._queues.get(queue)
        if found is None:
            found = self._queues[queue] = NoticeQueue(queue)
        found.places.setdefault(taker.name, []).append(place)
        if account:
            self._bound.add(queue, account)
            self._wanted.set()
        found.look = True
        self._kick(found)

    def leave(self, queue: str, taker: Taker) -> None:
        """Tells ``taker`` no further notices; its answers to earlier ones still count."""
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
        """New notices in these queues, or a taker has room again. None: any queue."""
        if queues is None:
            self._wanted.set()  # other nodes may call this often: run() sets the pace
            return
        for name in queues:
            queue = self._queues.get(name)
            if queue is not None:
                queue.look = True
                self._kick(queue)

    # --- life cycle ------------------------------------------------------------------------

    async def run(self) -> None:
        """Finds notices that become due by time and ends expired ones, until cancelled."""
        expire_at = tell_at = 0.0
        outage = Outage("outbox_failed", work="expire")
        while True:
            # Not wait_for: in Python 3.11 it loses a cancellation that comes as it is woken.
            with suppress(TimeoutError):
                async with asyncio.timeout(LOOK_EVERY):
                    await self._wanted.wait()
            self._wanted.clear()
            self._look()
            if self._refused and self._loop.time() >= tell_at:
                tell_at = self._loop.time() + _TELL_EVERY
                self._tell_refused()
            try:
                await self._bound.note(self._queues)
                if self._loop.time() >= expire_at:
                    expire_at = self._loop.time() + _EXPIRE_EVERY
                    await self._expire()
                outage.over()
            except StoreError as error:
                outage.failed(error)
            await asyncio.sleep(_BREATH)

    def _tell_refused(self) -> None:
        """Logs one line for each taker and outcome, with the number of notices."""
        for (queue, taker, outcome), notices in self._refused.items():
            log.warning(
                "notices_not_taken", queue=queue, taker=taker, outcome=outcome, notices=notices
            )
        self._refused.clear()

    def stop(self) -> None:
        """Tells no further notices. Answers are still stored; notices without one are told again
        after the next start."""
        self._stopping = True

    async def close(self) -> None:
        """Waits until the answers are durable, ``_CLOSE_WITHIN`` seconds at most.

        Notices whose answers could not be stored are told again after the next start.
        """
        self._stopping = True
        try:
            async with asyncio.timeout(_CLOSE_WITHIN):
                await asyncio.sleep(0)  # answers that have just come
                await self._results.flush()
                await self._bound.note(())
        except (TimeoutError, StoreError) as error:
            log.warning("outbox_failed", error=str(error) or "the store is too slow")

    def _look(self) -> None:
        """Looks for notices that became due by time, in a few queues each time, all in turn."""
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
                self._give_back(queue)  # takers at another node may take them
                self._kick(queue)

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
        """Schedules :meth:`_pump` after this turn of the loop, once for all calls within it."""
        if not queue.kicked:
            queue.kicked = True
            self._loop.call_soon(self._pump, queue)

    def _pump(self, queue: NoticeQueue) -> None:
        queue.kicked = False
        if self._stopping or self._queues.get(queue.name) is not queue:
            return
        if not self._store.may_tell():
            # The lease may be lost: another node may be telling the notices claimed here.
            queue.kicked = True
            self._loop.call_later(_UNCERTAIN_PAUSE, self._pump, queue)
            return
        began = time.perf_counter()
        waits: list[float] = []
        now = self._clock()
        mono = self._loop.time()
        while queue.early and queue.early[0][0] <= mono:
            self._line_up(queue, heapq.heappop(queue.early)[2], now)
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
            # A claim of a few costs as much as a claim of many.
            later = 0.0 if room >= _TURN else queue.claimed_at + _CLAIM_EVERY - mono
            if room > 0 and later <= 0:
                queue.claimed_at = mono
                self._claim(queue, room)
            elif room > 0:
                waits.append(later)
        self._set_timer(queue, waits)

    def _set_timer(self, queue: NoticeQueue, waits: list[float]) -> None:
        """Pumps again when an early notice may be told, or when a taker has rested."""
        mono = self._loop.time()
        if queue.early:
            waits.append(queue.early[0][0] - mono)
        waits += [p.rests_until - mono for p in queue.all_places() if p.failures and not p.told]
        waits = [wait for wait in waits if wait > 0]
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None
        if waits:
            queue.timer = self._loop.call_later(min(waits), self._kick, queue)

    def _line_up(self, queue: NoticeQueue, owed: Owed, now: float) -> None:
        """Queues a notice: for now, or until the answer to its submission is out."""
        at = self._not_before(owed)
        if at <= now:
            queue.waiting.append(owed)
        else:
            # By the loop's time: the clock may be set back meanwhile.
            heapq.heappush(queue.early, (self._loop.time() + at - now, owed.notice.id, owed))

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
                self._outage.failed(error)
            else:
                log.error("outbox_failed", queue=queue.name, exc_info=error)
            self._loop.call_later(_STORE_PAUSE, self.wake, {queue.name})
            return
        self._outage.over()
        found = claimed.result()
        if len(found) >= room:
            queue.look = True
        now = self._clock()
        for owed in found:
            self._line_up(queue, owed, now)
        if self._stopping:
            return  # they stay claimed by this node until it has ended
        if self._queues.get(queue.name) is not queue:
            self._give_back(queue)
            return
        if found or queue.look:
            self._kick(queue)

    def _give_back(self, queue: NoticeQueue) -> None:
        """Returns claimed notices to the store: for another node, or for later."""
        if queue.timer is not None:
            queue.timer.cancel()
            queue.timer = None
        kept = [*queue.waiting, *(owed for _, _, owed in queue.early)]
        queue.waiting.clear()
        queue.early.clear()
        if self._stopping:
            return  # the store frees them when this node has ended
        for owed in kept:
            id, outcome, due_at = owed.notice.id, owed.notice.outcome, owed.notice.due_at
            self._results.note(Told(id, False, outcome, due_at, tried=False), queue.name)

    def _tell(self, queue: NoticeQueue, place: Place, owed: Owed) -> None:
        place.told += 1
        try:
            answer = place.taker.tell(owed)
        except Exception:  # one faulty notice must not stop the others
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
        present = self._queues.get(queue.name, queue)  # new takers may have replaced the queue
        present.answered_at = self._loop.time()
        if answer.ended:
            # The message's next notice may have waited for this one.
            more = "" if notice.state in FINAL else queue.name
            self._results.note(Told(notice.id, True, answer.outcome), more)
        elif self._stopping:
            return  # it is told again after the next start
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
