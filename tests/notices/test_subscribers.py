"""Takers of a queue: their turns, and refusals."""

from __future__ import annotations

import asyncio

from bridge.model.notice import Kind, Notice, Owed
from bridge.notices.subscribers import (
    FIRST_REST,
    LONGEST_REST,
    MOVING,
    NoticeQueue,
    Place,
    TakerAnswer,
)

TAKEN, REFUSED = TakerAnswer(True, "taken"), TakerAnswer(False, "full")


class Receiver:
    """A taker with this room."""

    def __init__(self, name: str, free: int = 10) -> None:
        self.name = name
        self.free = free

    def room(self) -> int:
        return self.free

    def tell(self, owed: Owed) -> asyncio.Future[TakerAnswer]:
        raise NotImplementedError


def owed(tries: int = 0) -> Owed:
    return Owed(Notice("smpp:crm", "crm", Kind.STATE, 1, 1, 0, 0, tries=tries))


def queue_with(*receivers: Receiver) -> NoticeQueue:
    queue = NoticeQueue("smpp:crm")
    for receiver in receivers:
        queue.places.setdefault(receiver.name, []).append(Place(receiver))
    return queue


def chosen(queue: NoticeQueue, count: int, owed: Owed) -> list[str]:
    found = []
    for _ in range(count):
        place = queue.choose(owed, 0.0)
        assert place is not None
        found.append(place.taker.name)
    return found


def test_takers_have_their_turns() -> None:
    queue = queue_with(Receiver("a"), Receiver("b"), Receiver("c"))
    assert chosen(queue, 6, owed()) == ["a", "b", "c", "a", "b", "c"]


def test_a_taker_without_room_is_passed_over() -> None:
    queue = queue_with(Receiver("a", free=0), Receiver("b"))
    assert chosen(queue, 2, owed()) == ["b", "b"]
    assert queue_with(Receiver("a", free=0)).choose(owed(), 0.0) is None


def test_after_a_refusal_a_taker_is_probed_with_a_single_notice() -> None:
    place = Place(Receiver("a", free=10))
    place.note(REFUSED, 0.0)
    assert place.room(0.0) == 0
    assert place.room(FIRST_REST) == 1
    place.told += 1
    assert place.room(FIRST_REST) == 0, "until that one is answered"
    place.told -= 1
    place.note(TAKEN, FIRST_REST)
    assert place.room(FIRST_REST) == 10


def test_rests_grow_up_to_their_limit() -> None:
    place, now, rests = Place(Receiver("a")), 0.0, []
    for _ in range(9):
        place.note(REFUSED, now)
        rests.append(round(place.rests_until - now, 6))
        now = place.rests_until
    assert rests[0] == FIRST_REST
    assert rests == sorted(rests)
    assert rests[-1] == LONGEST_REST


def test_refusals_of_what_was_told_before_the_first_one_are_one_refusal() -> None:
    place = Place(Receiver("a"))
    for _ in range(5):
        place.note(REFUSED, 0.0)
    assert place.rests_until == FIRST_REST


def test_a_refused_notice_goes_to_a_taker_without_failures() -> None:
    queue = queue_with(Receiver("a"), Receiver("b"))
    queue.places["a"][0].note(REFUSED, -LONGEST_REST)
    assert chosen(queue, 2, owed(tries=1)) == ["b", "b"]


def test_takers_that_answer_have_as_many_notices_claimed_again() -> None:
    queue = queue_with(Receiver("a", free=4))
    assert queue.room(100.0) == 4
    queue.places["a"][0].told = 6
    queue.answered_at = 100.0
    assert queue.room(100.0) == 10
    assert queue.room(100.0 + MOVING) == 4
    queue.waiting.append(owed())
    assert queue.room(100.0) == 9


def test_a_queue_stands_when_nobody_answers_for_long() -> None:
    queue = queue_with(Receiver("a"))
    assert not queue.stands(1000.0), "nothing waits"
    queue.waiting.append(owed())
    queue.claimed_at = 1000.0
    assert not queue.stands(1000.0)
    assert queue.stands(1000.0 + MOVING)
