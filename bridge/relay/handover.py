"""Hands durable messages to the dispatcher, and decides whether their client waits for the result.

Other nodes may send messages that were accepted here: their results are read from the store as long
as a client waits for them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress

from bridge.model.message import Message
from bridge.relay.pending_answers import ANSWER_WITHIN, PendingAnswer, PendingAnswers
from bridge.sending.dispatcher import Dispatcher
from bridge.store import Store, StoreError
from bridge.store.outage import Outage

#: Interval for reading the state of messages that another node may send (seconds).
_LOOK_ELSEWHERE = 1.0


class Handover:
    """The last step of a submission; ``clock`` gives Unix time."""

    def __init__(
        self,
        store: Store,
        pending: PendingAnswers,
        dispatcher: Dispatcher,
        tasks: asyncio.TaskGroup,
        clock: Callable[[], float],
    ) -> None:
        self._store = store
        self._pending = pending
        self._dispatcher = dispatcher
        self._tasks = tasks
        self._clock = clock
        self._watching = False
        self._settled_elsewhere = asyncio.Event()

    def send(
        self,
        pending: PendingAnswer,
        messages: Sequence[Message],
        claimed: bool,
        *,
        wait: bool = False,
    ) -> None:
        """Hands the messages to the dispatcher. The client waits for the result if it can come in
        time, and always with ``wait``."""
        settings = pending.account.settings
        within = settings.answer_within or ANSWER_WITHIN[pending.submission.protocol]
        # A message that is not due yet has no result to wait for.
        soon = settings.answer == "result" and messages[0].due_at <= self._clock()
        client_waits = wait or (soon and self._dispatcher.clear(pending.account.name, within))
        if client_waits:
            self._pending.add(pending, within)
        else:
            self._pending.give_up(pending)
        self._dispatcher.offer(messages, claimed=claimed, client_waits=client_waits)
        if not claimed and self._pending.awaits(messages[0]):
            self._pending.may_be_sent_elsewhere(messages)
            if not self._watching:
                self._watching = True
                self._tasks.create_task(self._watch_elsewhere())

    def settled_elsewhere(self, message_ids: Sequence[int]) -> None:
        """Another node has settled messages that were accepted here."""
        self._settled_elsewhere.set()

    async def _watch_elsewhere(self) -> None:
        """Reads the state of messages that another node may send, as long as a client waits: when
        that node signals it, and periodically in case the signal is lost."""
        outage = Outage("answers_not_looked_up")
        try:
            while ids := self._pending.elsewhere():
                with suppress(TimeoutError):
                    async with asyncio.timeout(_LOOK_ELSEWHERE):
                        await self._settled_elsewhere.wait()
                self._settled_elsewhere.clear()
                try:
                    for stored in await self._store.messages(ids):
                        self._pending.report_elsewhere(stored)
                    outage.over()
                except StoreError as error:  # the next look may succeed
                    outage.failed(error)
        finally:
            self._watching = False
