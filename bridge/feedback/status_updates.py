"""Statuses from the API, by webhook or by polling (:mod:`bridge.feedback.polling`).

Maps each word to a state and has the store note it together with the notices that follow. A
webhook is confirmed only after its statuses are durable.
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
from bridge.store.outage import Outage

log = structlog.get_logger()

#: A status may come before the API's answer that names its message; it is kept for this long
#: (seconds).
EARLY_KEPT: Final = 300
#: How often such statuses are matched with the answers (seconds).
MATCH_EVERY: Final = 1.0
#: How often the counts of statuses are logged (seconds), and how many of a kind with their ids.
TELL_EVERY: Final = 60.0
_TOLD_EACH: Final = 20
#: Most unknown words that are logged.
_MAX_UNKNOWN: Final = 100


class Ending(NamedTuple):
    """The meaning of a final word: the state, and the ``err`` of its receipt."""

    state: State
    err: int


#: The API's words in lower case, letters only; ``None``: not final. The codes are the nearest ones
#: that SMSC's clients know.
WORDS: Final[dict[str, Ending | None]] = {
    "scheduled": None,
    "processing": None,
    "sent": None,
    "delivered": Ending(State.DELIVERED, 0),
    # A message that was read was delivered; some channels send no word but this.
    "read": Ending(State.DELIVERED, 0),
    # No channel reached the phone, now or in time: "offline".
    "undeliverable": Ending(State.UNDELIVERABLE, 6),
    "expired": Ending(State.EXPIRED, 6),
    # The operator refused it for good: "rejected by the operator".
    "permanenterror": Ending(State.UNDELIVERABLE, 255),
    "failed": Ending(State.UNDELIVERABLE, 255),
}
#: The end of a message without a final status: "no status received".
UNHEARD: Final = Ending(State.UNDELIVERABLE, 245)


def meaning_of(word: str) -> Ending | None:
    """The end that a word of the API means; ``None`` if the word is not final or unknown."""
    return WORDS.get(_plain(word))


def _plain(word: str) -> str:
    return word.lower() if word.isalpha() else "".join(filter(str.isalpha, word.lower()))


class Statuses:
    """Takes the API's statuses. ``clock`` gives Unix time."""

    def __init__(self, store: Store, *, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._clock = clock
        self._counts: Counter[str] = Counter()
        self._unknown: set[str] = set()

    async def take(self, document: bytes) -> int:
        """Stores the statuses of a webhook durably; returns how many elements were no statuses.

        Raises Failure: BAD_PARAMETER if no element is a status, BRIDGE_FULL or OPERATION_FAILED if
        the store fails.
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
        """Stores these statuses durably. Raises Failure as :meth:`take`."""
        now = int(self._clock())
        await self._keep([self._status(one, now) for one in said])

    async def end(self, upstream_ids: Sequence[str]) -> None:
        """Ends messages without a final status. Raises Failure as :meth:`take`."""
        now = int(self._clock())
        await self._keep(
            [Status(id, "", UNHEARD.state, now, err=UNHEARD.err) for id in upstream_ids]
        )
        self._counts["ended unheard"] += len(upstream_ids)

    async def run(self) -> None:
        """Matches early statuses with their messages and logs the counts, until cancelled."""
        tell_at = self._clock() + TELL_EVERY
        outage = Outage("statuses_not_matched")
        try:
            while True:
                await asyncio.sleep(MATCH_EVERY)
                now = self._clock()
                try:
                    forgotten = await self._store.match_early(int(now), int(now) - EARLY_KEPT)
                except StoreError as error:
                    outage.failed(error)
                else:
                    outage.over()
                    self._counts["of no message"] += forgotten
                if not 0 < tell_at - now <= TELL_EVERY:  # it may be set back
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
            self._counts[was._name_.lower()] += 1
            if was is Noted.CHANGED and status.state is not None:
                MESSAGES.add(status.state._value_)
            if was is Noted.LATE and self._counts["late"] <= _TOLD_EACH:
                log.warning("status_late", upstream_id=status.upstream_id, word=status.word)

    def _tell(self) -> None:
        counts = {name.replace(" ", "_"): count for name, count in self._counts.items() if count}
        self._counts.clear()
        if counts:
            log.info("statuses_counted", **counts)
