"""The attempts that this process began or resumed.

Attempts of this node that are not among them were left by an earlier process with its number.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


class OwnAttempts:
    """Follows the requests that begin and finish attempts."""

    def __init__(self) -> None:
        #: With the number of requests that began it or may begin it.
        self._requests: dict[int, int] = {}

    def __contains__(self, attempt_id: object) -> bool:
        return attempt_id in self._requests

    def known(self) -> frozenset[int]:
        """The attempts of this moment."""
        return frozenset(self._requests)

    def resume(self, attempts: Iterable[int]) -> None:
        """Takes over attempts of an earlier process."""
        self._requests.update(dict.fromkeys(attempts, 1))

    def begin(self, attempt_id: int, begun: asyncio.Future[T]) -> None:
        """Knows the attempt, unless no request for it is stored."""
        self._requests[attempt_id] = self._requests.get(attempt_id, 0) + 1

        def refused(begun: asyncio.Future[T]) -> None:
            if begun.cancelled() or begun.exception() is not None:
                left = self._requests.get(attempt_id, 0) - 1
                if left > 0:
                    self._requests[attempt_id] = left
                else:
                    self._requests.pop(attempt_id, None)

        begun.add_done_callback(refused)

    def end(self, attempt_id: int, finished: asyncio.Future[None]) -> None:
        """Forgets the attempt once its end is stored."""

        def done(finished: asyncio.Future[None]) -> None:
            if not finished.cancelled() and finished.exception() is None:
                self._requests.pop(attempt_id, None)

        finished.add_done_callback(done)
