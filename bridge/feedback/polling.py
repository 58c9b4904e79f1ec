"""Asks the API for statuses that no webhook brought; ends messages without a final status.

The store decides when a message is asked about (first after ``poll_after``, then at doubling
intervals). Decided here: how fast, with which credentials, the effect of an answer on the pace, and
when a message ends without a status.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from bridge.cascade.answers import HttpAnswer, Meaning, Verdict, judge
from bridge.cascade.client import MAX_QUESTIONS
from bridge.cascade.status import ApiStatus, decode_status
from bridge.config.settings import Cascade
from bridge.feedback.status_updates import Statuses, meaning_of
from bridge.model.failure import Failure, Reason
from bridge.model.message import Message, Stored
from bridge.sending.decisions import END_AFTER
from bridge.sending.pace import Pace
from bridge.sending.upstream import UpstreamLine
from bridge.store import Store, StoreError
from bridge.store.outage import Outage

log = structlog.get_logger()

#: While the API does not answer, a message is asked about for this long after its end (seconds).
LAST_CHANCE: Final = 3600
#: The documented burst of status calls is this many times their rate.
BURST: Final = 1.5
#: Due messages read at once; about one second's requests.
_CHUNK: Final = 100
#: Seconds between two looks if few messages are due, and if many are but none could be asked.
_LOOK_EVERY: Final = 1.0
_PAUSE: Final = 0.05
#: Seconds between two counts of the nodes that share the rate.
_NODES_EVERY: Final = 5.0

#: The API said something about the message, even if only that it does not know it.
_ANSWERED: Final = frozenset({Meaning.TAKEN, Meaning.BAD})
#: HTTP statuses about this one message: it has no status yet, and may have one later.
_NO_WORD: Final = frozenset({204, 400, 404, 410, 422})


class Poller:
    """One for the daemon; :meth:`run` it beside the dispatcher.

    ``lines`` are the dispatcher's upstreams. Each has a second pace here, so that status requests
    and messages do not slow each other down. ``clock`` gives Unix time.
    """

    def __init__(
        self,
        store: Store,
        statuses: Statuses,
        settings: Cascade,
        lines: Mapping[str, UpstreamLine],
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._store = store
        self._statuses = statuses
        self._poll = settings.poll
        self._lines = lines
        rate = settings.status_requests_per_second

        # By upstream; a reload may bring more of them.
        def pace() -> Pace:
            return Pace(rate, max(1.0, rate * BURST), 1, monotonic())

        self._paces = defaultdict(pace, {name: pace() for name in lines})
        self._asking: Counter[str] = Counter()
        #: When each was slowed down last; answers to requests from before then are ignored.
        self._slowed_at: defaultdict[str, float] = defaultdict(lambda: float("-inf"))
        self._clock = clock
        self._monotonic = monotonic
        self._places = asyncio.Semaphore(MAX_QUESTIONS)

    async def run(self) -> None:
        """Polls until it is cancelled."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._share())
            outage = Outage("polling_failed")
            while True:
                try:
                    asked, looked = await self._look(tasks)
                    outage.over()
                except StoreError as error:
                    outage.failed(error)
                    asked = looked = 0
                if looked < _CHUNK:
                    await asyncio.sleep(_LOOK_EVERY)
                elif not asked:
                    await asyncio.sleep(_PAUSE)

    async def _share(self) -> None:
        """Divides the rate between the nodes."""
        while True:
            try:
                nodes = await self._store.nodes()
            except StoreError:  # keep the last count
                pass
            else:
                for pace in self._paces.values():
                    pace.share(nodes)
            await asyncio.sleep(_NODES_EVERY)

    async def _look(self, tasks: asyncio.TaskGroup) -> tuple[int, int]:
        """Reads the messages that are due; returns how many it asked about and how many it read."""
        due = await self._store.to_poll(int(self._clock()), _CHUNK)
        asked = 0
        over: list[Stored] = []
        for stored in due:
            late = self._clock() - stored.message.expires_at - END_AFTER
            if late >= 0 and (not self._poll or late >= LAST_CHANCE):
                over.append(stored)
            elif self._poll and await self._may_ask(stored.message):
                asked += 1
                tasks.create_task(self._ask(stored, last=late >= 0))
        if over:
            await self._end(over)
        return asked, len(due)

    def _line_of(self, message: Message) -> str:
        return message.account if message.account in self._lines else ""

    async def _may_ask(self, message: Message) -> bool:
        """Waits for a free place; False if the API must not be asked now. The store lists the
        message again later."""
        name = self._line_of(message)
        pace = self._paces[name]
        now = self._monotonic()
        if not pace.clear(now) and (self._asking[name] or pace.wait(now)):
            return False
        while wait := pace.wait(self._monotonic()):
            await asyncio.sleep(wait)
            if not pace.clear(self._monotonic()):
                return False
        await self._places.acquire()
        pace.take(self._monotonic())
        self._asking[name] += 1
        return True

    async def _ask(self, stored: Stored, *, last: bool) -> None:
        """Sends one status request and applies the answer."""
        name = self._line_of(stored.message)
        line, upstream_id = self._lines[name], stored.upstream_id
        asked_at = self._monotonic()
        try:
            answer = await line.client.ask(line.headers, upstream_id)
        finally:
            self._asking[name] -= 1
            self._places.release()
        said, verdict = read(answer, upstream_id)
        self._note(name, verdict, asked_at)
        try:
            if said is not None:
                await self._statuses.note([said])
            known = verdict.meaning in _ANSWERED
            if last and known and (said is None or meaning_of(said.word) is None):
                await self._end([stored])
        except Failure as failure:  # the store lists the message again later
            log.warning("status_not_kept", id=stored.message.id, cause=failure.cause)

    async def _end(self, over: list[Stored]) -> None:
        try:
            await self._statuses.end([stored.upstream_id for stored in over])
        except Failure as failure:  # the store lists these messages again later
            log.warning("status_not_kept", id=over[0].message.id, cause=failure.cause)

    def _note(self, name: str, verdict: Verdict, asked_at: float) -> None:
        """Notes the answer in the pace; logs a change of the pace."""
        now, pace, upstream = self._monotonic(), self._paces[name], self._lines[name].name
        good = verdict.meaning in _ANSWERED
        if not good and asked_at < self._slowed_at[name]:
            return
        before = pace.clear(now)
        pace.note(verdict, 1, now)
        if not pace.clear(now):
            self._slowed_at[name] = now
            if before:
                cause = verdict.cause or verdict.meaning.value
                log.warning("polling_slowed", upstream=upstream, cause=cause)
        elif good and self._slowed_at[name] > 0:
            self._slowed_at[name] = float("-inf")
            log.info("polling_resumed", upstream=upstream)


def read(answer: HttpAnswer, upstream_id: str) -> tuple[ApiStatus | None, Verdict]:
    """The message's status, if the answer has one, and the verdict for the pace."""
    if answer.status == 200:
        said = decode_status(answer.body, upstream_id)
        if said is None:
            log.debug("status_unreadable", upstream_id=upstream_id)
        return said, Verdict(Meaning.TAKEN, Failure(Reason.REFUSED))
    verdict = judge(answer)
    if answer.status in _NO_WORD:
        return None, Verdict(Meaning.BAD, verdict.failure)
    if verdict.meaning is Meaning.UNKNOWN:
        # A status request changes nothing: it does not matter whether it arrived.
        return None, Verdict(Meaning.BROKEN, verdict.failure)
    if verdict.meaning is Meaning.FORBIDDEN:
        return None, Verdict(Meaning.HOLD, verdict.failure)
    return None, verdict
