"""A process knows its attempts from their first request to their stored end."""

from __future__ import annotations

import asyncio

from bridge.store.errors import StoreError
from bridge.store.postgres.own_attempts import OwnAttempts


async def ended(error: Exception | None = None) -> asyncio.Future[None]:
    request = asyncio.get_running_loop().create_future()
    if error is None:
        request.set_result(None)
    else:
        request.set_exception(error)
    await asyncio.sleep(0)
    return request


async def test_an_attempt_is_known_while_its_beginning_is_being_stored() -> None:
    own = OwnAttempts()
    own.begin(7, asyncio.get_running_loop().create_future())
    assert 7 in own
    assert own.known() == {7}


async def test_an_attempt_that_could_not_be_stored_is_not_known() -> None:
    own = OwnAttempts()
    own.begin(7, await ended(StoreError("away")))
    await asyncio.sleep(0)
    assert 7 not in own


async def test_an_attempt_begun_twice_is_known_while_one_request_is_stored() -> None:
    own = OwnAttempts()
    own.begin(7, await ended())
    own.begin(7, await ended(StoreError("away")))
    await asyncio.sleep(0)
    assert 7 in own


async def test_an_attempt_is_known_until_its_end_is_stored() -> None:
    own = OwnAttempts()
    own.resume([7])
    own.end(7, await ended(StoreError("away")))
    await asyncio.sleep(0)
    assert 7 in own
    own.end(7, await ended())
    await asyncio.sleep(0)
    assert own.known() == frozenset()
