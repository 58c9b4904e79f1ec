"""How fast one upstream may be asked, and whether at all: rate, slowing down, breaker, hold.

Pure state: what came back is noted with the time, and :meth:`Pace.wait` tells how long the next
request has to wait.
"""

from __future__ import annotations

from bridge.cascade.answers import Meaning, Verdict
from bridge.net.token_bucket import TokenBucket

#: 429 without Retry-After: 1, 2, 4 … 60 s.
SLOW_FIRST, SLOW_MOST = 1.0, 60.0
#: Probes of a held upstream: 1 s doubling to 60 s.
PROBE_FIRST, PROBE_MOST = 1.0, 60.0
#: Messages that met a broken API: 1 s doubling to 5 min.
RETRY_FIRST, RETRY_MOST = 1.0, 300.0
#: So many failures in a row open the breaker; an unknown outcome is one of them.
BREAKER_AFTER = 5
#: After so many unknown outcomes in a row no answer is expected soon.
DOUBTFUL_AFTER = 2
#: Splitting refused batches takes at most this share of the request rate.
SPLIT_SHARE = 0.5


def doubling(first: float, most: float, times: int) -> float:
    """``first``, twice, four times … ``most``: the wait after ``times`` failures (from 1)."""
    return min(most, first * 2.0 ** min(times - 1, 30))


def retry_delay(attempts: int, drawn: float) -> float:
    """Seconds until a message is posted again after ``attempts`` broken answers, half of it
    by chance (``drawn``, 0 to 1), so that batches that failed together do not come back so."""
    return doubling(RETRY_FIRST, RETRY_MOST, attempts) * (0.5 + 0.5 * drawn)


class Pace:
    """When the next request to an upstream may go. Times are the caller's clock, in seconds."""

    def __init__(self, rate: float, burst: float, max_batch: int, now: float) -> None:
        self._rate = rate
        self._requests = TokenBucket(rate, burst, now)
        self._splits = TokenBucket(rate * SPLIT_SHARE, max(1.0, burst * SPLIT_SHARE), now)
        self.max_batch = max_batch
        self.held = ""  # why nothing is sent but probes; empty: not held
        self._failures = 0
        self._unknown = 0  # of these: in a row up to now
        self._slowed = 0
        self._probes = 0
        self._not_before = now

    def share(self, nodes: int) -> None:
        """Divides the rate between so many nodes."""
        self._requests.rate = self._rate / nodes
        self._splits.rate = self._rate * SPLIT_SHARE / nodes

    @property
    def rate(self) -> float:
        """Requests a second that may go; this node's share."""
        return self._requests.rate

    @property
    def probing(self) -> bool:
        """Whether only one message at a time may go, to see if the API is back.

        So it is from the first unknown outcome on: what goes out while the API takes messages and
        does not say so may have to go out again, and that must not be everything that waits.
        """
        return bool(self.held) or self.open or self._unknown > 0

    @property
    def open(self) -> bool:
        """Whether the breaker is open: the API has failed several times in a row."""
        return self._failures >= BREAKER_AFTER

    def clear(self, now: float) -> bool:
        """Whether an answer can be expected soon: no hold, no open breaker, no slowing down."""
        stopped = bool(self.held) or self.open or self._unknown >= DOUBTFUL_AFTER
        return not stopped and now >= self._not_before

    def wait(self, now: float, *, split: bool = False) -> float:
        """Seconds until the next request may go; 0: now. ``split`` for a piece of a batch."""
        wait = max(self._not_before - now, self._requests.wait(now))
        return max(wait, self._splits.wait(now)) if split else wait

    def take(self, now: float, *, split: bool = False) -> None:
        """Notes that a request goes."""
        self._requests.take(now)
        if split:
            self._splits.take(now)

    def try_now(self, now: float) -> None:
        """Probes at once: what it waited for may have been mended."""
        self._probes = self._slowed = 0
        self._not_before = now

    def note(self, verdict: Verdict, size: int, now: float) -> None:
        """Notes what a request of ``size`` messages met."""
        meaning = verdict.meaning
        if meaning is Meaning.HOLD:
            self.held = verdict.cause or "refused"
            self._probes += 1
            self._not_before = now + doubling(PROBE_FIRST, PROBE_MOST, self._probes)
        elif meaning is Meaning.SLOW_DOWN:
            self._slowed += 1
            wait = verdict.retry_after
            self._not_before = now + (
                doubling(SLOW_FIRST, SLOW_MOST, self._slowed) if wait is None else wait
            )
        elif meaning is Meaning.BROKEN or meaning is Meaning.UNKNOWN:
            self._failures += 1
            self._unknown += meaning is Meaning.UNKNOWN
            if self.open:
                times = self._failures - BREAKER_AFTER + 1
                self._not_before = now + doubling(PROBE_FIRST, PROBE_MOST, times)
        else:
            # It answers, and not about our credentials: whatever stopped us is over.
            self.held = ""
            self._failures = self._unknown = self._slowed = self._probes = 0
            if meaning is Meaning.TOO_LARGE and size > 1:
                self.max_batch = max(1, min(self.max_batch, size // 2))
