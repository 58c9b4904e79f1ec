"""Messages that came to an end not long ago, by their upstream ids: kept in memory, and bounded.

The index of upstream ids holds what is under way alone, so that it stays small. What the API says
again, or against itself, mostly comes soon after; with this it is still recognised. Of what ended
before the daemon started, or at another node, nothing is known here. A word about such a message
passes for an early one, and while there are any of these the latest messages are looked through.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_MOST = 20_000
#: How many of the latest messages are looked through, and how often at most (seconds).
LOOK_THROUGH: Final = 50_000
LOOK_EVERY: Final = 60


class Ended:
    """The ids of the last messages that ended here."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._ids: dict[str, int] = {}
        self._looked_at = 0

    def __contains__(self, upstream_id: str) -> bool:
        return upstream_id in self._ids

    def add(self, ids: Iterable[tuple[str, int]]) -> None:
        """Upstream ids with their messages' ids, the latest last."""
        self._ids.update(ids)
        if len(self._ids) > self._most:
            # A quarter at once: each time is a walk over all.
            for upstream_id in list(self._ids)[: len(self._ids) - self._most * 3 // 4]:
                del self._ids[upstream_id]

    def find(self, upstream_ids: Iterable[str]) -> list[int]:
        """The ids of the messages that are known of these."""
        return [self._ids[one] for one in upstream_ids if one in self._ids]

    def look(self, now: int) -> bool:
        """Whether to look through the latest messages now (Unix time): not again for a while."""
        if self._looked_at <= now < self._looked_at + LOOK_EVERY:
            return False
        self._looked_at = now
        return True
