"""The room that an HTTP listener has for connections, and for requests that are large.

Callers have not logged in yet while their requests arrive. Where there are too many connections,
the oldest one whose request has not come whole gives way to a new one, of the address that has most
of them: idle connections keep nobody out. Large requests share a bounded memory.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from bridge.net.connection_limits import ConnectionLimits

#: A request below this takes no shared memory, so that small ones are always read (octets).
SMALL: Final = 16 * 1024


class HttpRoom:
    """``limits`` are shared with TLS handshakes; ``max_held`` bounds the shared memory (octets)."""

    def __init__(self, limits: ConnectionLimits, max_held: int) -> None:
        self.limits = limits
        self._max_held = max_held
        self._held = 0

    def place(self, address: str, give_way: Callable[[], None]) -> HttpPlace | None:
        """A place for a connection; ``give_way`` closes it for another one. None: there is none."""
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
        """The octets of the request are no longer kept."""
        self._room.give_back(self._taken)
        self._held = self._taken = 0

    def answer(self, answering: bool) -> None:
        """A request is being answered, so that the connection stays; or it waits for the next."""
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
            # One that had to give way is counted out already.
            self._room.limits.end_handshake(self._address, self._give_way)
