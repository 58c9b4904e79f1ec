"""Which addresses are blocked after failed logins, and for whom.

Counts and blocks; what a failed login is, is decided in :mod:`bridge.accounts.accounts`. Memory is
bounded, whatever a stranger sends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

import structlog

from bridge.config.settings import Login

log = structlog.get_logger()

#: Addresses with failures, and addresses with good logins, that are remembered.
MAX_ADDRESSES = 10_000
#: Names that may fail at one address; more is guessing, and the address is no longer spared.
MAX_NAMES = 32
#: How long a good login spares its address, in seconds.
SPARED_FOR = 86_400.0


class Block(NamedTuple):
    """An address that is blocked, or one account at it (``name``; empty: all of them).

    ``seconds`` are left; ``attempts`` are the failures that brought it about: how long ago, in
    seconds, and with which name.
    """

    origin: str
    name: str
    seconds: float
    attempts: tuple[tuple[float, str], ...]


class _Failures:
    """The times of the last failed logins of one address, or of one account at one address."""

    __slots__ = ("blocked_until", "causes", "times")

    def __init__(self, limit: int) -> None:
        self.times: deque[float] = deque(maxlen=limit)
        self.blocked_until = 0.0
        #: The failures behind the last block, with their names.
        self.causes: deque[tuple[float, str]] = deque(maxlen=limit)

    def add(self, now: float, name: str, login: Login) -> bool:
        """Counts one; whether it was the one too many, so that the block begins."""
        self.times.append(now)
        self.causes.append((now, name))
        if len(self.times) < login.max_failures or self.times[0] < now - login.failures_within:
            return False
        self.times.clear()
        self.blocked_until = now + login.blocked_for
        return True


class Lockout:
    """Counts failed logins by address and by account at an address, and blocks either.

    An address from which somebody logged in well is spared: there only the account that fails is
    blocked, unless the failures go through too many names to be somebody's mistake.
    """

    def __init__(self, login: Login, clock: Callable[[], float]) -> None:
        self._login = login
        self._clock = clock
        self._addresses: dict[str, tuple[_Failures, dict[str, _Failures]]] = {}
        self._spared: dict[str, float] = {}

    def apply(self, login: Login) -> None:
        """Other limits for failures to come; blocks that hold stay."""
        self._login = login

    def blocked(self, origin: str, name: str | None = None) -> bool:
        """Whether logins from ``origin`` (as ``name``) are refused now. Safe from any thread."""
        entry = self._addresses.get(origin)
        if entry is None:
            return False
        now = self._clock()
        if entry[0].blocked_until > now:
            return True
        pair = None if name is None else entry[1].get(name[:64])
        return pair is not None and pair.blocked_until > now

    def failed(self, origin: str, name: str) -> None:
        now = self._clock()
        login = self._login
        entry = self._addresses.pop(origin, None) or (_Failures(login.max_failures), {})
        self._addresses[origin] = entry  # the latest is last: the oldest is dropped first
        if len(self._addresses) > MAX_ADDRESSES:
            del self._addresses[next(iter(self._addresses))]
        whole, pairs = entry
        name = name[:64]
        pair = pairs.pop(name, None) or _Failures(login.max_failures)
        pairs[name] = pair
        if pair.add(now, name, login):
            log.warning("login_blocked", account=name, address=origin, seconds=login.blocked_for)
        if len(pairs) > MAX_NAMES:
            del pairs[next(iter(pairs))]
            self._spared.pop(origin, None)
        begins = whole.add(now, name, login)
        if begins and self._spared.get(origin, 0.0) > now:
            whole.blocked_until = 0.0
        elif begins:
            log.warning("address_blocked", address=origin, seconds=login.blocked_for)

    def succeeded(self, origin: str, name: str) -> None:
        self._spared.pop(origin, None)
        self._spared[origin] = self._clock() + SPARED_FOR
        if len(self._spared) > MAX_ADDRESSES:
            del self._spared[next(iter(self._spared))]
        if entry := self._addresses.get(origin):
            entry[1].pop(name[:64], None)

    def blocks(self) -> Iterator[Block]:
        """Every block that holds now."""
        now = self._clock()
        for origin, (whole, pairs) in self._addresses.items():
            for name, failures in (("", whole), *pairs.items()):
                if failures.blocked_until > now:
                    causes = tuple((now - at, cause) for at, cause in failures.causes)
                    yield Block(origin, name, failures.blocked_until - now, causes)

    def lift(self, origin: str, name: str | None = None) -> int:
        """Ends the blocks of an address, of one account at it where a name is given; tells how
        many. Their failures are forgotten."""
        found = [
            block
            for block in self.blocks()
            if block.origin == origin and name in (None, block.name)
        ]
        for block in found:
            whole, pairs = self._addresses[origin]
            if block.name:
                del pairs[block.name]
            else:
                whole.blocked_until = 0.0
                whole.times.clear()
        return len(found)
