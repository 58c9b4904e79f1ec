"""The newest ``audit`` events since the start: who read texts, who changed what.

The log has all of them; these are kept in memory for the console.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from bridge.log import PHONE_FIELDS, mask

EVENT: Final = "audit"
_MOST: Final = 1000


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """``by`` did ``action``; ``about`` are the other fields of the event, with masked phones."""

    at: datetime
    action: str
    by: str
    about: dict[str, str]


class AuditTrail:
    """Watches the log (:data:`bridge.log.WATCHERS`)."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._records: deque[AuditRecord] = deque(maxlen=_MOST)

    def watch(self, _: str, event: Mapping[str, Any]) -> None:
        """Takes one event."""
        if event.get("event") != EVENT:
            return
        about = {
            name: mask(str(value)) if name in PHONE_FIELDS else str(value)
            for name, value in event.items()
            if name not in ("event", "action", "by") and value not in ("", None)
        }
        now = datetime.fromtimestamp(int(self._clock()), UTC)
        self._records.append(AuditRecord(now, str(event["action"]), str(event["by"]), about))

    def newest(self, limit: int, id: str = "") -> list[AuditRecord]:
        """The newest first; with ``id`` only events about that message."""
        found = [one for one in reversed(self._records) if id in ("", one.about.get("id"))]
        return found[:limit]
