"""What the API says of messages on their way: what its words mean, and that they are kept.

By webhook or because it was asked (:mod:`bridge.feedback.polling`): here a word becomes a state,
and the store notes it with whatever follows. Nothing is said to be kept before it is durable.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple

import structlog

from bridge.cascade.status import ApiStatus, NotDocumented, decode_statuses
from bridge.model.failure import Failure, Reason
from bridge.model.measures import MESSAGES
from bridge.model.message import State
from bridge.store import Noted, Status, Store, StoreError

log = structlog.get_logger()

#: How long a status waits for the API's answer that tells whose it is (seconds).
EARLY_KEPT: Final = 300
#: How often the store looks whether that answer has come (seconds).
MATCH_EVERY: Final = 1.0
#: How often the log hears how many statuses came (seconds), and how many of one kind by their ids.
TELL_EVERY: Final = 60.0
_TOLD_EACH: Final = 20
#: Words that are none of ours: so many are remembered as told.
_MAX_UNKNOWN: Final = 100


class Ending(NamedTuple):
    """What a final word means: the state, and the ``err`` of its receipt."""

    state: State
    err: int


#: The API's words, in small letters without anything between them; ``None`` ends nothing. The codes
#: are those that SMSC's clients know (reference: providers, section 4), the nearest in each case.
WORDS: Final[dict[str, Ending | None]] = {
    "scheduled": None,
    "processing": None,
    "sent": None,
    "delivered": Ending(State.DELIVERED, 0),
    # Whoever read it has it; it may be the only word where a channel tells nothing before.
    "read": Ending(State.DELIVERED, 0),
    # No channel reached the phone, now or in time: "offline".
    "undeliverable": Ending(State.UNDELIVERABLE, 6),
    "expired": Ending(State.EXPIRED, 6),
    # The operator said no, and trying again would not help: "rejected by the operator".
    "permanenterror": Ending(State.UNDELIVERABLE, 255),
    "failed": Ending(State.UNDELIVERABLE, 255),
}
#: The end of a message of which no final word came: "no status received".
UNHEARD: Final = Ending(State.UNDELIVERABLE, 245)


def meaning_of(word: str) -> Ending | None:
    """What a word of the API ends a message with; ``None`` if it does not, or nobody knows it."""
    return WORDS.get(_plain(word))


def _plain(word: str) -> str:
    return word.lower() if word.isalpha() else "".join(filter(str.isalpha, word.lower()))


class Statuses:
    """Takes the API's words. ``clock`` gives Unix time."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._unknown: set[str] = set()

    async def take(self, document: bytes) -> int:
        """Keeps what a status webhook brought, durably; tells how many elements were no statuses.

        Raises Failure: BAD_PARAMETER where nothing in it is a status, BRIDGE_FULL or
        OPERATION_FAILED where the store could not keep it.
        """
        try:
            said, bad = decode_statuses(document)
        except NotDocumented as error:
            raise Failure(Reason.BAD_PARAMETER, str(error)) from None
        if bad:
            if not self._counts["unreadable"]:
                ids = [error.id for error in bad if error.id][:_TOLD_EACH]
                log.warning(
                    "statuses_unreadable", count=len(bad), cause=str(bad[0]), upstream_ids=ids
                )
            self._counts["unreadable"] += len(bad)
        if said:
            await self.note(said)
        elif bad:
            raise Failure(Reason.BAD_PARAMETER, str(bad[0]))
        return len(bad)

    async def note(self, said: Sequence[ApiStatus]) -> None:
        """Keeps these words, durably. Raises Failure as :meth:`take`."""
        now = int(self._clock())
        await self._keep([self._status(one, now) for one in said])

    async def end(self, upstream_ids: Sequence[str]) -> None:
        """Ends messages of which no final word came. Raises Failure as :meth:`take`."""
        now = int(self._clock())
        await self._keep(
            [Status(id, "", UNHEARD.state, now, err=UNHEARD.err) for id in upstream_ids]
        )
        self._counts["ended unheard"] += len(upstream_ids)

    async def run(self) -> None:
        """Matches statuses that came early, and tells the log how many came, until cancelled."""
        tell_at = self._clock() + TELL_EVERY
        try:
            while True:
                await asyncio.sleep(MATCH_EVERY)
                now = self._clock()
                try:
                    forgotten = await self._store.match_early(int(now), int(now) - EARLY_KEPT)
                except StoreError as error:  # the next look may succeed
                    log.warning("statuses_not_matched", cause=str(error))
                else:
                    self._counts["of no message"] += forgotten
                if now >= tell_at:
                    tell_at = now + TELL_EVERY
                    self._tell()
        finally:
            self._tell()

    def _status(self, said: ApiStatus, now: int) -> Status:
        upstream_id, word, cost, counted_parts = said
        plain = _plain(word)
        ending = WORDS.get(plain)
        if ending is None:
            if plain not in WORDS:
                self._note_unknown(plain, word)
            return Status(upstream_id, word, None, now, cost, counted_parts)
        return Status(upstream_id, word, ending.state, now, cost, counted_parts, ending.err)

    def _note_unknown(self, plain: str, word: str) -> None:
        self._counts["unknown word"] += 1
        if plain not in self._unknown and len(self._unknown) < _MAX_UNKNOWN:
            self._unknown.add(plain)
            log.warning("status_unknown", word=word, effect="ends nothing")

    async def _keep(self, statuses: Sequence[Status]) -> None:
        try:
            noted = await self._store.note_statuses(statuses)
        except StoreError as error:
            raise error.failure from error
        for status, was in zip(statuses, noted, strict=True):
            self._counts[was.name.lower()] += 1
            if was is Noted.CHANGED and status.state is not None:
                MESSAGES.add(status.state._value_)
            if was is Noted.LATE and self._counts["late"] <= _TOLD_EACH:
                log.warning("status_late", upstream_id=status.upstream_id, word=status.word)

    def _tell(self) -> None:
        counts = {name.replace(" ", "_"): count for name, count in self._counts.items() if count}
        self._counts.clear()
        if counts:
            log.info("statuses", **counts)
