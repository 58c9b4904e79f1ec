"""Places for connections, and memory for large requests."""

from __future__ import annotations

from bridge.net.connection_limits import ConnectionLimits
from bridge.net.http_room import SMALL, HttpPlace, HttpRoom


def place(room: HttpRoom, dropped: list[str], name: str) -> HttpPlace | None:
    return room.place("192.0.2.7", lambda: dropped.append(name))


def test_an_idle_connection_gives_way_and_one_that_is_answered_does_not() -> None:
    room, dropped = HttpRoom(ConnectionLimits(2), 0), list[str]()
    first, second = place(room, dropped, "first"), place(room, dropped, "second")
    assert first is not None
    assert second is not None
    first.answering = True
    assert place(room, dropped, "third") is not None
    assert dropped == ["second"]


def test_a_connection_that_left_makes_room() -> None:
    room, dropped = HttpRoom(ConnectionLimits(1), 0), list[str]()
    first = place(room, dropped, "first")
    assert first is not None
    first.leave()
    first.leave()
    assert place(room, dropped, "second") is not None
    assert dropped == []


def test_small_requests_take_no_shared_memory_and_large_ones_give_it_back() -> None:
    room = HttpRoom(ConnectionLimits(0), 3 * SMALL)
    one, other = room.place("a", lambda: None), room.place("b", lambda: None)
    assert one is not None
    assert other is not None
    assert one.hold(2 * SMALL)
    assert not other.hold(2 * SMALL)
    other.let_go()
    assert other.hold(SMALL)
    one.answered()
    assert other.hold(SMALL)
