"""The directory as the daemon has it: the store's verbs, and what is kept in memory beside them.

Every door changes the directory here, so that a change counts at once on this node; on the others
it counts within a second.
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
from bridge.store import Store, StoreError
from bridge.store.directory.verb import Verb

log = structlog.get_logger()

T = TypeVar("T")
P = ParamSpec("P")

#: How often other nodes' changes are looked for, and files that were left behind (seconds).
REFRESH_EVERY: Final = 1.0
RESUME_EVERY: Final = 60.0


class Directory:
    """Of all accounts. Belongs to one event loop: :meth:`open` it, then :meth:`run` it."""

    def __init__(self, store: Store, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self.black_lists = BlackLists(store)
        self.groups = Groups(store)
        self.importer = Importer(store, clock)
        self._refreshing = asyncio.Lock()  # one reader at a time decides what memory holds

    async def open(self) -> None:
        """Reads what is kept in memory. Raises StoreError."""
        await self.refresh()

    async def run(self) -> None:
        """Follows other nodes, and finishes what a process that is gone had begun."""
        resume_at = 0.0
        while True:
            try:
                await self.refresh()
                if time.monotonic() >= resume_at:
                    await self.importer.resume()
                    resume_at = time.monotonic() + RESUME_EVERY
            except StoreError as error:
                log.warning("directory_not_read", error=str(error))
            await asyncio.sleep(REFRESH_EVERY)

    async def refresh(self) -> None:
        """Brings memory up to date. Raises StoreError."""
        async with self._refreshing:
            await self.black_lists.refresh()
            await self.groups.refresh()

    async def look_up(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a verb that changes nothing. Raises Failure, also where the store is away."""
        try:
            return await self._store.look_up(verb, *args, **kwargs)
        except StoreError as error:
            raise error.failure from error

    async def note(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a verb that changes nothing of what memory holds. Raises Failure."""
        try:
            return await self._store.change(verb, *args, **kwargs)
        except StoreError as error:
            raise error.failure from error

    async def change(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs a verb; its change counts here from now on. Raises Failure."""
        try:
            answer = await self._store.change(verb, *args, **kwargs)
            await self.refresh()
        except StoreError as error:
            raise error.failure from error
        return answer
