"""Limits on connections and binds.

Connections that have not tried to bind give way to new ones. If all have, a few more are kept until
their bind, which is refused with the reason; further ones are dropped at once.
"""

from __future__ import annotations

from collections import Counter
from typing import Final

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.net.connection_limits import ConnectionLimits, Drop

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


class ConnectionPlace:
    """A connection's place in the count of its listener.

    Until the client tries to bind, a newer connection may take it. ``refusal`` is the failure with
    which the bind must be refused, if any.
    """

    def __init__(
        self, occupancy: Occupancy, address: str, drop: Drop, refusal: Failure | None, kept: bool
    ) -> None:
        self._occupancy = occupancy
        self._address = address
        self._drop = drop
        self.refusal = refusal
        self._kept = kept

    @classmethod
    def take(cls, occupancy: Occupancy, address: str, drop: Drop) -> ConnectionPlace | None:
        """A place for a new connection; None if it must be dropped without an answer.

        ``drop`` is called if a newer connection takes the place.
        """
        if occupancy.begin_handshake(address, drop):
            return cls(occupancy, address, drop, None, False)
        if occupancy.overcrowded:
            return None
        return cls(occupancy, address, drop, occupancy.enter(address), True)

    def keep(self) -> None:
        """The client tries to bind: no other connection may take the place any more."""
        self._kept = self._kept or self._occupancy.keep(self._address, self._drop)

    def leave(self) -> None:
        """Gives the place back."""
        if self._kept:
            self._occupancy.count_out(self._address)
        else:
            self._occupancy.end_handshake(self._address, self._drop)
