"""Posts what waits, as many requests at once as may be in flight, and as fast as the pace says.

Batches have no timer: while fewer requests than allowed are in flight, what waits goes at once;
while they are all in flight, it gathers. What an answer means is read by
:mod:`bridge.cascade.answers`, what follows for each message decided by
:mod:`bridge.sending.decisions`, how fast to go by :mod:`bridge.sending.pace`, what goes next by
:mod:`bridge.sending.queue`. What follows is made to happen by :mod:`bridge.sending.dispatcher`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from typing import Any

import structlog

from bridge.cascade.answers import Answer, Meaning, Verdict, judge
from bridge.cascade.wire import encode
from bridge.config.settings import Cascade
from bridge.model.failure import Failure, Reason
from bridge.model.ids import Ids
from bridge.model.message import Message, State
from bridge.sending.decisions import Rest, decide
from bridge.sending.queue import Queue
from bridge.sending.upstream import UpstreamLine
from bridge.store import Change, Store, StoreError

log = structlog.get_logger()

#: How long a place for requests rests when the store cannot note an attempt (seconds).
STORE_PAUSE = 1.0
#: What an attempt (0: there was none) ends with: changes of these messages, in their order, and why
#: they were not taken.
Settle = Callable[
    [int, Sequence[Message], Sequence[Change], Failure | None], Coroutine[Any, Any, None]
]


class Attempts:
    """Owns every request to the API from its beginning to its end.

    ``leave`` hears which messages are no more this node's. Times of messages are Unix times
    (``clock``), of requests monotonic seconds.
    """

    def __init__(
        self,
        store: Store,
        ids: Ids,
        settings: Cascade,
        settle: Settle,
        leave: Callable[[Iterable[int]], None],
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._store = store
        self._ids = ids
        self._settings = settings
        self._settle = settle
        self._leave = leave
        self._clock = clock
        self._monotonic = monotonic
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        self._tasks: asyncio.TaskGroup | None = None

    async def run(self, lines: Iterable[UpstreamLine]) -> None:
        """Posts until :meth:`stop`, and returns when the requests in flight are done."""
        async with asyncio.TaskGroup() as self._tasks:
            for line in lines:
                self.kick(line)
            await self._stopping.wait()

    def stop(self) -> None:
        """Begins no further request."""
        self._stopping.set()

    # --- which goes next -------------------------------------------------------------------

    def kick(self, line: UpstreamLine) -> None:
        """Looks for a request to start, after what else this turn of the loop brings:
        what one commit made durable goes in one batch."""
        if not line.kicked:
            line.kicked = True
            self._loop.call_soon(self._pump, line)

    def _pump(self, line: UpstreamLine) -> None:
        """Starts as many requests as may be in flight, as far as pace and messages go."""
        line.kicked = False
        if self._tasks is None or self._stopping.is_set() or line.held:
            return
        while line.in_flight < (1 if line.pace.probing else self._settings.max_in_flight):
            chosen = self._choose(line)
            if chosen is None:
                return
            queue, batch, split = chosen
            line.in_flight += 1
            line.splitting += split
            self._tasks.create_task(self._attempt(line, queue, batch, split))

    def _choose(self, line: UpstreamLine) -> tuple[Queue, list[Message], bool] | None:
        """The next batch that may go now; sets the timer where the pace says "later".

        Pieces of refused batches and accounts set apart go first, but take at most half of the
        places and half of the rate. Of two routes, that whose message has waited longest is first.
        """
        now = self._monotonic()
        soonest: float | None = None
        queues = sorted(line.queues.values(), key=lambda queue: queue.oldest() or 0)
        places = line.splitting < max(1, self._settings.max_in_flight // 2)
        for split in (True, False) if places else (False,):
            for queue in queues:
                if not (queue.has_split if split else len(queue)):
                    continue
                wait = line.pace.wait(now, split=split)
                if wait:
                    soonest = wait if soonest is None else min(soonest, wait)
                    continue
                limit = 1 if line.pace.probing else line.pace.max_batch
                taken = queue.fill_split(limit) if split else queue.fill(limit)
                if batch := self._drop_expired(taken):
                    line.pace.take(now, split=split)
                    return queue, batch, split
                if taken:
                    self.kick(line)
        if soonest is not None and line.timer is None:
            line.timer = self._loop.call_later(soonest, self._timer, line)
        return None

    def _timer(self, line: UpstreamLine) -> None:
        line.timer = None
        self.kick(line)

    def _drop_expired(self, batch: list[Message]) -> list[Message]:
        now = self._clock()
        expired = [message for message in batch if message.expires_at <= now]
        if not expired:
            return batch
        changes = [Change(message.id, State.EXPIRED) for message in expired]
        assert self._tasks is not None
        self._tasks.create_task(self._settle(0, expired, changes, None))
        return [message for message in batch if message.expires_at > now]

    # --- one request -----------------------------------------------------------------------

    async def _attempt(
        self, line: UpstreamLine, queue: Queue, batch: list[Message], split: bool
    ) -> None:
        """One request: noted, posted, and what came of it settled."""
        try:
            attempt = self._ids.next()
            try:
                gone = await self._store.begin(attempt, batch)
            except StoreError:
                queue.push_back(batch)
                await asyncio.sleep(STORE_PAUSE)
                return
            if gone:
                self._leave(gone)
                batch = [message for message in batch if message.id not in gone]
            await self._post(line, queue, attempt, batch)
        finally:
            line.in_flight -= 1
            line.splitting -= split
            self.kick(line)

    async def _post(
        self, line: UpstreamLine, queue: Queue, attempt: int, batch: list[Message]
    ) -> None:
        if not batch:
            await self._store.finish(attempt, [])
            return
        began = self._monotonic()
        try:
            body = encode(batch, self._clock(), self._settings.schedule_field)
        except TypeError as error:
            # One of them is nothing that JSON can say; it is found as if the API had refused it.
            verdict = Verdict(Meaning.BAD, Failure(Reason.OPERATION_FAILED, cause=str(error)))
            log.error("batch_not_encoded", messages=len(batch), error=str(error))
        else:
            answer = await line.client.post(queue.route, line.headers, body)
            verdict = judge(answer)
            self._note(line, batch, answer, verdict, self._monotonic() - began)
        decision = decide(
            batch,
            verdict,
            self._clock(),
            hold_unknown=self._settings.unknown_outcome == "hold",
            poll_after=self._settings.poll_after if self._settings.poll else None,
        )
        self._note_conduct(queue, batch, decision.changes)
        if decision.rest is Rest.SPLIT:
            queue.split(batch)
        elif decision.rest is Rest.BACK:
            queue.push_back(batch)
        # Changes are those of the whole batch, in its order, or there are none.
        changed = batch if decision.changes else []
        await self._settle(attempt, changed, decision.changes, verdict.failure)

    def _note(
        self,
        line: UpstreamLine,
        batch: Sequence[Message],
        answer: Answer,
        verdict: Verdict,
        took: float,
    ) -> None:
        """Tells the pace what the request met, and the log what an admin should know."""
        held = line.pace.held
        line.pace.note(verdict, len(batch), self._monotonic())
        fields = {
            "upstream": line.name,
            "messages": len(batch),
            "status": answer.status,
            "took_ms": round(took * 1000, 1),
        }
        if verdict.meaning is Meaning.TAKEN:
            log.debug("batch_sent", **fields)
            foreign = verdict.ids.keys() - {str(message.id) for message in batch}
            if foreign:
                log.warning("unknown_tracking_ids", ids=sorted(foreign)[:10], **fields)
        else:
            log.warning(
                "batch_not_taken", meaning=verdict.meaning.value, cause=verdict.cause, **fields
            )
        if line.pace.held and not held:
            log.error("upstream_held", upstream=line.name, cause=line.pace.held)
        elif held and not line.pace.held:
            log.warning("upstream_released", upstream=line.name)

    def _note_conduct(
        self, queue: Queue, batch: Sequence[Message], changes: Sequence[Change]
    ) -> None:
        """Keeps count of whose messages are refused and whose are taken."""
        if not changes:
            return
        if changes[0].state is State.REJECTED:
            if queue.conduct.refused(batch[0].account):
                log.warning("account_set_apart", account=batch[0].account)
        elif changes[0].state is State.SENT:
            for account in queue.conduct.taken(batch):
                log.info("account_no_longer_apart", account=account)
