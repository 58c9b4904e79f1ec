"""The daily limit: what counts, and what a node may take while others accept too."""

from __future__ import annotations

import pytest

from bridge.model.failure import Failure, Reason
from bridge.relay.daily_limits import DailyLimits
from tests.samples import NOW, account

CRM = account(daily_limit=10)


class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


def test_what_was_accepted_today_counts_and_a_new_day_begins_anew() -> None:
    clock = Clock()
    limits = DailyLimits({"crm": 8}, clock)
    limits.take(CRM, 2)
    with pytest.raises(Failure) as caught:
        limits.take(CRM, 1)
    assert caught.value.reason is Reason.TOO_FAST
    assert limits.used("crm") == 10
    clock.now += 86400
    limits.take(CRM, 10)


def test_what_was_not_accepted_does_not_count() -> None:
    limits = DailyLimits({"crm": 0}, lambda: NOW)
    limits.take(CRM, 10)
    limits.give_back(CRM, 4)
    assert limits.used("crm") == 6
    limits.take(CRM, 4)
    with pytest.raises(Failure):
        limits.take(CRM, 1)


def test_a_submission_that_does_not_fit_as_a_whole_takes_nothing() -> None:
    limits = DailyLimits({"crm": 8}, lambda: NOW)
    with pytest.raises(Failure):
        limits.take(CRM, 3)
    limits.take(CRM, 2)
