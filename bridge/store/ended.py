"""Recently ended messages by their upstream ids, in memory, up to a limit.

The database index of upstream ids covers only messages that are under way, so that it stays small.
The API may repeat or contradict a status; most such statuses come soon after the first and are
recognised here. Messages that ended before the daemon started, or at another node, are not known
here. A status for one of these counts as early; while there are early statuses, the latest messages
are searched for them.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_MOST = 20_000
#: Number of latest messages searched, and shortest time between two searches (seconds).
LOOK_THROUGH: Final = 50_000
LOOK_EVERY: Final = 60


class Ended:
    """The ids of the messages that ended here last."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._ids: dict[str, int] = {}
        self._looked_at = 0

    def __contains__(self, upstream_id: str) -> bool:
        return upstream_id in self._ids

    def add(self, ids: Iterable[tuple[str, int]]) -> None:
        """Adds upstream ids with their message ids, the latest last."""
        self._ids.update(ids)
        if len(self._ids) > self._most:
            # Remove a quarter at once: each removal walks over all ids.
            for upstream_id in list(self._ids)[: len(self._ids) - self._most * 3 // 4]:
                del self._ids[upstream_id]

    def find(self, upstream_ids: Iterable[str]) -> list[int]:
        """The message ids of those upstream ids that are known."""
        return [self._ids[one] for one in upstream_ids if one in self._ids]

    def look(self, now: int) -> bool:
        """Whether to search the latest messages now (Unix time); False for a while afterwards."""
        if self._looked_at <= now < self._looked_at + LOOK_EVERY:
            return False
        self._looked_at = now
        return True
