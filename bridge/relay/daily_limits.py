"""How many messages each account with a ``daily_limit`` has had accepted today.

Days are UTC's. What the store did not take, and what came again, does not count.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from bridge.accounts.accounts import Account, Accounts
from bridge.model.failure import Failure, Reason
from bridge.store import Store


class DailyLimits:
    """``accepted`` are the messages of each account since midnight, ``clock`` gives Unix time."""

    def __init__(self, accepted: dict[str, int], clock: Callable[[], float]) -> None:
        self._clock = clock
        midnight = _midnight(clock())
        self._today = {name: (midnight, count) for name, count in accepted.items()}

    @classmethod
    async def load(
        cls, accounts: Accounts, store: Store, clock: Callable[[], float]
    ) -> DailyLimits:
        """With what the store has of today."""
        midnight = _midnight(clock())
        names = [account.name for account in accounts if account.settings.daily_limit]
        return cls({name: await store.sent_since(name, midnight) for name in names}, clock)

    def used(self, account: str) -> int:
        """How many of an account with a limit were accepted today."""
        day, accepted = self._today.get(account, (0, 0))
        return accepted if day == _midnight(self._clock()) else 0

    async def load_more(self, accounts: Accounts, store: Store) -> None:
        """Looks into the store for accounts that have a limit only now."""
        midnight = _midnight(self._clock())
        for account in accounts:
            if account.settings.daily_limit and account.name not in self._today:
                accepted = await store.sent_since(account.name, midnight)
                _, meanwhile = self._today.get(account.name, (midnight, 0))
                self._today[account.name] = (midnight, accepted + meanwhile)

    def take(self, account: Account, messages: int) -> None:
        """Counts so many more; raises Failure(TOO_FAST) where they are too many."""
        midnight = _midnight(self._clock())
        day, accepted = self._today.get(account.name, (midnight, 0))
        if day != midnight:
            accepted = 0
        limit = account.settings.daily_limit
        if accepted + messages > limit:
            raise Failure(Reason.TOO_FAST, f"over {limit} messages a day")
        self._today[account.name] = (midnight, accepted + messages)

    def give_back(self, account: Account, messages: int) -> None:
        """So many of those that were counted were not accepted."""
        day, accepted = self._today[account.name]
        self._today[account.name] = (day, max(0, accepted - messages))


def _midnight(now: float) -> int:
    day = datetime.fromtimestamp(now, UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return int(day.timestamp())
