"""Limits on connections and binds.

Connections that have not tried to bind give way to new ones. If all have, a few more are kept until
their bind, which is refused with the reason; further ones are dropped at once.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.net.connection_limits import ConnectionLimits

#: Connections over a limit that may wait for a bind and its refusal.
OVERFLOW: Final = 100


class Occupancy(ConnectionLimits):
    """Counts connections by address and binds by account; belongs to one listener."""

    def __init__(self, max_connections: int, max_connections_per_address: int) -> None:
        super().__init__(max_connections, max_connections_per_address)
        self._binds: Counter[str] = Counter()

    @property
    def overcrowded(self) -> bool:
        """Whether a new connection is dropped without an answer."""
        return self._connections >= self._max_connections + OVERFLOW

    def enter(self, address: str) -> Failure | None:
        """Counts a new connection; returns a failure if it must not bind."""
        refusal: Failure | None = None
        if self.full:
            refusal = Failure(Reason.TOO_MANY_SESSIONS)
        elif self.full_for(address):
            refusal = Failure(Reason.TOO_MANY_SESSIONS, "from this address")
        self.count_in(address)
        return refusal

    def bind(self, account: Account) -> None:
        """Counts a bind; raises Failure(TOO_MANY_SESSIONS) over the account's ``max_binds``."""
        limit = account.settings.max_binds
        if self._binds[account.name] >= limit:
            raise Failure(Reason.TOO_MANY_SESSIONS, f"{limit} binds of this account are open")
        self._binds[account.name] += 1

    def unbind(self, account: Account) -> None:
        """Uncounts a bind."""
        self._binds[account.name] -= 1
        if not self._binds[account.name]:
            del self._binds[account.name]
