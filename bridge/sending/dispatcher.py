"""The dispatcher: has what waits taken to the API, and brings back what became of it.

What is in memory is decided by :mod:`bridge.sending.working_set`, what is posted when by
:mod:`bridge.sending.poster`. Here messages come and go, are held and moved, and each change is
durable before anybody is told.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple, Protocol

import structlog

from bridge.config.settings import Cascade
from bridge.model.failure import Failure
from bridge.model.ids import Ids
from bridge.model.message import Message, Receipts, State, Stored
from bridge.sending.decisions import after_unknown
from bridge.sending.poster import Attempts
from bridge.sending.upstream import UpstreamLine
from bridge.sending.working_set import Window
from bridge.store import Change, Store, StoreError

log = structlog.get_logger()


class Progress(NamedTuple):
    """What became of a message, durably: its new state, and why where it was not taken."""

    message: Message
    state: State
    failure: Failure | None = None


class Clients(Protocol):
    """Those who wait for an outcome (:class:`bridge.relay.pending_answers.WaitingClients`)."""

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
        self._attempts = Attempts(
            store,
            ids,
            settings,
            self._settle,
            self._window.leave,
            clock=clock,
            monotonic=monotonic,
        )

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
            self._attempts.kick(line)

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
            loading = tasks.create_task(self._window.run())
            ready.set()
            await self._attempts.run(self._lines.values())
            loading.cancel()

    def stop(self) -> None:
        """Begins no further request; :meth:`run` returns when those in flight are done."""
        self._attempts.stop()

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

    # --- what became of them ---------------------------------------------------------------

    def _push(self, message: Message) -> None:
        line = self._line_of(message.account)
        line.queues[message.route].push(message)
        self._attempts.kick(line)

    async def _settle(
        self,
        attempt: int,
        messages: Sequence[Message],
        changes: Sequence[Change],
        failure: Failure | None,
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
