"""Counts failed logins, and blocks addresses or accounts at an address.

:mod:`bridge.accounts.accounts` decides what a failed login is. Memory is limited, whatever
strangers send: beyond so many addresses, new ones are counted together by network; beyond so many
networks, by larger ones. Nothing that still counts is forgotten.
"""

from __future__ import annotations

import ipaddress
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import structlog

from bridge.config.settings import Login

log = structlog.get_logger()

#: Most addresses with failures, networks with failures, and addresses with good logins that are
#: remembered.
MAX_ADDRESSES = 10_000
#: The prefixes that count as one address, by IP version: beyond so many addresses, and beyond so
#: many networks. Of the last there are only a few thousand.
_PREFIXES = ({4: 24, 6: 48}, {4: 8, 6: 12})
#: Most names that may fail at one address at a time; more is guessing: the address is blocked.
MAX_NAMES = 32
#: How long a good login keeps its address from being blocked as a whole (seconds).
SPARED_FOR = 86_400.0


class Block(NamedTuple):
    """A blocked address, or a blocked account at it (``name``; empty: all accounts).

    ``seconds`` are left; ``attempts`` are the failures that led to it: how long ago, in seconds,
    and with which name.
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
        """Counts a failure; returns whether the block begins with it."""
        self.times.append(now)
        self.causes.append((now, name))
        if len(self.times) < login.max_failures or self.times[0] < now - login.failures_within:
            return False
        self.times.clear()
        self.blocked_until = now + login.blocked_for
        return True


class _Address:
    """An address with failed logins: in total, and by name."""

    __slots__ = ("crowded_until", "last", "names", "whole")

    def __init__(self, limit: int) -> None:
        self.whole = _Failures(limit)
        self.names: dict[str, _Failures] = {}
        #: Until when its failures have too many names for a user's mistake.
        self.crowded_until = 0.0
        #: When the last failure came.
        self.last = 0.0

    def counter(self, name: str, now: float, login: Login) -> _Failures | None:
        """The counter of a name; None for a name beyond the limit."""
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
        """Drops the names whose failures no longer count."""
        self.names = {
            name: failures
            for name, failures in self.names.items()
            if failures.blocked_until > now or (failures.times and failures.times[-1] >= before)
        }


class Lockout:
    """Counts failed logins by address and by account at an address; blocks either.

    An address with a good login is not blocked as a whole: only the failing account is blocked
    there, unless the failures have too many names for a user's mistake. A good login does not reset
    the counts: an attacker may have an account.
    """

    def __init__(self, login: Login, clock: Callable[[], float]) -> None:
        self._login = login
        self._clock = clock
        #: Addresses, and the networks for those beyond the limit, the smaller first. In each the
        #: one with the latest failure is last.
        self._levels: list[dict[str, _Address]] = [{}, *({} for _ in _PREFIXES)]
        self._spared: dict[str, float] = {}

    def apply(self, login: Login) -> None:
        """Takes over limits for new failures; present blocks stay."""
        self._login = login

    def blocked(self, origin: str, name: str | None = None) -> bool:
        """Whether logins from ``origin`` (as ``name``) are refused now. Safe from any thread."""
        addresses, *networks = self._levels
        address = addresses.get(origin)
        now = self._clock()
        if address is None and any(networks) and self._spared.get(origin, 0.0) <= now:
            found = (
                places.get(_network_of(origin, prefixes))
                for places, prefixes in zip(networks, _PREFIXES, strict=True)
            )
            address = next(filter(None, found), None)
        if address is None:
            return False
        if address.whole.blocked_until > now:
            return True
        failures = None if name is None else address.names.get(name[:64])
        return failures is not None and failures.blocked_until > now

    def failed(self, origin: str, name: str) -> None:
        now = self._clock()
        login = self._login
        name = name[:64]
        address = self._entry(origin, now)
        failures = address.counter(name, now, login)
        if failures is not None and failures.add(now, name, login):
            log.warning("login_blocked", account=name, address=origin, seconds=login.blocked_for)
        spared = self._spared.get(origin, 0.0) > now >= address.crowded_until
        if address.whole.add(now, name, login):
            if spared:
                address.whole.blocked_until = 0.0
            else:
                log.warning("address_blocked", address=origin, seconds=login.blocked_for)

    def _entry(self, origin: str, now: float) -> _Address:
        """The counters of an address, or of its network where there are too many addresses."""
        login, entries = self._login, self._levels[0]
        if origin not in entries:
            counts_until = max(login.failures_within, login.blocked_for)
            for places in self._levels:
                while places and next(iter(places.values())).last + counts_until < now:
                    del places[next(iter(places))]
            for places, prefixes in zip(self._levels[1:], _PREFIXES, strict=True):
                if origin in entries or len(entries) < MAX_ADDRESSES:
                    break
                origin, entries = _network_of(origin, prefixes), places
        address = entries.pop(origin, None) or _Address(login.max_failures)
        entries[origin] = address
        address.last = now
        return address

    def succeeded(self, origin: str, name: str) -> None:
        self._spared.pop(origin, None)
        self._spared[origin] = self._clock() + SPARED_FOR
        if len(self._spared) > MAX_ADDRESSES:
            del self._spared[next(iter(self._spared))]
        if address := self._levels[0].get(origin):
            address.names.pop(name[:64], None)

    def blocks(self) -> Iterator[Block]:
        """All present blocks."""
        now = self._clock()
        for origin, address in [item for places in self._levels for item in places.items()]:
            for name, failures in (("", address.whole), *address.names.items()):
                if failures.blocked_until > now:
                    causes = tuple((now - at, cause) for at, cause in failures.causes)
                    yield Block(origin, name, failures.blocked_until - now, causes)

    def lift(self, origin: str, name: str | None = None) -> int:
        """Ends the blocks of an address, or of one account at it; returns how many. Their failures
        are forgotten."""
        found = [
            block
            for block in self.blocks()
            if block.origin == origin and name in (None, block.name)
        ]
        for block in found:
            address = next(places[origin] for places in self._levels if origin in places)
            if block.name:
                del address.names[block.name]
            else:
                address.whole.blocked_until = 0.0
                address.whole.times.clear()
        return len(found)


def _network_of(origin: str, prefixes: Mapping[int, int]) -> str:
    """The network of an address, which may be one itself (an IPv6 /64)."""
    try:
        address = ipaddress.ip_interface(origin).ip
    except ValueError:
        return origin
    return str(ipaddress.ip_network((address, prefixes[address.version]), strict=False))
