"""Warnings and errors of the last hour, each kind once with its count."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

#: How long a kind is kept after its last event (seconds), and most kinds.
KEPT: Final = 3600.0
_MOST: Final = 500
#: Fields that distinguish kinds of one event, fields with the cause, and facts for events without
#: one.
_APART: Final = ("account", "upstream", "listener", "key")
_WHY: Final = ("cause", "reason", "reply", "error", "meaning", "status", "outcome", "mistakes")
_FACTS: Final = ("address", "seconds", "to", "nodes", "word", "work")


@dataclass(frozen=True, slots=True)
class NotableEvent:
    """A kind of event at warning or above: its count, first time, and last cause."""

    event: str
    level: str
    about: str
    count: int
    first: datetime
    last: datetime
    says: str


class RecentTrouble:
    """Watches the log (:data:`bridge.log.WATCHERS`)."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._kinds: dict[tuple[str, str], NotableEvent] = {}

    def watch(self, level: str, event: Mapping[str, Any]) -> None:
        """Takes one event."""
        if level in ("debug", "info"):
            return
        name = str(event.get("event", ""))
        about = " ".join(str(event[field]) for field in _APART if event.get(field))
        said = [_text(event[field]) for field in _WHY if event.get(field)]
        said += [f"{field} {_text(event[field])}" for field in _FACTS if event.get(field)]
        now = datetime.fromtimestamp(int(self._clock()), UTC)
        key = (name, about)
        before = self._kinds.pop(key, None)
        first, count = (before.first, before.count) if before else (now, 0)
        level = "error" if level in ("exception", "critical") else level
        says = said[0][:300] if said else ""
        self._kinds[key] = NotableEvent(name, level, about, count + 1, first, now, says)
        if len(self._kinds) > _MOST:
            del self._kinds[next(iter(self._kinds))]

    def recent(self) -> list[NotableEvent]:
        """Those of the last hour, the latest first."""
        after = self._clock() - KEPT
        return [one for one in reversed(self._kinds.values()) if one.last.timestamp() > after]


def _text(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
