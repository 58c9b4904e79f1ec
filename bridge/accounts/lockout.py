"""Which addresses are blocked after failed logins, and for whom.

Counts and blocks. What a failed login is, is decided in :mod:`bridge.accounts.accounts`. Memory is
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
#: Names that may fail at one address at a time; more is guessing, and the address is not spared.
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


class _Address:
    """An address with failed logins: all of them together, and those of each name."""

    __slots__ = ("crowded_until", "names", "whole")

    def __init__(self, limit: int) -> None:
        self.whole = _Failures(limit)
        self.names: dict[str, _Failures] = {}
        #: Until when its failures have too many names to be somebody's mistake.
        self.crowded_until = 0.0

    def counter(self, name: str, now: float, login: Login) -> _Failures | None:
        """That of a name. A name too many gets none, and takes no other one's place."""
        failures = self.names.get(name)
        if failures is None:
            if len(self.names) >= MAX_NAMES:
                self._forget(now, now - login.failures_within)
            if len(self.names) >= MAX_NAMES:
                self.crowded_until = now + login.failures_within
                return None
            failures = self.names[name] = _Failures(login.max_failures)
        return failures

    def _forget(self, now: float, before: float) -> None:
        """Drops the names whose failures count no longer."""
        self.names = {
            name: failures
            for name, failures in self.names.items()
            if failures.blocked_until > now or (failures.times and failures.times[-1] >= before)
        }


class Lockout:
    """Counts failed logins by address and by account at an address, and blocks either.

    An address from which somebody logged in well is spared: there only the account that fails is
    blocked, unless the failures go through too many names to be somebody's mistake. A good login
    does not change that: whoever guesses may have an account of their own.
    """

    def __init__(self, login: Login, clock: Callable[[], float]) -> None:
        self._login = login
        self._clock = clock
        self._addresses: dict[str, _Address] = {}
        self._spared: dict[str, float] = {}

    def apply(self, login: Login) -> None:
        """Other limits for failures to come; blocks that hold stay."""
        self._login = login

    def blocked(self, origin: str, name: str | None = None) -> bool:
        """Whether logins from ``origin`` (as ``name``) are refused now. Safe from any thread."""
        address = self._addresses.get(origin)
        if address is None:
            return False
        now = self._clock()
        if address.whole.blocked_until > now:
            return True
        failures = None if name is None else address.names.get(name[:64])
        return failures is not None and failures.blocked_until > now

    def failed(self, origin: str, name: str) -> None:
        now = self._clock()
        login = self._login
        name = name[:64]
        address = self._addresses.pop(origin, None) or _Address(login.max_failures)
        self._addresses[origin] = address  # the latest is last: the oldest is dropped first
        if len(self._addresses) > MAX_ADDRESSES:
            del self._addresses[next(iter(self._addresses))]
        failures = address.counter(name, now, login)
        if failures is not None and failures.add(now, name, login):
            log.warning("login_blocked", account=name, address=origin, seconds=login.blocked_for)
        spared = self._spared.get(origin, 0.0) > now >= address.crowded_until
        if address.whole.add(now, name, login):
            if spared:
                address.whole.blocked_until = 0.0
            else:
                log.warning("address_blocked", address=origin, seconds=login.blocked_for)

    def succeeded(self, origin: str, name: str) -> None:
        self._spared.pop(origin, None)
        self._spared[origin] = self._clock() + SPARED_FOR
        if len(self._spared) > MAX_ADDRESSES:
            del self._spared[next(iter(self._spared))]
        if address := self._addresses.get(origin):
            address.names.pop(name[:64], None)

    def blocks(self) -> Iterator[Block]:
        """Every block that holds now."""
        now = self._clock()
        for origin, address in self._addresses.items():
            for name, failures in (("", address.whole), *address.names.items()):
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
            address = self._addresses[origin]
            if block.name:
                del address.names[block.name]
            else:
                address.whole.blocked_until = 0.0
                address.whole.times.clear()
        return len(found)
