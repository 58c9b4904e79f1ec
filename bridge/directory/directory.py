"""The directory in the daemon: the store's verbs, and copies in memory.

All changes are made here, so that they take effect at once on this node, and within a second on
others.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, ParamSpec, TypeVar

import structlog

from bridge.directory.black_list import BlackLists
from bridge.directory.groups import Groups
from bridge.directory.importing import Importer
from bridge.model.failure import Failure, Reason
from bridge.store import Store, StoreError, failing
from bridge.store.directory.verb import Verb
from bridge.store.outage import Outage

log = structlog.get_logger()

T = TypeVar("T")
P = ParamSpec("P")

#: Interval of checks for other nodes' changes, and for abandoned files (seconds).
REFRESH_EVERY: Final = 1.0
RESUME_EVERY: Final = 60.0
#: So many calls of an account at once are too many.
AT_ONCE: Final = 15


class Directory:
    """The directory of all accounts. Belongs to one event loop: :meth:`open` it, then :meth:`run`
    it."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self.black_lists = BlackLists(store)
        self.groups = Groups(store)
        self.importer = Importer(store, clock)
        self._refreshing = asyncio.Lock()  # guards the memory: one refresh at a time

    async def open(self) -> None:
        """Fills the memory. Raises StoreError."""
        await self.refresh()

    async def run(self) -> None:
        """Follows other nodes' changes, and finishes imports of processes that are gone."""
        resume_at = 0.0
        outage = Outage("directory_not_read")
        while True:
            try:
                await self.refresh()
                if time.monotonic() >= resume_at:
                    await self.importer.resume()
                    resume_at = time.monotonic() + RESUME_EVERY
                outage.over()
            except StoreError as error:
                outage.failed(error)
            await asyncio.sleep(REFRESH_EVERY)

    async def refresh(self) -> None:
        """Updates the memory. Raises StoreError."""
        async with self._refreshing:
            await self.black_lists.refresh()
            await self.groups.refresh()

    async def take_place(self, account: str) -> None:
        """Begins a call of an account. Raises Failure(TOO_MANY_SESSIONS) if fourteen are under way,
        over all nodes; else :meth:`give_back_place` at its end."""
        if not await self._store.take_place(account, AT_ONCE - 1):
            raise Failure(Reason.TOO_MANY_SESSIONS)

    async def give_back_place(self, account: str) -> None:
        """The call is answered."""
        await self._store.give_back_place(account)

    async def look_up(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a verb that changes nothing. Raises Failure, also for store errors."""
        with failing():
            return await self._store.look_up(verb, *args, **kwargs)

    async def note(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a verb whose changes do not concern the memory. Raises Failure."""
        with failing():
            return await self._store.change(verb, *args, **kwargs)

    async def change(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a verb, and updates the memory. Raises Failure."""
        with failing():
            answer = await self._store.change(verb, *args, **kwargs)
            await self.refresh()
        return answer
