"""Limits on connections and binds."""

from __future__ import annotations

import pytest

from bridge.accounts.accounts import Account
from bridge.config.settings import AccountSettings
from bridge.model.failure import Failure, Reason
from bridge.smpp.inbound.limits import OVERFLOW, Occupancy


def test_connections_are_counted_in_all_and_by_address() -> None:
    occupancy = Occupancy(3, 2)
    assert occupancy.enter("192.0.2.1") is None
    assert occupancy.enter("192.0.2.1") is None
    crowded = occupancy.enter("192.0.2.1")
    assert crowded is not None
    assert crowded.reason is Reason.TOO_MANY_SESSIONS
    assert "this address" in crowded.description
    assert occupancy.enter("192.0.2.2") is not None  # the fourth in all
    for _ in range(3):
        occupancy.count_out("192.0.2.1")
    assert occupancy.enter("192.0.2.1") is None


def test_far_over_the_limit_connections_are_dropped_without_an_answer() -> None:
    occupancy = Occupancy(1, 10_000)
    for _ in range(1 + OVERFLOW):
        assert not occupancy.overcrowded
        occupancy.enter("192.0.2.1")
    assert occupancy.overcrowded
    occupancy.count_out("192.0.2.1")
    assert not occupancy.overcrowded


def test_binds_are_counted_by_account() -> None:
    occupancy = Occupancy(10, 10)
    crm = Account("crm", AccountSettings(max_binds=1))
    other = Account("other", AccountSettings(max_binds=1))
    occupancy.bind(crm)
    occupancy.bind(other)
    with pytest.raises(Failure) as refused:
        occupancy.bind(crm)
    assert refused.value.reason is Reason.TOO_MANY_SESSIONS
    occupancy.unbind(crm)
    occupancy.bind(crm)


def test_other_limits_count_from_now_on() -> None:
    occupancy = Occupancy(1, 1)
    assert occupancy.enter("192.0.2.1") is None
    occupancy.limit(2, 2)
    assert occupancy.enter("192.0.2.1") is None
    occupancy.limit(1, 1)
    occupancy.count_out("192.0.2.1")
    assert occupancy.enter("192.0.2.1") is not None
