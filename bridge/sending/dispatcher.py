"""The dispatcher: has waiting messages posted to the API and makes the results durable.

:mod:`bridge.sending.working_set` decides which messages are in memory,
:mod:`bridge.sending.upstream` which batch goes next, :mod:`bridge.sending.poster` what an answer
means for each message, :mod:`bridge.sending.moves` changes waiting messages. The dispatcher takes,
sends and settles messages; each change is durable before a client hears of it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence, Set
from contextlib import suppress

import structlog

from bridge.config.settings import Cascade
from bridge.log import together
from bridge.model.ids import Ids
from bridge.model.measures import MESSAGES
from bridge.model.message import Message, Receipts, State
from bridge.sending.decisions import Rest, after_unknown, expired
from bridge.sending.held_accounts import HeldAccounts
from bridge.sending.moves import Progress, QueueMoves, WaitingClients
from bridge.sending.poster import Poster, Settled
from bridge.sending.upstream import NewBatch, NextBatch, UpstreamLine, line_of
from bridge.sending.working_set import WorkingSet
from bridge.store import (
    Acceptance,
    Change,
    Repeats,
    Store,
    StoreError,
)

log = structlog.get_logger()

#: Pause of a request slot, or of loading, after the store failed (seconds).
STORE_PAUSE = 1.0


class Dispatcher(QueueMoves):
    """Owns every message that waits to be sent, from its acceptance to its last attempt.

    ``lines`` are the upstreams by account; the one of accounts without their own has the empty
    name. ``known``: whether the settings have an account of that name; messages of other accounts
    are not sent. ``clients`` are told of each durable change. Times of messages are Unix times
    (``clock``), of requests monotonic seconds.
    """

    def __init__(
        self,
        store: Store,
        ids: Ids,
        settings: Cascade,
        lines: Mapping[str, UpstreamLine],
        clients: WaitingClients,
        *,
        known: Callable[[str], bool] = lambda account: True,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(store, clients, WorkingSet(store, lines, clock, known), clock)
        self._ids = ids
        self._settings = settings
        self._lines = lines
        self._monotonic = monotonic
        self._poster = Poster(settings, clock=clock, monotonic=monotonic)
        self._held = HeldAccounts(known)
        for line in lines.values():
            for queue in line.queues.values():
                queue.held = self._held
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._requests: asyncio.TaskGroup | None = None

    # --- what others ask -------------------------------------------------------------------

    def has_room(self, message: Message) -> bool:
        """Whether the message is due and has room in memory, so that this node claims it."""
        return message.due_at <= self._clock() and self._working_set.has_room(message)

    def accept(self, acceptance: Acceptance, *, client_waits: bool) -> asyncio.Future[Repeats]:
        """Has the messages of a submission stored. A single message that can go at once begins its
        attempt in the same transaction: an idle bridge needs two transactions for it, not three.
        One for whose result no client waits goes together with others (:meth:`offer`).

        Raises :class:`bridge.store.StoreError` if the store is closed. :meth:`offer` the messages
        when they are stored.
        """
        new = self._new_batch(acceptance) if client_waits else None
        if new is None:
            return self._store.accept(acceptance)
        stored = self._store.accept(acceptance._replace(attempt=new.attempt))
        new.messages.append(acceptance.messages[0])
        new.stored.append(stored)
        self._working_set.post(acceptance.messages[0])
        return stored

    def _new_batch(self, acceptance: Acceptance) -> NewBatch | None:
        """The batch in which the message of an acceptance goes as soon as it is stored, if it can:
        with those that come in the same turn of the loop."""
        if len(acceptance.messages) > 1 or not acceptance.claimed or self._requests is None:
            return None
        message = acceptance.messages[0]
        line = line_of(self._lines, message.account)
        queue = line.queues[message.route]
        if not queue.may_take(message.account):
            return None
        new = line.new
        if new is not None:
            joins = new.queue is queue and len(new.messages) < line.pace.max_batch
            return new if joins else None
        now = self._monotonic()
        if line.is_idle(now) and self._working_set.is_all and not self._stopping.is_set():
            line.pace.take(now)
            line.in_flight += 1
            new = line.new = NewBatch(queue, self._ids.next())
            self._requests.create_task(self._send_new(line, new))
        return new

    def offer(self, messages: Sequence[Message], *, claimed: bool, client_waits: bool) -> None:
        """Takes over messages that the store has just accepted; ``claimed``: for this node. They go
        at once if a ``client_waits`` for the result, else after a short time for others to join."""
        MESSAGES.add("accepted", n=len(messages))
        self.backlog += len(messages)
        line = line_of(self._lines, messages[0].account)
        line.gather(self._monotonic(), client_waits=client_waits)
        for message in messages:
            if self._working_set.add(message, claimed=claimed):
                self._kick(line)

    def clear(self, account: str, within: float) -> bool:
        """Whether an answer to a message of this account can come within this time (seconds)."""
        if self._stopping.is_set():
            return False  # a message that is taken now is sent after the next start
        line = line_of(self._lines, account)
        if line.held or account in self._held or not line.pace.clear(self._monotonic()):
            return False
        latest = self._clock() - within
        for queue in line.queues.values():
            if len(queue) and (oldest := queue.oldest(account)) is not None and oldest < latest:
                return False
        return True

    # --- holds and nodes -------------------------------------------------------------------

    @property
    def held_accounts(self) -> Set[str]:
        """The accounts that an operator holds."""
        return self._held.by_operator

    async def refresh(self) -> None:
        """Takes over changes by other nodes: holds, and messages that are free now."""
        holds = await self._store.holds()
        by_operator = {name for scope, name in holds if scope == "account"}
        for account in self._held.by_operator - by_operator:
            self._hold("account", account, False)
        for line in self._lines.values():
            if line.held and ("upstream", line.name) not in holds:
                self._hold("upstream", line.name, False)
        for scope, name in holds:
            self._hold(scope, name, True)
        self._working_set.wake()
        for line in self._lines.values():
            self._kick(line)

    async def set_hold(self, scope: str, name: str, held: bool) -> None:
        """Holds or releases an ``account`` or an ``upstream``, durably."""
        await self._store.set_hold(scope, name, held)
        self._hold(scope, name, held)

    def _hold(self, scope: str, name: str, held: bool) -> None:
        if scope == "account":
            accounts = self._held.by_operator
            (accounts.add if held else accounts.discard)(name)
        for line in self._lines.values():
            if scope == "upstream" and line.name == name:
                line.held = held
            self._kick(line)
        self._working_set.want()

    def share(self, nodes: int) -> None:
        """Divides the request rate by the number of nodes."""
        for line in self._lines.values():
            line.pace.share(nodes)

    # --- life cycle ------------------------------------------------------------------------

    async def run(self, ready: asyncio.Event) -> None:
        """Takes up the messages of an earlier run, then sends until :meth:`stop`. Returns when the
        requests in flight are done."""
        for scope, name in await self._store.holds():
            self._hold(scope, name, True)
        await self.take_up_interrupted()
        self.backlog = await self._store.backlog()
        await self._clock_steps.follow_since(self._store.last_id)
        await self._working_set.begin()
        for account in sorted({lane.account for lane in await self._store.lanes()}):
            if not self._held.known(account):
                log.error("account_unknown", account=account, effect="its messages are held")
        async with asyncio.TaskGroup() as tasks:
            loading = tasks.create_task(self._load())
            async with asyncio.TaskGroup() as self._requests:
                ready.set()
                for line in self._lines.values():
                    self._kick(line)
                await self._stopping.wait()
            loading.cancel()

    def stop(self) -> None:
        """Starts no further requests; :meth:`run` returns when those in flight are done."""
        self._stopping.set()

    async def take_up_interrupted(self) -> None:
        """Decides about messages that were in flight when a daemon died: their outcome is
        unknown."""
        hold = self._settings.unknown_outcome == "hold"
        for attempt, messages in (await self._store.interrupted()).items():
            log.warning("attempt_interrupted", attempt=attempt, messages=len(messages))
            now = self._clock()
            changes = [
                after_unknown(message, "the bridge was stopped", now, hold=hold)
                for message in messages
            ]
            await self._settle(attempt, Settled(messages, changes))

    async def _load(self) -> None:
        """Loads whenever there is room or something is due, until it is cancelled."""
        while True:
            await self._working_set.wanted()
            try:
                async for account in self._working_set.load():
                    self._kick(line_of(self._lines, account))
            except StoreError as error:
                log.error("load_failed", error=str(error))
                await asyncio.sleep(STORE_PAUSE)
                self._working_set.want()

    # --- from a queue to the API, and the result ---------------------------------------------

    def _kick(self, line: UpstreamLine) -> None:
        """Looks for a request to start at the end of this turn of the loop, so that the messages
        of one commit go in one batch."""
        if not line.kicked:
            line.kicked = True
            self._loop.call_soon(self._pump, line)

    def _look_again(self, line: UpstreamLine, wait: float) -> None:
        """Looks for a request to start after so many seconds, or earlier if that was planned."""
        if line.timer is not None:
            if line.timer.when() <= self._loop.time() + wait:
                return
            line.timer.cancel()
        line.timer = self._loop.call_later(wait, self._timer, line)

    def _timer(self, line: UpstreamLine) -> None:
        line.timer = None
        self._kick(line)

    def _pump(self, line: UpstreamLine) -> None:
        """Starts requests, as many as the limit, the pace and the waiting messages allow."""
        line.kicked = False
        if self._requests is None:
            return
        while not self._stopping.is_set():
            now = self._monotonic()
            batch, wait = line.next_batch(now, self._settings.max_in_flight)
            if batch is None:
                if wait is not None:
                    self._look_again(line, wait)
                return
            messages = self._without_expired(batch.messages)
            if messages:
                line.pace.take(now, split=batch.split)
                line.in_flight += 1
                line.splitting += batch.split
                self._requests.create_task(self._send(line, batch._replace(messages=messages)))

    def _without_expired(self, messages: list[Message]) -> list[Message]:
        now = self._clock()
        over = [message for message in messages if message.expires_at <= now]
        if not over:
            return messages
        assert self._requests is not None
        if self._clock_steps.step():
            # They may not be over: the store gets the right times, and has them loaded again.
            self._working_set.leave(message.id for message in over)
            self._requests.create_task(self._follow_clock())
        else:
            changes = [expired(message) for message in over]
            self._requests.create_task(self._settle(0, Settled(over, changes)))
        return [message for message in messages if message.expires_at > now]

    async def _follow_clock(self) -> None:
        with suppress(StoreError):  # tried again before messages are looked for that expired
            await self.follow_clock()

    async def _send(self, line: UpstreamLine, batch: NextBatch) -> None:
        """One attempt: noted in the store, posted, its results stored."""
        try:
            attempt = self._ids.next()
            try:
                gone = await self._store.begin(attempt, batch.messages)
            except StoreError:
                self._put_back(batch)
                await asyncio.sleep(STORE_PAUSE)
                return
            if gone:
                self._working_set.leave(gone)
                mine = [message for message in batch.messages if message.id not in gone]
                batch = batch._replace(messages=mine)
            await self._attempt(line, batch, attempt)
        finally:
            line.in_flight -= 1
            line.splitting -= batch.split
            if line.waits:
                self._kick(line)

    async def _send_new(self, line: UpstreamLine, new: NewBatch) -> None:
        """As :meth:`_send`, for new messages whose attempt begins when they are stored."""
        line.new = None  # this turn of the loop is over
        try:
            messages = await new.take_stored()
            if len(messages) < len(new.messages):
                here = {message.id for message in messages}
                self._working_set.leave([m.id for m in new.messages if m.id not in here])
            if messages:
                batch = NextBatch(new.queue, self._without_expired(messages), False)
                await self._attempt(line, batch, new.attempt)
            else:
                line.pace.give_back()
        finally:
            line.in_flight -= 1
            if line.waits:
                self._kick(line)

    async def _attempt(self, line: UpstreamLine, batch: NextBatch, attempt: int) -> None:
        """Posts a batch whose attempt has begun, and stores the results."""
        if batch.messages:
            settled = await self._post(line, batch)
        else:
            line.pace.give_back(split=batch.split)
            settled = Settled((), ())
        if await self._settle(attempt, settled) and settled.rest is not Rest.NONE:
            self._put_back(batch, split=settled.rest is Rest.SPLIT)

    def _put_back(self, batch: NextBatch, *, split: bool = False) -> None:
        """Puts the messages of a batch back into their queues, ``split`` into pieces. A reload may
        have given an account an upstream of its own meanwhile."""
        by_line: dict[str, list[Message]] = {}
        for message in batch.messages:
            name = message.account if message.account in self._lines else ""
            by_line.setdefault(name, []).append(message)
        for name, messages in by_line.items():
            queue = self._lines[name].queues[batch.queue.route]
            if split and queue is batch.queue:
                queue.split(messages)
            else:
                queue.push_back(messages)
            self._kick(self._lines[name])

    async def _post(self, line: UpstreamLine, batch: NextBatch) -> Settled:
        """Posts a batch. Clients whose time ends before the next request may go are answered."""
        settled = await self._poster.post(line, batch)
        now = self._monotonic()
        if not line.pace.clear(now):
            wait = line.pace.wait(now)
            self._clients.give_up_within(wait, lambda name: line_of(self._lines, name) is line)
        return settled

    async def _settle(self, attempt: int, settled: Settled) -> bool:
        """Ends the attempt (0: there was none) and makes the changes durable, then removes the
        changed messages from memory and reports each; returns whether they could be stored.

        A final state that is no client's answer gets a notice, stored with it.
        """
        changes = [
            self._ended(message, change)
            if change.state is State.REJECTED or change.state is State.EXPIRED
            else change
            for message, change in zip(settled.messages, settled.changes, strict=True)
        ]
        try:
            await self._store.finish(attempt, changes)
        except StoreError as error:
            # Only on closing, or after a bug: the next start takes the messages up again.
            log.error("finish_failed", attempt=attempt, error=str(error))
            for message in settled.messages:
                self._clients.wait_on(message)
            return False
        self._working_set.leave([message.id for message in settled.messages])
        if len(changes) == 1:  # at most one line
            self._report(settled, changes)
        else:
            with together():
                self._report(settled, changes)
        return True

    def _report(self, settled: Settled, changes: Sequence[Change]) -> None:
        states = [change.state._value_ for change in changes]
        for state_name in set(states) - {State.ACCEPTED._value_}:
            MESSAGES.add(state_name, n=states.count(state_name))
        for message, change in zip(settled.messages, changes, strict=True):
            state = change.state
            if state is State.ACCEPTED:
                self._working_set.note_due(change.due_at)
            else:
                self.backlog -= 1
            if state is State.HELD:
                log.error(
                    "message_held", id=message.id, account=message.account, cause=change.cause
                )
            failure = None if state is State.SENT else settled.failure
            self._clients.report(Progress.__new__(Progress, message, state, failure))

    def _ended(self, message: Message, change: Change) -> Change:
        """Adds the notices of a final state, for each id whose client does not get it as its
        answer."""
        if change.state is State.EXPIRED and message.unknown:
            return change._replace(notify=True)  # the answer is no failure: the API may have it
        heard = self._clients.will_hear(message)
        return change._replace(
            notify=not heard or Receipts.ALIASES in message.receipts, heard=heard
        )
