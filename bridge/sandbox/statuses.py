"""The ``deliverystatus`` of a message over time: a function of the clock and the number.

Nothing runs in the background: the status is computed for each request. The last four digits of a
number decide the final status (:data:`ENDINGS`); messages to all other numbers are delivered.
"""

from __future__ import annotations

from typing import NamedTuple

from bridge.sandbox.rules import Item, due_at

SCHEDULED = "scheduled"
PROCESSING = "processing"
DELIVERED = "delivered"
UNDELIVERABLE = "undeliverable"
PERMANENT_ERROR = "permanenterror"

#: Final statuses by the last digits of the number. A message with ``processing`` stays in that
#: status.
ENDINGS: dict[str, str] = {
    "0002": UNDELIVERABLE,
    "0003": PERMANENT_ERROR,
    "0004": PROCESSING,
}

#: What one part costs, in no particular currency.
PRICE = 0.35


class StatusPace(NamedTuple):
    """The seconds for which a message stays in each status before the last."""

    scheduled: float = 1.0
    processing: float = 2.0


PACE = StatusPace()


def ending(phone: str) -> str:
    return ENDINGS.get(phone[-4:], DELIVERED)


def timeline(item: Item, accepted_at: float, pace: StatusPace) -> list[tuple[float, str]]:
    """The statuses of the message with the Unix time at which each begins, in order."""
    processing_at = due_at(item, accepted_at) + pace.scheduled
    steps = [(accepted_at, SCHEDULED), (processing_at, PROCESSING)]
    last = ending(item["toPhone"])
    if last != PROCESSING:
        steps.append((processing_at + pace.processing, last))
    return steps


def status_at(item: Item, accepted_at: float, now: float, pace: StatusPace) -> str:
    """The ``deliverystatus`` that a message accepted at ``accepted_at`` has at ``now``."""
    status = SCHEDULED
    for since, name in timeline(item, accepted_at, pace):
        if since <= now:
            status = name
    return status


def parts_count(item: Item) -> int:
    """The approximate number of SMS parts: 160 or 153 ASCII characters, 70 or 67 others."""
    text = item.get("text", "")
    if not text:
        return 1
    if text.isascii():
        size, single, part = len(text), 160, 153
    else:
        size, single, part = len(text.encode("utf-16-be")) // 2, 70, 67
    return 1 if size <= single else -(-size // part)


def cost(item: Item) -> float:
    return round(parts_count(item) * PRICE, 2)
