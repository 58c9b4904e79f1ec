"""Messages that came to an end not long ago, by their upstream ids: kept in memory, and bounded.

The index of upstream ids holds what is under way alone, so that it stays small. What the API says
again, or against itself, mostly comes soon after; with this it is still recognised.
"""

from __future__ import annotations

from collections.abc import Iterable

_MOST = 20_000


class Ended:
    """The ids of the last messages that ended here."""

    def __init__(self, most: int = _MOST) -> None:
        self._most = most
        self._ids: dict[str, int] = {}

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
