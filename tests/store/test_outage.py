"""Periodic work that fails with the store is logged once an outage."""

from __future__ import annotations

from structlog.testing import capture_logs

from bridge.store.errors import StoreError
from bridge.store.outage import Outage


def test_the_first_failure_is_logged_and_the_next_outage_again() -> None:
    outage = Outage("upkeep_failed", work="sweep")
    with capture_logs() as logs:
        outage.failed(StoreError("disk full"))
        outage.failed(StoreError("disk full"))
        outage.over()
        outage.failed(StoreError("away"))
    assert [(log["event"], log["work"], log["error"]) for log in logs] == [
        ("upkeep_failed", "sweep", "disk full"),
        ("upkeep_failed", "sweep", "away"),
    ]
