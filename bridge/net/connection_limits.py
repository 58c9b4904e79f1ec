"""Limits on a listener's connections, in total and from one address.

A TLS handshake counts as a connection. At the limit, the oldest handshake of the same address is
dropped for a new connection: a real client completes its handshake quickly, so that idle
connections cannot keep others out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

#: Ends a handshake.
Drop = Callable[[], object]


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

        ``drop`` is called for a handshake that is dropped, after it was uncounted.
        """
        if self.full_for(address) and not self._drop_oldest(address):
            return False
        if self.full and not self._drop_oldest(self._most_handshakes()):
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

    def _most_handshakes(self) -> str:
        """The address with the most handshakes in progress."""
        return max(self._handshakes, key=lambda one: len(self._handshakes[one]), default="")

    def _drop_oldest(self, address: str) -> bool:
        drop = next(iter(self._handshakes.get(address, {})), None)
        if drop is None:
            return False
        self.end_handshake(address, drop)
        drop()
        return True
