"""Counts today's accepted messages of each account with a ``daily_limit``.

Days are UTC. Messages that the store did not take, and repeated ones, do not count. Where several
nodes share a store, each reads the common count every few seconds, and accepts at most its share of
the rest until the next reading.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import structlog

from bridge.accounts.accounts import Account, Accounts
from bridge.model.failure import Failure, Reason
from bridge.store import Store, StoreError

log = structlog.get_logger()


#: Seconds between two readings of a shared store.
LOOK_EVERY: Final = 5.0


class _Today:
    """One account's count: that of the store at the last reading, and the messages since then."""

    __slots__ = ("day", "here", "stored")

    def __init__(self, day: int, stored: int = 0) -> None:
        self.day = day
        self.stored = stored
        self.here = 0


class DailyLimits:
    """``accepted`` are the messages of each account since midnight, ``clock`` gives Unix time."""

    def __init__(self, accepted: dict[str, int], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._nodes = 1
        midnight = _midnight(clock())
        self._today = {name: _Today(midnight, count) for name, count in accepted.items()}

    @classmethod
    async def load(
        cls, accounts: Accounts, store: Store, clock: Callable[[], float]
    ) -> DailyLimits:
        """Creates the limits with today's counts from the store."""
        midnight = _midnight(clock())
        names = [account.name for account in accounts if account.settings.daily_limit]
        return cls({name: await store.sent_since(name, midnight) for name in names}, clock)

    def used(self, account: str) -> int:
        """Messages of an account with a limit that were accepted today, as far as known here."""
        today = self._today.get(account)
        if today is None or today.day != _midnight(self._clock()):
            return 0
        return today.stored + today.here

    async def load_more(self, accounts: Accounts, store: Store) -> None:
        """Reads the counts of accounts that have just got a limit."""
        for account in accounts:
            if account.settings.daily_limit and account.name not in self._today:
                await self._look(account, store)

    async def run(self, accounts: Accounts, store: Store) -> None:
        """Reads the common counts periodically, until it is cancelled."""
        while True:
            await asyncio.sleep(LOOK_EVERY)
            try:
                await self.look(accounts, store)
            except StoreError as error:
                log.warning("daily_limits_not_read", error=str(error))

    async def look(self, accounts: Accounts, store: Store) -> None:
        """Reads the common counts once, if other nodes share the store."""
        self._nodes = await store.nodes()
        for account in accounts:
            if account.settings.daily_limit and self._nodes > 1:
                await self._look(account, store)

    async def _look(self, account: Account, store: Store) -> None:
        midnight = _midnight(self._clock())
        before = self._today.get(account.name)
        here = before.here if before is not None and before.day == midnight else 0
        stored = await store.sent_since(account.name, midnight)
        now = self._of(account)
        if now.day == midnight:
            # Messages accepted during the reading may be counted twice, until the next one.
            now.stored, now.here = stored, max(0, now.here - here)

    def _of(self, account: Account) -> _Today:
        midnight = _midnight(self._clock())
        today = self._today.get(account.name)
        if today is None or today.day != midnight:
            today = self._today[account.name] = _Today(midnight)
        return today

    def take(self, account: Account, messages: int) -> None:
        """Counts messages; raises Failure(TOO_FAST) if they exceed the limit."""
        today, limit = self._of(account), account.settings.daily_limit
        left = limit - today.stored
        # At least one while any is left: a limit may be smaller than the number of nodes.
        share = left if self._nodes == 1 else max(min(1, left), left // self._nodes)
        if today.here + messages > share:
            raise Failure(Reason.TOO_FAST, f"over {limit} messages a day")
        today.here += messages

    def give_back(self, account: Account, messages: int) -> None:
        """Uncounts messages that were not accepted after all."""
        today = self._of(account)
        today.here = max(0, today.here - messages)


def _midnight(now: float) -> int:
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(day.timestamp())
