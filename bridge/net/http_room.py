"""The limits of an HTTP listener: connections, and memory for large requests.

Callers have not logged in yet while their requests arrive. At the limit, the oldest connection
without a complete request, of the address with the most connections, is dropped for a new one, so
that idle connections cannot keep others out. Large requests share a limited memory.
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
        return place if self.limits.begin_handshake(address, give_way) else None

    def take(self, octets: int) -> bool:
        if self._held + octets > self._max_held:
            return False
        self._held += octets
        return True

    def give_back(self, octets: int) -> None:
        self._held -= octets


class HttpPlace:
    """One connection's place. :meth:`leave` it at the end."""

    __slots__ = ("_address", "_busy", "_give_way", "_held", "_left", "_room", "_taken")

    def __init__(self, room: HttpRoom, address: str, give_way: Callable[[], None]) -> None:
        self._room = room
        self._address = address
        self._give_way = give_way
        self._busy = False
        self._left = False
        self._held = 0  # octets of the present request
        self._taken = 0  # of these: in the shared memory

    def hold(self, octets: int) -> bool:
        """Counts more octets of the present request; False if there is no room for them."""
        self._held += octets
        if self._held <= SMALL or self._left:
            return True
        more = self._held - self._taken
        if not self._room.take(more):
            return False
        self._taken += more
        return True

    def let_go(self) -> None:
        """The request's octets are not kept any more."""
        self._room.give_back(self._taken)
        self._held = self._taken = 0

    def answer(self, answering: bool) -> None:
        """Notes whether a request is being answered; then the connection is not dropped."""
        if answering is self._busy or self._left:
            return
        limits = self._room.limits
        if not answering:
            self._busy = False
            limits.count_out(self._address)
            limits.begin_handshake(self._address, self._give_way)  # in the place that it had
        elif limits.end_handshake(self._address, self._give_way):
            self._busy = True
            limits.count_in(self._address)

    def leave(self) -> None:
        """Gives the place back; may be called again."""
        self.let_go()
        if self._left:
            return
        self._left = True
        if self._busy:
            self._room.limits.count_out(self._address)
        else:
            # A dropped connection is already uncounted.
            self._room.limits.end_handshake(self._address, self._give_way)
