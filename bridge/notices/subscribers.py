"""The takers of a queue's notices, and their turns.

Decides which taker gets the next notice, and how long a taker rests after a refusal.
:mod:`bridge.notices.outbox` decides when a notice is told.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

from bridge.model.notice import Owed

#: After a refusal a taker gets one notice at a time, after pauses that double (seconds).
FIRST_REST: Final = 0.05
LONGEST_REST: Final = 5.0
#: After an answer, the next one is expected within this time (seconds).
MOVING: Final = 1.0


class TakerAnswer(NamedTuple):
    """A taker's answer to a notice: it has ended, or it is to be retried.

    ``outcome`` names the peer that took it, or the cause of the refusal, for the trace. ``lost``:
    the connection closed without an answer. The first such loss is retried without a pause.
    """

    ended: bool
    outcome: str
    lost: bool = False


class Taker(Protocol):
    """A subscriber that takes the notices of a queue."""

    @property
    def name(self) -> str:
        """Its peer, for the trace and the log; it also identifies the submitting session."""

    def room(self) -> int:
        """The number of notices that it can still take now."""

    def tell(self, owed: Owed) -> asyncio.Future[TakerAnswer]:
        """Sends the notice. The future gets the answer, never an exception."""


class Place:
    """A taker's place in a queue: notices in flight, refusals, rest."""

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
        """Counts a refusal and sets the rest after it; success resets both."""
        if answer.ended:
            self.failures = 0
            return
        if self.failures and now < self.rests_until:
            return  # this notice was sent before the refusal was known
        self.rests_until = now + min(LONGEST_REST, FIRST_REST * 2 ** min(self.failures, 10))
        self.failures += 1


class NoticeQueue:
    """A queue with its takers, and the notices that this node has claimed and not told yet."""

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
        self.places: dict[str, list[Place]] = {}  # by taker name, in the order of turns
        self.waiting: deque[Owed] = deque()
        self.early: list[tuple[float, int, Owed]] = []  # heap by loop time to look again
        self.look = True  # the store may have notices that are due
        self.retry_at = 0  # next retry of a refused notice (Unix time); 0: none
        self.claiming = False
        self.claimed_at = 0.0
        self.answered_at = -MOVING
        self.kicked = False
        self.timer: asyncio.TimerHandle | None = None

    def all_places(self) -> Iterable[Place]:
        for places in self.places.values():
            yield from places

    def stands(self, now: float) -> bool:
        """Whether notices wait here and no taker has answered for ``MOVING`` seconds."""
        return bool(self.waiting) and now - max(self.answered_at, self.claimed_at) >= MOVING

    def room(self, now: float) -> int:
        """The number of notices that may still be claimed: the room of all takers.

        A taker that answers counts with its notices in flight as well: the next ones are here when
        it answers, and one claim brings many.
        """
        room, moving = 0, now - self.answered_at < MOVING
        for place in self.all_places():
            free = place.room(now)
            room += free + place.told if moving and not place.failures else free
        return room - len(self.waiting)

    def choose(self, owed: Owed, now: float) -> Place | None:
        """The taker to tell: the session that submitted the message, else the next with room."""
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
                # Prefer a taker without failures for a notice that was refused before.
                if not (again and place.failures):
                    break
        if chosen is not None:
            # It has had its turn: the others come first.
            places = self.places.pop(chosen.taker.name)
            places.remove(chosen)
            places.append(chosen)
            self.places[chosen.taker.name] = places
        return chosen
