"""The limits of an HTTP listener: connections, and memory for large requests.

Callers have not logged in yet while their requests arrive. At the limit, one of the connections
without a complete request is dropped for a new one, so that idle connections cannot keep others
out: of the address with the most connections, the oldest or the one that has been idle for long.
Large requests share a limited memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.net.connection_limits import ConnectionLimits

#: Smaller requests take no shared memory, so that they are always read (octets).
SMALL: Final = 16 * 1024


class HttpRoom:
    """``limits`` are shared with TLS handshakes; ``max_held`` bounds the shared memory (octets)."""

    def __init__(self, limits: ConnectionLimits, max_held: int) -> None:
        self.limits = limits
        self._max_held = max_held
        self._held = 0

    def place(self, address: str, give_way: Callable[[], None]) -> HttpPlace | None:
        """A place for a connection, or None; ``give_way`` closes it for another connection."""
        place = HttpPlace(self, address, give_way)
        return place if self.limits.begin_handshake(address, place.drop) else None

    def take(self, octets: int) -> bool:
        if self._held + octets > self._max_held:
            return False
        self._held += octets
        return True

    def give_back(self, octets: int) -> None:
        self._held -= octets


class HttpPlace:
    """One connection's place. :meth:`leave` it at the end."""

    __slots__ = ("_address", "_give_way", "_left", "_room", "_taken", "answering", "held", "used")

    def __init__(self, room: HttpRoom, address: str, give_way: Callable[[], None]) -> None:
        self._room = room
        self._address = address
        self._give_way = give_way
        #: Whether a request is being answered: the connection is not dropped.
        self.answering = False
        #: Whether a request has been answered since the connection was last to be dropped.
        self.used = False
        self._left = False
        #: Octets of the present request, as far as they were counted.
        self.held = 0
        self._taken = 0  # of these: in the shared memory

    def hold(self, octets: int) -> bool:
        """Counts more octets of the present request; False if there is no room for them."""
        self.held += octets
        if self.held <= SMALL or self._left:
            return True
        more = self.held - self._taken
        if not self._room.take(more):
            return False
        self._taken += more
        return True

    def let_go(self) -> None:
        """The request's octets are not kept any more."""
        if self._taken:
            self._room.give_back(self._taken)
            self._taken = 0
        self.held = 0

    def answered(self) -> None:
        """The request has been answered."""
        self.answering, self.used = False, True
        if self.held:
            self.let_go()

    def drop(self) -> bool:
        """Gives the place to another connection, if it is not in use; whether it did."""
        if self.answering or self.used:
            self.used = False
            return False
        self._give_way()
        return True

    def leave(self) -> None:
        """Gives the place back; may be called again."""
        self.let_go()
        if not self._left:
            self._left = True
            # Unless another connection has taken it.
            self._room.limits.end_handshake(self._address, self.drop)
