"""Limits on connections and handshakes, and dropped handshakes."""

from __future__ import annotations

import random

import pytest

from bridge.net.connection_limits import ConnectionLimits, Drop

ONE, OTHER = "192.0.2.1", "192.0.2.2"


class Handshakes:
    """Begins handshakes, and records dropped ones."""

    def __init__(self, limits: ConnectionLimits) -> None:
        self.limits = limits
        self.dropped: list[str] = []

    def begin(self, address: str, name: str) -> Drop | None:
        def drop() -> None:
            self.dropped.append(name)

        return drop if self.limits.begin_handshake(address, drop) else None


def test_connections_are_counted_in_all_and_by_address() -> None:
    limits = ConnectionLimits(3, 2)
    for address in (ONE, ONE, OTHER):
        limits.count_in(address)
    assert (limits.full, limits.full_for(ONE), limits.full_for(OTHER)) == (True, True, False)
    limits.count_out(ONE)
    assert not limits.full
    assert not limits.full_for(ONE)
    limits.limit(2, 1)
    assert limits.full
    limits.limit(0, 0)
    assert not limits.full
    assert not limits.full_for(ONE)


def test_a_handshake_counts_as_a_connection_until_it_ends() -> None:
    limits = ConnectionLimits(0, 1)
    drop = Handshakes(limits).begin(ONE, "a")
    assert drop is not None
    assert limits.full_for(ONE)
    assert limits.end_handshake(ONE, drop)
    assert not limits.full_for(ONE)
    assert not limits.end_handshake(ONE, drop)


def test_the_oldest_handshake_of_the_same_address_gives_way() -> None:
    limits = ConnectionLimits(0, 2)
    handshakes = Handshakes(limits)
    handshakes.begin(OTHER, "other")
    for name in "abcd":
        assert handshakes.begin(ONE, name)
    assert handshakes.dropped == ["a", "b"]


def test_where_all_is_full_the_address_with_most_handshakes_gives_way() -> None:
    handshakes = Handshakes(ConnectionLimits(4))
    for name in "abc":
        handshakes.begin(ONE, name)
    handshakes.begin(OTHER, "other")
    assert handshakes.begin(OTHER, "other again")
    assert handshakes.dropped == ["a"]


def test_only_handshakes_give_way_to_a_handshake() -> None:
    limits = ConnectionLimits(2, 1)
    limits.count_in(ONE)
    handshakes = Handshakes(limits)
    assert handshakes.begin(ONE, "a") is None
    limits.count_in(OTHER)
    assert handshakes.begin("192.0.2.3", "b") is None
    assert handshakes.dropped == []


@pytest.mark.parametrize("seed", range(5))
def test_whatever_comes_and_goes_the_limits_hold_and_all_is_counted_out(seed: int) -> None:
    chance = random.Random(seed)
    limits = ConnectionLimits(12, 5)
    handshakes = Handshakes(limits)
    under_way: list[tuple[str, Drop]] = []
    for n in range(500):
        address = f"192.0.2.{chance.randrange(4)}"
        if chance.random() < 0.6:
            drop = handshakes.begin(address, f"{n}")
            if drop is not None:
                under_way.append((address, drop))
        elif under_way:
            limits.end_handshake(*under_way.pop(chance.randrange(len(under_way))))
        assert limits._connections <= 12
        assert max(limits._addresses.values(), default=0) <= 5
    for one in under_way:
        limits.end_handshake(*one)
    assert (limits._connections, dict(limits._addresses), limits._handshakes) == (0, {}, {})


def test_a_handshake_that_refuses_to_be_dropped_counts_as_the_latest() -> None:
    limits = ConnectionLimits(2)
    asked: list[str] = []

    def begin(name: str, address: str, *answers: bool) -> bool:
        answer = iter(answers)

        def drop() -> bool:
            asked.append(name)
            return next(answer)

        return limits.begin_handshake(address, drop)

    assert begin("busy", ONE, False, False, False, False)
    assert begin("used", OTHER, False, True)
    assert begin("new", ONE, True), "the used one goes when it is asked again"
    assert asked == ["busy", "busy", "used", "used"]
    asked.clear()
    assert begin("newer", OTHER, False, False)
    assert asked == ["busy", "new"]
    asked.clear()
    assert not begin("last", OTHER), "two that must stay"
    assert limits.full
