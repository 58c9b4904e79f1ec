"""Takers of notices, and whose turn it is among those of one queue.

Decides who is told the next notice, and how to treat a taker that refuses. When there is something
to tell is decided by :mod:`bridge.notices.outbox`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from bridge.model.notice import Owed

#: After a refusal a taker gets one notice at a time, with growing pauses (seconds).
FIRST_REST: Final = 0.05
LONGEST_REST: Final = 5.0
#: Seconds after an answer for which another is expected.
MOVING: Final = 1.0


class TakerAnswer(NamedTuple):
    """What a taker says of a notice: ended for good, or to be tried again.

    ``outcome`` is who took it or why not, for the trace. ``lost`` says that the taker went away
    without an answer, which is not the notice's fault: it may be tried at once, once.
    """

    ended: bool
    outcome: str
    lost: bool = False


class Taker(Protocol):
    """Somebody who takes what is in a queue."""

    @property
    def name(self) -> str:
        """Its peer, for the trace and the log; also how a submitting session is known again."""

    def room(self) -> int:
        """How many more it takes now."""

    def tell(self, owed: Owed) -> asyncio.Future[TakerAnswer]:
        """Tells it; the future gets the answer, and never an exception."""


class Place:
    """A taker in a queue, and how it behaves."""

    __slots__ = ("failures", "gone", "rests_until", "taker", "told")

    def __init__(self, taker: Taker) -> None:
        self.taker = taker
        self.told = 0
        self.failures = 0
        self.rests_until = 0.0
        self.gone = False

    def room(self, now: float) -> int:
        if not self.failures:
            return self.taker.room()
        # After a refusal, probe with a single notice.
        return 0 if self.told or now < self.rests_until else min(1, self.taker.room())

    def note(self, answer: TakerAnswer, now: float) -> None:
        """Keeps how it answered."""
        if answer.ended:
            self.failures = 0
            return
        if self.failures and now < self.rests_until:
            return  # it was told before it was known to refuse
        self.rests_until = now + min(LONGEST_REST, FIRST_REST * 2 ** min(self.failures, 10))
        self.failures += 1


class NoticeQueue:
    """One queue with takers, and what of it this node has claimed and not told yet."""

    __slots__ = (
        "answered_at",
        "claimed_at",
        "claiming",
        "early",
        "kicked",
        "look",
        "name",
        "places",
        "retry_at",
        "timer",
        "waiting",
    )

    def __init__(self, name: str) -> None:
        self.name = name
        self.places: dict[str, list[Place]] = {}  # by the takers' names, in turn
        self.waiting: deque[Owed] = deque()
        self.early: list[tuple[float, int, Owed]] = []  # a heap: from when on it may be told
        self.look = True  # the store may have something due
        self.retry_at = 0  # when something that was not taken is due again, 0: nothing is
        self.claiming = False
        self.claimed_at = 0.0
        self.answered_at = -MOVING
        self.kicked = False
        self.timer: asyncio.TimerHandle | None = None

    def all_places(self) -> Iterable[Place]:
        for places in self.places.values():
            yield from places

    def stands(self, now: float) -> bool:
        """Whether what waits here has waited long with no taker answering."""
        return bool(self.waiting) and now - max(self.answered_at, self.claimed_at) >= MOVING

    def room(self, now: float) -> int:
        """How many more may be claimed: as many as takers have room for.

        Of those who answer, as many again as they are being told: so there is something left when
        they do, and the store is asked for many at once.
        """
        room, moving = 0, now - self.answered_at < MOVING
        for place in self.all_places():
            free = place.room(now)
            room += free + place.told if moving and not place.failures else free
        return room - len(self.waiting)

    def choose(self, owed: Owed, now: float) -> Place | None:
        """Who is to be told: the session that submitted it, else the next that has room."""
        if len(self.places) == 1:
            [places] = self.places.values()
            if len(places) == 1:
                return places[0] if places[0].room(now) > 0 else None
        again = owed.notice.tries > 0
        if not again and owed.stored is not None:
            for place in self.places.get(owed.stored.message.peer, ()):
                if place.room(now) > 0:
                    return place
        chosen: Place | None = None
        for place in self.all_places():
            if place.room(now) > 0:
                chosen = place
                # What was not taken goes to somebody who takes, if there is one.
                if not (again and place.failures):
                    break
        if chosen is not None:
            # To the end of the line: the others have their turn first.
            places = self.places.pop(chosen.taker.name)
            places.remove(chosen)
            places.append(chosen)
            self.places[chosen.taker.name] = places
        return chosen
