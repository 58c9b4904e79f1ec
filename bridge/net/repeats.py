"""Logs repeated events about a peer once in a while, with a count."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any, Final

import structlog

log = structlog.get_logger()

#: The shortest time between two logs of the same event with the same fields (seconds).
_EVERY: Final = 60.0
#: Most different events that are remembered.
_MOST: Final = 1000


class Repeats:
    """``clock`` gives the seconds of a monotonic clock."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._told: dict[tuple[Any, ...], tuple[float, int]] = {}

    def warn(self, event: str, *, by: tuple[Any, ...] | None = None, **fields: Any) -> None:
        """Logs the event as a warning, or counts it. ``repeated`` is the count since it was logged
        last. ``by`` are the values that make it the same event, by default all fields."""
        kind = tuple(fields.values()) if by is None else by
        if (repeated := self._repeated((event, *kind))) is not None:
            log.warning(event, **fields, **repeated)

    def tell(self, event: str, *, by: tuple[Any, ...], **fields: Any) -> None:
        """As :meth:`warn`, without a warning."""
        if (repeated := self._repeated((event, *by))) is not None:
            log.info(event, **fields, **repeated)

    def _repeated(self, kind: tuple[Any, ...]) -> dict[str, int] | None:
        """The count for an event that is logged; ``None`` for one that is counted."""
        now = self._clock()
        at, count = self._told.get(kind, (now - _EVERY, 0))
        if now - at < _EVERY:
            self._told[kind] = (at, count + 1)
            return None
        if len(self._told) >= _MOST:
            self._told.clear()
        self._told[kind] = (now, 0)
        return {"repeated": count} if count else {}
