"""The dispatcher: takes what waits to the API and brings back what became of it.

Batches have no timer: while fewer requests than allowed are in flight, what waits goes at once;
while they are all in flight, it gathers. What an answer means is read by
:mod:`bridge.cascade.answers`, how fast to go by :mod:`bridge.cascade.pace`, what goes next by
:mod:`bridge.cascade.batches`; here each message gets its change of state, durably, before anybody
is told. Memory holds only so many waiting messages; the rest stays in the store and is loaded when
there is room.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import structlog

from bridge.cascade.answers import Meaning, Verdict, judge
from bridge.cascade.batches import Queue
from bridge.cascade.client import CascadeClient
from bridge.cascade.pace import Pace, retry_delay
from bridge.cascade.wire import encode
from bridge.config import Cascade
from bridge.failure import Failure
from bridge.ids import Ids
from bridge.message import Message, Route, State
from bridge.store import Change, Lane, Store, StoreError

log = structlog.get_logger()

#: Waiting messages in memory, of one lane and of all; about a kilobyte each.
LANE_IN_MEMORY = 5_000
ALL_IN_MEMORY = 50_000
#: "Sent again with the same tracking id, twice at most, then held."
MAX_UNKNOWN = 2
#: How long the dispatcher rests when the store cannot note an attempt (seconds).
STORE_PAUSE = 1.0


class Progress(NamedTuple):
    """What became of a message, durably: its new state, and why where it was not taken."""

    message: Message
    state: State
    failure: Failure | None = None


@dataclass(slots=True)
class UpstreamLine:
    """One set of credentials at the API: its client, its pace, and what waits for it."""

    name: str
    client: CascadeClient
    headers: Mapping[str, str]
    pace: Pace
    queues: dict[Route, Queue] = field(
        default_factory=lambda: {route: Queue(route) for route in Route}
    )
    in_flight: int = 0
    splitting: int = 0  # of these: pieces of refused batches, and accounts set apart
    held: bool = False
    timer: asyncio.TimerHandle | None = None
    kicked: bool = False


class Dispatcher:
    """Owns every message that waits to be sent, from its acceptance to its last attempt.

    ``lines`` are the upstreams of the accounts that have their own, and under the empty name that
    of all the others. ``report`` is called in the loop with what is
    durable. Times of messages are Unix times (``clock``), of requests monotonic seconds.
    """

    def __init__(
        self,
        store: Store,
        ids: Ids,
        settings: Cascade,
        lines: Mapping[str, UpstreamLine],
        report: Callable[[Progress], None],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._ids = ids
        self._settings = settings
        self._line_by_account = lines
        self._report = report
        self._clock = clock
        self._monotonic = monotonic
        self.backlog = 0
        self._loaded: set[int] = set()
        self._withdrawn: set[int] = set()
        self._held: set[str] = set()
        #: Lanes of which the store has more than memory does.
        self._spilled: set[Lane] = set()
        #: While the store is read: what left memory meanwhile, and lanes that got more.
        self._left: set[int] | None = None
        self._grown: set[Lane] = set()
        self._wanted = asyncio.Event()
        self._wake_at: float | None = None
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._posts = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._loop = asyncio.get_running_loop()

    def _line_of(self, account: str) -> UpstreamLine:
        lines = self._line_by_account
        return lines.get(account) or lines[""]

    def _lines(self) -> Iterable[UpstreamLine]:
        return self._line_by_account.values()

    # --- what others ask -------------------------------------------------------------------

    def offer(self, messages: Iterable[Message]) -> None:
        """Takes over messages that the store has just accepted."""
        now = self._clock()
        for message in messages:
            self.backlog += 1
            self._load_or_leave(message, now)

    def clear(self, account: str, within: float) -> bool:
        """Whether an answer to a message of this account can come within so many seconds."""
        line = self._line_of(account)
        if not line.pace.clear(self._monotonic()):
            return False
        if line.held or account in self._held:
            return False
        oldest = min(
            (at for queue in line.queues.values() if (at := queue.oldest(account)) is not None),
            default=None,
        )
        return oldest is None or self._clock() - oldest <= within

    def withdraw(self, message: Message) -> bool:
        """Takes a message out of the queue, to be changed in the store; whether it could.

        It could not if it is being posted right now. Until :meth:`restore` it is not loaded
        again either.
        """
        queue = self._line_of(message.account).queues[message.route]
        if message.id in self._loaded:
            if not queue.remove(message.id, message.level, message.account):
                return False
            self._loaded.discard(message.id)
        self._withdrawn.add(message.id)
        return True

    def restore(self, id: int, message: Message | None = None) -> None:
        """Ends :meth:`withdraw`; ``message`` is what waits now under this id, if anything."""
        self._withdrawn.discard(id)
        if self._left is not None:
            self._left.add(id)
        if message is not None:
            self._load_or_leave(message, self._clock())

    def hold(self, scope: str, name: str, held: bool) -> None:
        """Holds or releases what waits of an account or of an upstream (its account's name, or
        ``cascade``)."""
        if scope == "account":
            (self._held.add if held else self._held.discard)(name)
        for line in self._lines():
            if scope == "upstream" and line.name == name:
                line.held = held
            for queue in line.queues.values():
                queue.held = self._held
            self._kick(line)

    def share(self, nodes: int) -> None:
        """Divides the request rate between so many nodes."""
        for line in self._lines():
            line.pace.share(nodes)

    async def expire(self) -> None:
        """Ends the messages that wait or are held though their validity has ended."""
        now = int(self._clock())
        while overdue := await self._store.overdue(now, 1000):
            expiring = [message for message in overdue if self.withdraw(message)]
            moved = set(await self._store.move([m.id for m in expiring], State.EXPIRED))
            for message in expiring:
                self.restore(message.id)
                if message.id in moved:
                    self.ended(message, State.EXPIRED)
            if not moved:
                return

    def ended(self, message: Message, state: State, *, waited: bool = True) -> None:
        """Reports what the store did with a message; ``waited``: it was not held before."""
        self.backlog -= waited
        self._report(Progress(message, state))

    # --- its life --------------------------------------------------------------------------

    async def run(self, ready: asyncio.Event) -> None:
        """Takes up what an earlier run left, then works until :meth:`stop`."""
        self.backlog = await self._store.backlog()
        for scope, name in await self._store.holds():
            self.hold(scope, name, True)
        await self.take_up_interrupted()
        await self._wake()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            loader = tasks.create_task(self._load())
            ready.set()
            await self._stopping.wait()
            loader.cancel()
            await self._idle.wait()

    def stop(self) -> None:
        """Begins no further request; :meth:`run` returns when those in flight are done."""
        self._stopping.set()

    async def take_up_interrupted(self) -> None:
        """Decides about what was in flight when a daemon died: its outcome is unknown."""
        for attempt, messages in (await self._store.interrupted()).items():
            log.warning("attempt_interrupted", attempt=attempt, messages=len(messages))
            changes = [self._unknown(message, "the bridge was stopped") for message in messages]
            await self._store.finish(attempt, changes)
            self.backlog -= sum(change.state is not State.ACCEPTED for change in changes)

    # --- memory and store ------------------------------------------------------------------

    def _load_or_leave(self, message: Message, now: float) -> None:
        """Puts an accepted message into memory, or leaves it to be loaded later."""
        if message.due_at > now:
            self._note_due(message.due_at)
            return
        if message.id in self._loaded or message.id in self._withdrawn:
            return
        if self._spilled or len(self._loaded) >= LANE_IN_MEMORY:
            lane = Lane(message.account, message.level, message.route.value)
            queue = self._line_of(message.account).queues[message.route]
            full = (
                queue.size(message.level, message.account) >= LANE_IN_MEMORY
                or len(self._loaded) >= ALL_IN_MEMORY
            )
            if full or lane in self._spilled:
                self._spilled.add(lane)
                self._grown.add(lane)
                return
        self._push(message)

    def _push(self, message: Message) -> None:
        line = self._line_of(message.account)
        self._loaded.add(message.id)
        line.queues[message.route].push(message)
        self._kick(line)

    def _unload(self, messages: Iterable[Message]) -> None:
        for message in messages:
            self._loaded.discard(message.id)
            if self._left is not None:
                self._left.add(message.id)
        if self._spilled:
            self._wanted.set()

    def _note_due(self, due_at: float) -> None:
        if self._wake_at is None or due_at < self._wake_at:
            self._wake_at = due_at
            self._wanted.set()

    async def _wake(self) -> None:
        """Some messages have become due: look into every lane, and note when the next will."""
        now = int(self._clock())
        self._wake_at = None
        self._spilled.update(await self._store.lanes())
        due_at = await self._store.next_due(now)
        if due_at is not None:
            self._note_due(due_at)
        self._wanted.set()

    async def _load(self) -> None:
        """Loads lanes of which the store has more, whenever there is room or something is due."""
        while True:
            wait = None if self._wake_at is None else max(0.0, self._wake_at - self._clock())
            try:
                async with asyncio.timeout(wait):
                    await self._wanted.wait()
            except TimeoutError:
                pass
            self._wanted.clear()
            try:
                if self._wake_at is not None and self._wake_at <= self._clock():
                    await self._wake()
                for lane in list(self._spilled):
                    await self._load_lane(lane)
            except StoreError as error:
                log.error("load_failed", error=str(error))
                await asyncio.sleep(STORE_PAUSE)
                self._wanted.set()

    async def _load_lane(self, lane: Lane) -> None:
        queue = self._line_of(lane.account).queues[Route(lane.route)]
        room = min(
            LANE_IN_MEMORY - queue.size(lane.level, lane.account),
            ALL_IN_MEMORY - len(self._loaded),
        )
        # Only when a good part has gone, so that each look brings many.
        if room < LANE_IN_MEMORY // 2:
            return
        left: set[int] = set()
        self._left = left
        self._grown.discard(lane)
        # Those in memory come first in the store's order too, and are passed over.
        limit = room + min(len(self._loaded), 2 * LANE_IN_MEMORY)
        try:
            messages = await self._store.waiting(lane, int(self._clock()), limit)
        finally:
            self._left = None
        for message in messages:
            if not (message.id in self._loaded or message.id in left | self._withdrawn):
                self._push(message)
        if len(messages) < limit and lane not in self._grown:
            self._spilled.discard(lane)

    # --- requests --------------------------------------------------------------------------

    def _kick(self, line: UpstreamLine) -> None:
        """Looks for a request to start, after what else this turn of the loop brings:
        what one commit made durable goes in one batch."""
        if not line.kicked:
            line.kicked = True
            self._loop.call_soon(self._pump, line)

    def _pump(self, line: UpstreamLine) -> None:
        """Starts as many requests as may be in flight, as far as pace and messages go."""
        line.kicked = False
        if self._tasks is None or self._stopping.is_set() or line.held:
            return
        while line.in_flight < (1 if line.pace.probing else self._settings.max_in_flight):
            chosen = self._choose(line)
            if chosen is None:
                return
            queue, batch, split = chosen
            line.in_flight += 1
            line.splitting += split
            self._posts += 1
            self._idle.clear()
            self._tasks.create_task(self._attempt(line, queue, batch, split))

    def _choose(self, line: UpstreamLine) -> tuple[Queue, list[Message], bool] | None:
        """The next batch that may go now; sets the timer where the pace says "later".

        What others were refused for goes first, but in at most half of the places and at most
        half of the rate.
        """
        now = self._monotonic()
        soonest: float | None = None
        limit = 1 if line.pace.probing else line.pace.max_batch
        # The route whose message has waited longest comes first.
        queues = sorted(line.queues.values(), key=lambda q: q.oldest() or 0)
        places = line.splitting < max(1, self._settings.max_in_flight // 2)
        for split in (True, False) if places else (False,):
            for queue in queues:
                while (queue.pieces or queue.conduct.apart) if split else len(queue):
                    wait = line.pace.wait(now, split=split)
                    batch = [] if wait else self._take(queue, limit, split)
                    if wait:
                        soonest = wait if soonest is None else min(soonest, wait)
                    elif batch is None:
                        pass
                    elif batch := self._drop_expired(batch):
                        line.pace.take(now, split=split)
                        return queue, batch, split
                    else:
                        continue
                    break
        if soonest is not None and line.timer is None:
            line.timer = self._loop.call_later(soonest, self._timer, line)
        return None

    def _take(self, queue: Queue, limit: int, split: bool) -> list[Message] | None:
        """Messages for one request; ``None`` where there are none of that kind."""
        if split and queue.pieces:
            batch = queue.piece()
            # The limit may have shrunk since the batch was cut.
            queue.push_back(batch[limit:])
            return batch[:limit]
        return queue.fill(limit, apart=split) or None

    def _timer(self, line: UpstreamLine) -> None:
        line.timer = None
        self._kick(line)

    def _drop_expired(self, batch: list[Message]) -> list[Message]:
        now = self._clock()
        expired = [message for message in batch if message.expires_at <= now]
        if not expired:
            return batch
        changes = [Change(message.id, State.EXPIRED) for message in expired]
        assert self._tasks is not None
        self._tasks.create_task(self._settle(0, expired, changes))
        return [message for message in batch if message.expires_at > now]

    async def _attempt(
        self, line: UpstreamLine, queue: Queue, batch: list[Message], split: bool
    ) -> None:
        """One request: noted, posted, and what came of it settled."""
        try:
            attempt = self._ids.next()
            try:
                gone = await self._store.begin(attempt, batch)
            except StoreError:
                queue.push_back(batch)
                await asyncio.sleep(STORE_PAUSE)
                return
            if gone:
                self._unload(message for message in batch if message.id in gone)
                batch = [message for message in batch if message.id not in gone]
                if not batch:
                    await self._store.finish(attempt, [])
                    return
            began = self._monotonic()
            body = encode(batch, self._clock(), self._settings.schedule_field)
            answer = await line.client.post(queue.route, line.headers, body)
            verdict = judge(answer)
            now = self._monotonic()
            self._note(line, queue, batch, verdict, now, answer.status, now - began)
            changes = self._changes(queue, batch, verdict)
            changed = {change.message_id for change in changes}
            await self._settle(
                attempt, [m for m in batch if m.id in changed], changes, verdict.failure
            )
        finally:
            line.in_flight -= 1
            line.splitting -= split
            self._posts -= 1
            if not self._posts:
                self._idle.set()
            self._kick(line)

    def _note(
        self,
        line: UpstreamLine,
        queue: Queue,
        batch: Sequence[Message],
        verdict: Verdict,
        now: float,
        status: int,
        took: float,
    ) -> None:
        """Tells the pace what the request met, and the log what an admin should know."""
        held = line.pace.held
        line.pace.note(verdict, len(batch), now)
        fields = {
            "upstream": line.name,
            "messages": len(batch),
            "status": status,
            "took_ms": round(took * 1000, 1),
        }
        if verdict.meaning is Meaning.TAKEN:
            log.debug("batch_sent", **fields)
            foreign = verdict.ids.keys() - {str(message.id) for message in batch}
            if foreign:
                log.warning("unknown_tracking_ids", ids=sorted(foreign)[:10], **fields)
        else:
            log.warning(
                "batch_not_taken", meaning=verdict.meaning.value, cause=verdict.cause, **fields
            )
        if line.pace.held and not held:
            log.error("upstream_held", upstream=line.name, cause=line.pace.held)
        elif held and not line.pace.held:
            log.warning("upstream_released", upstream=line.name)

    def _changes(self, queue: Queue, batch: list[Message], verdict: Verdict) -> list[Change]:
        """What each message of a posted batch becomes; those without a change wait as before."""
        meaning, cause = verdict.meaning, verdict.cause
        if meaning is Meaning.TAKEN:
            ids = verdict.ids
            for account in queue.conduct.taken(batch):
                log.info("account_no_longer_apart", account=account)
            return [
                Change(m.id, State.SENT, ids[key])
                if (key := str(m.id)) in ids
                else self._unknown(m, "the answer does not name the message")
                for m in batch
            ]
        if meaning is Meaning.UNKNOWN:
            return [self._unknown(m, cause) for m in batch]
        if meaning is Meaning.BROKEN:
            return [self._again(m._replace(attempts=m.attempts + 1), cause) for m in batch]
        if meaning in (Meaning.BAD, Meaning.FORBIDDEN, Meaning.TOO_LARGE) and len(batch) == 1:
            return [self._refused(queue, batch[0], verdict)]
        if meaning in (Meaning.BAD, Meaning.FORBIDDEN):
            queue.split(batch)
        else:
            queue.push_back(batch)
        return []

    def _refused(self, queue: Queue, message: Message, verdict: Verdict) -> Change:
        """The API's final no to one message; held where an earlier yes may have got lost."""
        if queue.conduct.refused(message.account):
            log.warning("account_set_apart", account=message.account)
        final = verdict.meaning is not Meaning.FORBIDDEN and not message.unknown
        return Change(
            message.id,
            State.REJECTED if final else State.HELD,
            due_at=message.due_at,
            attempts=message.attempts + 1,
            unknown=message.unknown,
            failure=verdict.failure.reason.name,
            cause=verdict.cause,
        )

    def _unknown(self, message: Message, cause: str) -> Change:
        """The API may have the message or not: again with the same id, or held for a person."""
        message = message._replace(attempts=message.attempts + 1, unknown=message.unknown + 1)
        if self._settings.unknown_outcome == "hold" or message.unknown > MAX_UNKNOWN:
            log.error("message_held", id=message.id, account=message.account, cause=cause)
            return self._again(message, cause)._replace(state=State.HELD)
        return self._again(message, cause)

    def _again(self, message: Message, cause: str) -> Change:
        due_at = int(self._clock() + retry_delay(message.attempts) + 0.999)
        return Change(
            message.id,
            State.ACCEPTED,
            due_at=due_at,
            attempts=message.attempts,
            unknown=message.unknown,
            cause=cause,
        )

    async def _settle(
        self,
        attempt: int,
        messages: Sequence[Message],
        changes: Sequence[Change],
        failure: Failure | None = None,
    ) -> None:
        """Makes the changes durable, then lets go of the messages and reports each."""
        try:
            await self._store.finish(attempt, changes)
        except StoreError as error:
            # Only while closing, or for a fault of ours: the next start takes them up again.
            log.error("finish_failed", attempt=attempt, error=str(error))
            return
        self._unload(messages)
        for message, change in zip(messages, changes, strict=True):
            if change.state is State.ACCEPTED:
                self._note_due(change.due_at)
            else:
                self.backlog -= 1
            why = None if change.state is State.SENT else failure
            self._report(Progress(message, change.state, why))
