"""The state of an upstream for operators, in a word and in a sentence."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from bridge.admin.answers import UpstreamStatus
from bridge.admin.stored_verbs import at
from bridge.sending.upstream import UpstreamLine

#: The status of an upstream by the meaning of the API's last answer.
_STATUSES: Final = {
    "hold": "refused",
    "slow_down": "slowed down",
    "broken": "broken",
    "unknown": "unknown outcomes",
}


def upstream_status(line: UpstreamLine) -> UpstreamStatus:
    """The status of an upstream."""
    trouble = line.trouble
    status = "held" if line.held else _STATUSES[trouble.meaning] if trouble else "ok"
    waiting = sum(map(len, line.queues.values()))
    words = ""
    if trouble:
        since = datetime.fromtimestamp(trouble.since).astimezone()
        words = (
            f"the API takes nothing since {since:%Y-%m-%d %H:%M:%S} ({status}): {trouble.cause}; "
            f"{waiting} messages wait"
        )
    return UpstreamStatus(
        line.name,
        status,
        trouble.cause if trouble else "",
        at(trouble.since) if trouble else None,
        at(trouble.last) if trouble else None,
        trouble.requests if trouble else 0,
        line.in_flight,
        waiting,
        words,
    )
