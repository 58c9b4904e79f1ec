"""Messages that wait in the bridge until a later time, and their states."""

from __future__ import annotations

import time
from typing import Any

from bridge.model.message import Outcome, State, Stored, Submission
from tests.relaying import Relaying, id_of
from tests.samples import submission

WINDOW: dict[str, dict[str, Any]] = {"crm": {"duplicate_window": "1h", "schedule": "bridge"}}


def later() -> Submission:
    return submission(scheduled_at=int(time.time()) + 3600)


async def state(bridge: Relaying, outcome: Outcome) -> State:
    [stored] = await bridge.relay.query(bridge.account(), id_of(outcome))
    return stored.state


async def waiting(bridge: Relaying) -> list[Stored]:
    return await bridge.store.waiting_for("crm", "+380501234567")
