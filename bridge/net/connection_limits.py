"""Limits on a listener's connections, in total and from one address.

A TLS handshake counts as a connection. At the limit, the oldest handshake of the same address is
dropped for a new connection: a real client completes its handshake quickly, so that idle
connections cannot keep others out. HTTP connections stay "handshakes" for their whole life, and
refuse to be dropped while a request is being answered.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

#: Ends a handshake; False if it must stay.
Drop = Callable[[], bool | None]


class ConnectionLimits:
    """Counts connections and handshakes; belongs to one listener. A limit of 0 means none."""

    def __init__(self, max_connections: int, max_per_address: int = 0) -> None:
        self._max_connections = max_connections
        self._max_per_address = max_per_address
        self._connections = 0
        self._addresses: Counter[str] = Counter()
        #: The handshakes in progress by address, the oldest first.
        self._handshakes: dict[str, dict[Drop, None]] = {}

    def limit(self, max_connections: int, max_per_address: int = 0) -> None:
        """Sets new limits; open connections stay."""
        self._max_connections = max_connections
        self._max_per_address = max_per_address

    @property
    def full(self) -> bool:
        return 0 < self._max_connections <= self._connections

    def full_for(self, address: str) -> bool:
        """Whether the address has reached its limit."""
        return 0 < self._max_per_address <= self._addresses[address]

    def count_in(self, address: str) -> None:
        self._connections += 1
        self._addresses[address] += 1

    def count_out(self, address: str) -> None:
        self._connections -= 1
        self._addresses[address] -= 1
        if not self._addresses[address]:
            del self._addresses[address]

    def begin_handshake(self, address: str, drop: Drop) -> bool:
        """Counts a handshake, if there is room or an older one can be dropped.

        ``drop`` is called for a handshake that is to be dropped. If it must stay, it counts as the
        latest from then on.
        """
        if self.full_for(address) and not self._drop_one(address):
            return False
        if self.full and not any(map(self._drop_one, self._most_handshakes_first())):
            return False
        self.count_in(address)
        self._handshakes.setdefault(address, {})[drop] = None
        return True

    def end_handshake(self, address: str, drop: Drop) -> bool:
        """Uncounts a handshake; False if it was dropped before."""
        handshakes = self._handshakes.get(address, {})
        if drop not in handshakes:
            return False
        del handshakes[drop]
        if not handshakes:
            del self._handshakes[address]
        self.count_out(address)
        return True

    def keep(self, address: str, drop: Drop) -> bool:
        """Counts a handshake as a connection that stays; False if it was dropped before."""
        if not self.end_handshake(address, drop):
            return False
        self.count_in(address)
        return True

    def _most_handshakes_first(self) -> list[str]:
        """The addresses, those with the most handshakes in progress first."""
        handshakes = self._handshakes
        return sorted(handshakes, key=lambda address: len(handshakes[address]), reverse=True)

    def _drop_one(self, address: str) -> bool:
        """Drops the oldest handshake of an address that need not stay."""
        handshakes = self._handshakes.get(address, {})
        # Whoever stays only because it was in use lately goes when it is asked again.
        for drop in list(handshakes) * 2:
            if drop not in handshakes:
                continue
            if drop() is not False:
                self.end_handshake(address, drop)
                return True
            if drop in handshakes:  # and not kept for good
                del handshakes[drop]
                handshakes[drop] = None
        return False
