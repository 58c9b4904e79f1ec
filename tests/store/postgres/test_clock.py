"""All nodes use the clock of the database; a large difference is logged."""

from __future__ import annotations

import time

import pytest
from structlog.testing import capture_logs

from bridge.store import StoreError
from bridge.store.postgres.clock import DatabaseClock
from bridge.store.postgres.engine import PostgresStore
from tests.samples import NOW


class Hands:
    """The clock of this machine, and its monotonic clock."""

    def __init__(self) -> None:
        self.wall = float(NOW)
        self.monotonic = 100.0


def test_the_time_goes_on_whatever_is_done_to_the_clock_of_this_machine() -> None:
    hands = Hands()
    clock = DatabaseClock(lambda: hands.wall, lambda: hands.monotonic)
    assert clock() == NOW
    clock.set(NOW + 0.5)
    hands.wall += 3600
    hands.monotonic += 7
    assert clock() == NOW + 7.5


def test_a_clock_skew_is_logged_once_and_again_when_it_changes() -> None:
    hands = Hands()
    clock = DatabaseClock(lambda: hands.wall, lambda: hands.monotonic)
    with capture_logs() as logs:
        for ahead in (0.1, 1.9, 6.0, 6.5, 7.9, 0.3):
            hands.wall = NOW + ahead
            clock.set(NOW)
    assert [(line["event"], line["seconds"]) for line in logs] == [
        ("clock_skewed", 6.0),
        ("clock_skewed", 0.3),
    ]


async def test_a_node_goes_by_the_clock_of_the_database(database: str) -> None:
    store = PostgresStore(database, machine_clock=lambda: time.time() + 20)
    with capture_logs() as logs:
        await store.open()
    try:
        assert abs(store.time() - time.time()) < 10
        assert "clock_skewed" in [line["event"] for line in logs]
    finally:
        await store.close()


@pytest.mark.parametrize(("skew", "where"), [(360, "ahead of"), (-360, "behind")])
async def test_a_node_whose_clock_is_far_off_does_not_start(
    database: str, skew: int, where: str
) -> None:
    store = PostgresStore(database, machine_clock=lambda: time.time() + skew)
    with pytest.raises(StoreError, match=f"360 s {where} that of the database"):
        await store.open()
    await store.close()
