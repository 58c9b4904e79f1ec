"""The filter of the queue in the store's vocabulary."""

from __future__ import annotations

from datetime import UTC, datetime

from bridge.admin.queue_filter import QueueFilter
from bridge.model.message import MessageType, State
from bridge.model.selection import Selection
from tests.samples import NOW


def test_an_empty_filter_selects_everything_and_chooses_nothing() -> None:
    assert QueueFilter().selection() == Selection()
    assert not QueueFilter().chooses


def test_every_condition_is_passed_on() -> None:
    at = datetime.fromtimestamp(NOW, UTC)
    filter = QueueFilter(
        7, "crm", "held", "promo", "Shop", "+38050*", "WRONG_PHONE", since=at, until=at
    )
    assert filter.chooses
    assert filter.selection() == Selection(
        7, "crm", State.HELD, MessageType.PROMO, "Shop", "+38050*", "WRONG_PHONE", NOW, NOW
    )
