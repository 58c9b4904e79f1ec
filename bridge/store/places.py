"""Places of an account: how many of its calls may be under way at once."""

from __future__ import annotations

from collections import Counter


class Places:
    """The places in this process; those of a single daemon."""

    def __init__(self) -> None:
        self._taken: Counter[str] = Counter()

    async def take(self, account: str, most: int) -> bool:
        """Takes one of the account's ``most`` places; False if there is none."""
        if self._taken[account] >= most:
            return False
        self._taken[account] += 1
        return True

    async def give_back(self, account: str) -> None:
        """Gives back a place that was taken."""
        self._taken[account] -= 1
        if not self._taken[account]:
            del self._taken[account]
