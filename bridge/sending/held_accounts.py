"""Accounts of which nothing is sent.

An operator holds and releases an account for all nodes, in the store. An account that the settings
do not have is held for as long as that is so, by this node alone: it has no keys, route or limits
of its own any more, and its messages must not go out with those of others.
"""

from __future__ import annotations

from collections.abc import Callable


class HeldAccounts:
    """``known`` says whether the settings have an account of that name."""

    def __init__(self, known: Callable[[str], bool] = lambda account: True) -> None:
        self.by_operator: set[str] = set()
        self.known = known

    def __contains__(self, account: str) -> bool:
        return account in self.by_operator or not self.known(account)
