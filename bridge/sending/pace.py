"""The pace of requests to one upstream: rate, slowing down, breaker, hold.

Pure state: each answer is noted with its time, and :meth:`Pace.wait` returns how long the next
request has to wait.
"""

from __future__ import annotations

from bridge.cascade.answers import Meaning, Verdict
from bridge.net.token_bucket import TokenBucket

#: 429 without Retry-After: 1, 2, 4 … 60 s.
SLOW_FIRST, SLOW_MOST = 1.0, 60.0
#: Probes of a held upstream: 1 s doubling to 60 s.
PROBE_FIRST, PROBE_MOST = 1.0, 60.0
#: Retries of a message after a broken answer: 1 s doubling to 5 min.
RETRY_FIRST, RETRY_MOST = 1.0, 300.0
#: Failures in a row that open the breaker; an unknown outcome counts.
BREAKER_AFTER = 5
#: Unknown outcomes in a row after which no answer is expected soon.
DOUBTFUL_AFTER = 2
#: Largest share of the request rate for the pieces of refused batches.
SPLIT_SHARE = 0.5


def doubling(first: float, most: float, times: int) -> float:
    """The wait after ``times`` failures (from 1): ``first``, doubled each time up to ``most``."""
    return min(most, first * 2.0 ** min(times - 1, 30))


def retry_delay(attempts: int, drawn: float) -> float:
    """Seconds until a message is posted again after ``attempts`` broken answers. Half of it is
    random (``drawn``, 0 to 1), so that batches that failed together are not retried together."""
    return doubling(RETRY_FIRST, RETRY_MOST, attempts) * (0.5 + 0.5 * drawn)


class Pace:
    """When the next request to an upstream may go. Times are the caller's clock, in seconds."""

    def __init__(self, rate: float, burst: float, max_batch: int, now: float) -> None:
        self._rate = rate
        self._requests = TokenBucket(rate, burst, now)
        self._splits = TokenBucket(rate * SPLIT_SHARE, max(1.0, burst * SPLIT_SHARE), now)
        self.max_batch = max_batch
        self.held = ""  # why only probes are sent; empty: not held
        self._failures = 0
        self._unknown = 0  # of these: in a row up to now
        self._slowed = 0
        self._probes = 0
        self._not_before = now

    def share(self, nodes: int) -> None:
        """Divides the rate by the number of nodes."""
        self._requests.rate = self._rate / nodes
        self._splits.rate = self._rate * SPLIT_SHARE / nodes

    @property
    def rate(self) -> float:
        """Requests per second; this node's share."""
        return self._requests.rate

    @property
    def probing(self) -> bool:
        """Whether only one message at a time may go, as a probe.

        True from the first unknown outcome on. An API that takes messages without answering gets
        them again: that must be a few messages, not the whole queue.
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
        """Seconds until the next request may go; 0: now. ``split``: it is a piece of a batch."""
        wait = max(self._not_before - now, self._requests.wait(now))
        return max(wait, self._splits.wait(now)) if split else wait

    def take(self, now: float, *, split: bool = False) -> None:
        """Notes that a request is sent."""
        self._requests.take(now)
        if split:
            self._splits.take(now)

    def give_back(self, *, split: bool = False) -> None:
        """The request that was noted is not sent."""
        self._requests.give_back()
        if split:
            self._splits.give_back()

    def try_now(self, now: float) -> None:
        """Allows a probe at once: the cause of the wait may be mended."""
        self._probes = self._slowed = 0
        self._not_before = now

    def note(self, verdict: Verdict, size: int, now: float) -> None:
        """Notes the verdict on a request of ``size`` messages."""
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
            # An answer, and not about our credentials: the hold is over.
            self.held = ""
            self._failures = self._unknown = self._slowed = self._probes = 0
            if meaning is Meaning.TOO_LARGE and size > 1:
                self.max_batch = max(1, min(self.max_batch, size // 2))
