"""Which messages a selection may hold."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.model.message import MessageType
from bridge.model.selection import Selection
from tests.samples import NOW, message

ONE = message(7, submission_id=5)


@pytest.mark.parametrize(
    "conditions",
    [
        {},
        {"id": 7},
        {"id": 5},
        {"account": "crm"},
        {"message_type": MessageType.TRANSACTION},
        {"sender": "Shop"},
        {"phone": "+380501234567"},
        {"phone": "+38050*"},
        {"since": NOW, "until": NOW + 1},
        {"reason": "anything"},
    ],
)
def test_a_message_that_meets_all_conditions_is_held(conditions: dict[str, Any]) -> None:
    assert Selection(**conditions).may_hold(ONE)


@pytest.mark.parametrize(
    "conditions",
    [
        {"id": 8},
        {"account": "shop"},
        {"message_type": MessageType.PROMO},
        {"sender": "shop"},
        {"phone": "+38050123456"},
        {"phone": "+38067*"},
        {"since": NOW + 1},
        {"until": NOW},
        {"account": "crm", "sender": "Other"},
    ],
)
def test_a_message_that_misses_one_condition_is_not_held(conditions: dict[str, Any]) -> None:
    assert not Selection(**conditions).may_hold(ONE)
