"""The dispatcher: takes what waits to the API and brings back what became of it.

Batches have no timer: while fewer requests than allowed are in flight, what waits goes at once;
while they are all in flight, it gathers. What an answer means is read by
:mod:`bridge.cascade.answers`, what follows for each message decided by :mod:`bridge.decisions`,
how fast to go by :mod:`bridge.cascade.pace`, what goes next by :mod:`bridge.cascade.batches`, what
is in memory by :mod:`bridge.window`. Here all of it happens, and each change is durable before
anybody is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog

from bridge.cascade.answers import Answer, Meaning, Verdict, judge
from bridge.cascade.batches import Queue
from bridge.cascade.line import UpstreamLine
from bridge.cascade.wire import encode
from bridge.config import Cascade
from bridge.decisions import Rest, after_unknown, decide
from bridge.failure import Failure, Reason
from bridge.ids import Ids
from bridge.message import Message, Receipts, State, Stored
from bridge.store import Change, Store, StoreError
from bridge.window import Window

log = structlog.get_logger()

#: How long a place for requests rests when the store cannot note an attempt (seconds).
STORE_PAUSE = 1.0


class Progress(NamedTuple):
    """What became of a message, durably: its new state, and why where it was not taken."""

    message: Message
    state: State
    failure: Failure | None = None


class Clients(Protocol):
    """Those who wait for an outcome (:class:`bridge.waiting.WaitingClients`)."""

    def report(self, progress: Progress) -> None:
        """What became of a message, durably."""

    def will_hear(self, message: Message) -> int:
        """The id under which a client is answered with the end that is being stored now, for which
        it waits; 0 if there is none."""

    def wait_on(self, message: Message) -> None:
        """That end could not be stored."""

    def awaits(self, message: Message) -> bool:
        """Whether a client waits for the outcome."""


class Dispatcher:
    """Owns every message that waits to be sent, from its acceptance to its last attempt.

    ``lines`` are the upstreams of the accounts that have their own, and under the empty name that
    of all the others. ``report`` is called in the loop with what is durable. Times of messages are
    Unix times (``clock``), of requests monotonic seconds.
    """

    def __init__(
        self,
        store: Store,
        ids: Ids,
        settings: Cascade,
        lines: Mapping[str, UpstreamLine],
        clients: Clients,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._ids = ids
        self._settings = settings
        self._lines = lines
        self._clients = clients
        self._clock = clock
        self._monotonic = monotonic
        #: How many messages wait to be sent.
        self.backlog = 0
        self._window = Window(
            store,
            lambda account, route: self._line_of(account).queues[route],
            self._push,
            clock,
        )
        self._held: set[str] = set()
        self._stopping = asyncio.Event()
        self._idle = asyncio.Event()
        self._idle.set()
        self._posts = 0
        self._tasks: asyncio.TaskGroup | None = None
        self._loop = asyncio.get_running_loop()

    def _line_of(self, account: str) -> UpstreamLine:
        return self._lines.get(account) or self._lines[""]

    # --- what others ask -------------------------------------------------------------------

    def has_room(self, message: Message) -> bool:
        """Whether a message that is due now would be kept in memory, and so be this node's."""
        return message.due_at <= self._clock() and self._window.has_room(message)

    def offer(self, messages: Iterable[Message]) -> None:
        """Takes over messages that the store has just accepted."""
        for message in messages:
            self.backlog += 1
            self._window.add(message)

    def clear(self, account: str, within: float) -> bool:
        """Whether an answer to a message of this account can come within so many seconds."""
        line = self._line_of(account)
        if line.held or account in self._held or not line.pace.clear(self._monotonic()):
            return False
        oldest = min(
            (at for queue in line.queues.values() if (at := queue.oldest(account)) is not None),
            default=None,
        )
        return oldest is None or self._clock() - oldest <= within

    async def move(self, stored: Sequence[Stored], to: State) -> list[int]:
        """Cancels, holds, releases or expires messages that are not at the API.

        Tells the ids of those that it could; each is reported.
        """
        mine = [one for one in stored if self._window.withdraw(one.message)]
        moved: list[int] = []
        try:
            moved = await self._store.move([one.message.id for one in mine], to)
        finally:
            for one in mine:
                self._window.restore(one.message.id)
            if len(moved) < len(mine) or to is State.ACCEPTED:
                await self._window.wake()
        for message, state, *_ in mine:
            if message.id in moved:
                self.backlog += (to is State.ACCEPTED) - (state is State.ACCEPTED)
                self._clients.report(Progress(message, to))
        return moved

    async def replace(self, old: Message, new: Message) -> bool:
        """Puts ``new`` in the place of ``old``, which has the same id, unless it has gone out."""
        if not self._window.withdraw(old):
            return False
        replaced = False
        try:
            replaced = await self._store.replace(new)
        finally:
            self._window.restore(old.id)
            await self._window.wake()
        return replaced

    async def expire(self) -> None:
        """Ends the messages that wait or are held though their validity has ended."""
        now = int(self._clock())
        while overdue := await self._store.overdue(now, 1000):
            # Who still waits for an answer hears it as one.
            alone = [one for one in overdue if not self._clients.awaits(one.message)]
            if not alone or not await self.move(alone, State.EXPIRED):
                return

    async def refresh(self) -> None:
        """Looks for what other nodes have changed: holds, and messages that are free now."""
        holds = await self._store.holds()
        for account in self._held - {name for scope, name in holds if scope == "account"}:
            self._hold("account", account, False)
        for line in self._lines.values():
            if line.held and ("upstream", line.name) not in holds:
                self._hold("upstream", line.name, False)
        for scope, name in holds:
            self._hold(scope, name, True)
        await self._window.wake()

    async def set_hold(self, scope: str, name: str, held: bool) -> None:
        """Holds or releases, durably, all that waits of an ``account`` or an ``upstream``."""
        await self._store.set_hold(scope, name, held)
        self._hold(scope, name, held)

    def _hold(self, scope: str, name: str, held: bool) -> None:
        if scope == "account":
            (self._held.add if held else self._held.discard)(name)
        for line in self._lines.values():
            if scope == "upstream" and line.name == name:
                line.held = held
            for queue in line.queues.values():
                queue.held = self._held
            self._kick(line)

    def share(self, nodes: int) -> None:
        """Divides the request rate between so many nodes."""
        for line in self._lines.values():
            line.pace.share(nodes)

    # --- its life --------------------------------------------------------------------------

    async def run(self, ready: asyncio.Event) -> None:
        """Takes up what an earlier run left, then works until :meth:`stop`."""
        for scope, name in await self._store.holds():
            self._hold(scope, name, True)
        await self.take_up_interrupted()
        self.backlog = await self._store.backlog()
        await self._window.wake()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            loading = tasks.create_task(self._window.run())
            ready.set()
            await self._stopping.wait()
            loading.cancel()
            await self._idle.wait()

    def stop(self) -> None:
        """Begins no further request; :meth:`run` returns when those in flight are done."""
        self._stopping.set()

    async def take_up_interrupted(self) -> None:
        """Decides about what was in flight when a daemon died: its outcome is unknown."""
        hold = self._settings.unknown_outcome == "hold"
        for attempt, messages in (await self._store.interrupted()).items():
            log.warning("attempt_interrupted", attempt=attempt, messages=len(messages))
            now = self._clock()
            changes = [
                after_unknown(message, "the bridge was stopped", now, hold=hold)
                for message in messages
            ]
            await self._store.finish(attempt, changes)
            for change in changes:
                if change.state is State.ACCEPTED:
                    self._window.note_due(change.due_at)

    # --- requests --------------------------------------------------------------------------

    def _push(self, message: Message) -> None:
        line = self._line_of(message.account)
        line.queues[message.route].push(message)
        self._kick(line)

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

        Pieces of refused batches and accounts set apart go first, but take at most half of the
        places and half of the rate. Of two routes, that whose message has waited longest is first.
        """
        now = self._monotonic()
        soonest: float | None = None
        queues = sorted(line.queues.values(), key=lambda queue: queue.oldest() or 0)
        places = line.splitting < max(1, self._settings.max_in_flight // 2)
        for split in (True, False) if places else (False,):
            for queue in queues:
                if not (queue.has_split if split else len(queue)):
                    continue
                wait = line.pace.wait(now, split=split)
                if wait:
                    soonest = wait if soonest is None else min(soonest, wait)
                    continue
                limit = 1 if line.pace.probing else line.pace.max_batch
                taken = queue.fill_split(limit) if split else queue.fill(limit)
                if batch := self._drop_expired(taken):
                    line.pace.take(now, split=split)
                    return queue, batch, split
                if taken:
                    self._kick(line)
        if soonest is not None and line.timer is None:
            line.timer = self._loop.call_later(soonest, self._timer, line)
        return None

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
                self._window.leave(gone)
                batch = [message for message in batch if message.id not in gone]
            await self._post(line, queue, attempt, batch)
        finally:
            line.in_flight -= 1
            line.splitting -= split
            self._posts -= 1
            if not self._posts:
                self._idle.set()
            self._kick(line)

    async def _post(
        self, line: UpstreamLine, queue: Queue, attempt: int, batch: list[Message]
    ) -> None:
        if not batch:
            await self._store.finish(attempt, [])
            return
        began = self._monotonic()
        try:
            body = encode(batch, self._clock(), self._settings.schedule_field)
        except TypeError as error:
            # One of them is nothing that JSON can say; it is found as if the API had refused it.
            verdict = Verdict(Meaning.BAD, Failure(Reason.OPERATION_FAILED, cause=str(error)))
            log.error("batch_not_encoded", messages=len(batch), error=str(error))
        else:
            answer = await line.client.post(queue.route, line.headers, body)
            verdict = judge(answer)
            self._note(line, batch, answer, verdict, self._monotonic() - began)
        decision = decide(
            batch,
            verdict,
            self._clock(),
            hold_unknown=self._settings.unknown_outcome == "hold",
            poll_after=self._settings.poll_after if self._settings.poll else None,
        )
        self._note_conduct(queue, batch, decision.changes)
        if decision.rest is Rest.SPLIT:
            queue.split(batch)
        elif decision.rest is Rest.BACK:
            queue.push_back(batch)
        # Changes are those of the whole batch, in its order, or there are none.
        changed = batch if decision.changes else []
        await self._settle(attempt, changed, decision.changes, verdict.failure)

    def _note(
        self,
        line: UpstreamLine,
        batch: Sequence[Message],
        answer: Answer,
        verdict: Verdict,
        took: float,
    ) -> None:
        """Tells the pace what the request met, and the log what an admin should know."""
        held = line.pace.held
        line.pace.note(verdict, len(batch), self._monotonic())
        fields = {
            "upstream": line.name,
            "messages": len(batch),
            "status": answer.status,
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

    def _note_conduct(
        self, queue: Queue, batch: Sequence[Message], changes: Sequence[Change]
    ) -> None:
        """Keeps count of whose messages are refused and whose are taken."""
        if not changes:
            return
        if changes[0].state is State.REJECTED:
            if queue.conduct.refused(batch[0].account):
                log.warning("account_set_apart", account=batch[0].account)
        elif changes[0].state is State.SENT:
            for account in queue.conduct.taken(batch):
                log.info("account_no_longer_apart", account=account)

    async def _settle(
        self,
        attempt: int,
        messages: Sequence[Message],
        changes: Sequence[Change],
        failure: Failure | None = None,
    ) -> None:
        """Makes the changes durable, then lets go of the messages and reports each.

        An end that no client waits for any more brings about a notice, stored with it.
        """
        changes = [
            self._ended(message, change)
            if change.state is State.REJECTED or change.state is State.EXPIRED
            else change
            for message, change in zip(messages, changes, strict=True)
        ]
        try:
            await self._store.finish(attempt, changes)
        except StoreError as error:
            # Only while closing, or for a fault of ours: the next start takes them up again.
            log.error("finish_failed", attempt=attempt, error=str(error))
            for message in messages:
                self._clients.wait_on(message)
            return
        self._window.leave(message.id for message in messages)
        for message, change in zip(messages, changes, strict=True):
            state = change.state
            if state is State.ACCEPTED:
                self._window.note_due(change.due_at)
            else:
                self.backlog -= 1
            if state is State.HELD:
                log.error(
                    "message_held", id=message.id, account=message.account, cause=change.cause
                )
            self._clients.report(Progress(message, state, None if state is State.SENT else failure))

    def _ended(self, message: Message, change: Change) -> Change:
        """Who is to hear of an end: those that no answer tells it, under each id of its own."""
        heard = self._clients.will_hear(message)
        return change._replace(
            notify=not heard or Receipts.ALIASES in message.receipts, heard=heard
        )
