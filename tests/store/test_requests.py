"""A request to a writer: its caller gets the answer, or the error for this caller alone."""

from __future__ import annotations

import asyncio

import pytest

from bridge.store.errors import OverDailyLimit
from bridge.store.requests import WriteRequest

Request = WriteRequest[str, int, int]


def request() -> Request:
    return WriteRequest("verb", 7, asyncio.get_running_loop().create_future())


async def test_a_caller_gets_the_answer_when_it_is_durable() -> None:
    one = request()
    assert (one.verb, one.payload) == ("verb", 7)
    one.answer = 42
    assert not one.future.done()
    one.resolve()
    assert await one.future == 42


async def test_an_error_as_the_answer_is_raised_to_its_caller() -> None:
    one = request()
    one.answer = OverDailyLimit(3)
    one.resolve()
    with pytest.raises(OverDailyLimit, match="over 3"):
        await one.future


async def test_a_caller_that_has_gone_gets_nothing() -> None:
    gone, answered = request(), request()
    gone.future.cancel()
    answered.future.set_result(1)
    for one in (gone, answered):
        one.answer = 42
        one.resolve()
    assert gone.future.cancelled()
    assert await answered.future == 1
