"""Accounts whose messages are not sent.

An operator holds and releases an account for all nodes, in the store. An account that is missing
from this node's settings is held by this node as long as it is missing: it has no keys, route or
limits, and its messages must not go out with those of other accounts.
"""

from __future__ import annotations

from collections.abc import Callable


class HeldAccounts:
    """``known``: whether the settings have an account of that name."""

    def __init__(self, known: Callable[[str], bool] = lambda account: True) -> None:
        self.by_operator: set[str] = set()
        self.known = known

    def __contains__(self, account: str) -> bool:
        return account in self.by_operator or not self.known(account)
