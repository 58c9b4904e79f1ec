"""Errors of the store, and the failure that a client gets for each."""

from __future__ import annotations

import pytest

from bridge.model.failure import Failure, Reason
from bridge.store import LeaseLost, OverDailyLimit, StoreError, StoreFull, failing


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreError("broken"), Reason.OPERATION_FAILED),
        (StoreFull("no room"), Reason.BRIDGE_FULL),
        (LeaseLost(), Reason.OPERATION_FAILED),
        (OverDailyLimit(3), Reason.TOO_FAST),
    ],
)
def test_an_error_is_raised_as_the_failure_for_the_client(
    error: StoreError, reason: Reason
) -> None:
    with pytest.raises(Failure) as caught, failing():
        raise error
    assert caught.value.reason is reason
    assert caught.value.__cause__ is error


def test_other_errors_are_raised_unchanged() -> None:
    with pytest.raises(ValueError), failing():
        raise ValueError
    with pytest.raises(Failure) as caught, failing():
        raise Failure(Reason.NOT_FOUND)
    assert caught.value.reason is Reason.NOT_FOUND
