"""Replacement of waiting messages by a new one (``replace_if_present_flag``, SMPP 3.4 §5.2.18).

A new message replaces waiting ones to the same phone, from the same sender and, if the submission
names a type, of the same type. They are cancelled in the transaction that stores the new message,
so that exactly one goes out.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import structlog

from bridge.model.message import Stored, Submission
from bridge.sending.dispatcher import Dispatcher
from bridge.store import Acceptance, MoreWait, Repeats, SeenWaiting, Store

log = structlog.get_logger()


class Replacing:
    """Serialises replacements: of simultaneous submissions to one phone, the later replaces the
    earlier."""

    def __init__(self, store: Store, dispatcher: Dispatcher) -> None:
        self._store = store
        self._dispatcher = dispatcher
        #: (account, phone) → the last submission that is being stored.
        self._under_way: dict[tuple[str, str], asyncio.Future[None]] = {}

    async def accept(self, submission: Submission, acceptance: Acceptance) -> Repeats:
        """Stores the messages; returns the repeated ones, which replace nothing.

        Raises :class:`bridge.store.StoreError`; then nothing has changed.
        """
        async with self._turn({(one.account, one.phone) for one in acceptance.messages}):
            while True:
                earlier = await self._earlier(submission, acceptance)
                seen = SeenWaiting(frozenset(earlier), submission.message_type)
                try:
                    repeats, cancelled = await self._dispatcher.accept_instead(
                        acceptance._replace(seen=seen), earlier
                    )
                    break
                except MoreWait:  # another node was faster
                    continue
        for id in cancelled:
            message = earlier[id][0].message
            log.info("message_cancelled", id=id, account=message.account, by=earlier[id][1])
        return repeats

    async def _earlier(
        self, submission: Submission, acceptance: Acceptance
    ) -> dict[int, tuple[Stored, int]]:
        """The waiting messages to be replaced, by id, each with the id of its replacement."""
        earlier: dict[int, tuple[Stored, int]] = {}
        for message in acceptance.messages:
            for one in await self._store.waiting_for(message.account, message.phone):
                if one.message.sender == message.sender and submission.message_type in (
                    None,
                    one.message.message_type,
                ):
                    earlier[one.message.id] = one, message.id
        return earlier

    @asynccontextmanager
    async def _turn(self, phones: Iterable[tuple[str, str]]) -> AsyncIterator[None]:
        """Waits until earlier submissions are stored. The order of arrival prevents deadlocks."""
        phones = tuple(phones)
        before = {self._under_way[phone] for phone in phones if phone in self._under_way}
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._under_way.update(dict.fromkeys(phones, mine))
        try:
            if before:
                await asyncio.wait(before)
            yield
        finally:
            mine.set_result(None)
            for phone in phones:
                if self._under_way.get(phone) is mine:
                    del self._under_way[phone]
