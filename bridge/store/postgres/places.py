"""Places of an account over all nodes: advisory locks of the database, one for each place.

A node that is gone holds none, since its session has ended. While a node is alone it counts by
itself, which costs no query.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import defaultdict
from functools import lru_cache
from typing import Final

from bridge.store.places import Places
from bridge.store.postgres.connection import ERRORS, PgConnection, connect
from bridge.store.postgres.lease import Lease

_TAKE: Final = (
    "SELECT key FROM unnest($1::bigint[]) AS keys (key) WHERE pg_try_advisory_lock(key) LIMIT 1"
)
#: How long a call may wait for the database, and the pause after a failed connection (seconds).
_PATIENCE: Final = 1.0
_AGAIN_AFTER: Final = 5.0
_GIVE_BACK: Final = "SELECT pg_advisory_unlock($1)"
#: The database ends the session of a node that was cut off within half a minute.
_KEEPALIVE: Final = {
    "tcp_keepalives_idle": "10",
    "tcp_keepalives_interval": "5",
    "tcp_keepalives_count": "4",
}


class SharedPlaces(Places):
    """The places over all nodes. :meth:`close` it at the end.

    Without the database a place is free if it is free here: the call itself will fail, or not need
    the database.
    """

    def __init__(self, url: str, lease: Lease) -> None:
        super().__init__()
        self._url = url
        self._lease = lease
        self._connection: PgConnection | None = None
        self._using = asyncio.Lock()  # guards the connection: one query at a time
        self._not_before = 0.0
        #: The locks that this node holds, by account.
        self._held: defaultdict[str, list[int]] = defaultdict(list)

    async def take(self, account: str, most: int) -> bool:
        if not await super().take(account, most):
            return False
        if self._lease.is_alone:
            return True
        async with self._using:
            if time.monotonic() < self._not_before:
                return True
            try:
                async with asyncio.timeout(_PATIENCE):
                    taken = await self._lock(account, most)
            except ERRORS:
                self._lose()
                return True
        if not taken:
            await super().give_back(account)
        return taken

    async def _lock(self, account: str, most: int) -> bool:
        if self._connection is None or self._connection.is_closed():
            self._lose()
            self._not_before = time.monotonic() + _AGAIN_AFTER
            self._connection = await connect(self._url, _KEEPALIVE)
            self._not_before = 0.0
        held = self._held[account]
        # A session gets a lock that it has already once more.
        free = [key for key in _keys(account, most) if key not in held]
        found = await self._connection.fetch(_TAKE, free)
        held += [key for (key,) in found]
        return bool(found)

    async def give_back(self, account: str) -> None:
        await super().give_back(account)
        if account not in self._held:
            return
        async with self._using:
            # Other calls of the account may have begun while this node was alone.
            if len(held := self._held[account]) > self._taken[account] and self._connection:
                try:
                    async with asyncio.timeout(_PATIENCE):
                        await self._connection.fetch(_GIVE_BACK, held.pop())
                except ERRORS:
                    self._lose()
            if not held:
                self._held.pop(account, None)

    def _lose(self) -> None:
        """The session has ended, and its locks with it."""
        if self._connection is not None:
            self._connection.terminate()
        self._connection = None
        self._held.clear()

    async def close(self) -> None:
        """Frees all places."""
        async with self._using:
            self._lose()


@lru_cache(maxsize=1024)
def _keys(account: str, most: int) -> tuple[int, ...]:
    """The keys of the account's places."""
    return tuple(
        int.from_bytes(
            hashlib.blake2b(f"place {place} of {account}".encode(), digest_size=8).digest(),
            "big",
            signed=True,
        )
        for place in range(most)
    )
