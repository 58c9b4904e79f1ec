"""A token bucket: limits an average rate and a burst."""

from __future__ import annotations


class TokenBucket:
    """``rate`` tokens a second flow in, up to ``burst``; the caller passes the time in seconds.

    A rate of 0 means no limit.
    """

    __slots__ = ("_at", "_tokens", "burst", "rate")

    def __init__(self, rate: float, burst: float, now: float) -> None:
        self.rate = rate
        self.burst = max(burst, 1.0)
        self._tokens = self.burst
        self._at = now

    def take(self, now: float, n: int = 1) -> bool:
        """Takes ``n`` tokens if they are there; for more than ``burst`` the bucket must be full.

        The bucket then goes into debt by the part above ``burst``: one large submission passes, and
        later ones wait longer.
        """
        if not self.rate:
            return True
        self._fill(now)
        if self._tokens < min(n, self.burst):
            return False
        self._tokens -= n
        return True

    def give_back(self, n: int = 1) -> None:
        """Puts back tokens that were taken for nothing."""
        self._tokens = min(self.burst, self._tokens + n)

    def wait(self, now: float, n: int = 1) -> float:
        """Seconds until :meth:`take` would succeed; 0 if it would now."""
        if not self.rate:
            return 0.0
        self._fill(now)
        return max(0.0, (min(n, self.burst) - self._tokens) / self.rate)

    def _fill(self, now: float) -> None:
        if now > self._at:
            self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
            self._at = now
