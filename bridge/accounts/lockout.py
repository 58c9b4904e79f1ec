"""Which addresses are blocked after failed logins, and for whom.

Counts and blocks; what a failed login is, is decided in :mod:`bridge.accounts.accounts`. Memory is
bounded, whatever a stranger sends.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import structlog

from bridge.config.settings import Login

log = structlog.get_logger()

#: Addresses with failures, and addresses with good logins, that are remembered.
MAX_ADDRESSES = 10_000
#: Names that may fail at one address; more is guessing, and the address is no longer spared.
MAX_NAMES = 32
#: How long a good login spares its address, in seconds.
SPARED_FOR = 86_400.0


class _Failures:
    """The times of the last failed logins of one address, or of one account at one address."""

    __slots__ = ("blocked_until", "times")

    def __init__(self, limit: int) -> None:
        self.times: deque[float] = deque(maxlen=limit)
        self.blocked_until = 0.0

    def add(self, now: float, login: Login) -> bool:
        """Counts one; whether it was the one too many, so that the block begins."""
        self.times.append(now)
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
        if pair.add(now, login):
            log.warning("login_blocked", account=name, address=origin, seconds=login.blocked_for)
        if len(pairs) > MAX_NAMES:
            del pairs[next(iter(pairs))]
            self._spared.pop(origin, None)
        begins = whole.add(now, login)
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
