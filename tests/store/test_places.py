"""The places of a single daemon's calls."""

from __future__ import annotations

from bridge.store.places import Places


async def test_a_place_is_free_again_when_it_is_given_back() -> None:
    places = Places()
    assert [await places.take("crm", 2) for _ in range(3)] == [True, True, False]
    assert await places.take("shop", 2)
    await places.give_back("crm")
    assert [await places.take("crm", 2) for _ in range(2)] == [True, False]
