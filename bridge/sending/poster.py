"""Posts one batch to the API and returns the result for each of its messages.

:mod:`bridge.cascade.answers` reads the answer, :mod:`bridge.sending.decisions` decides about each
message, :mod:`bridge.sending.pace` how fast to go on. :mod:`bridge.sending.dispatcher` stores the
result and puts the other messages back into their queues.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

import structlog

from bridge.cascade.answers import HttpAnswer, Meaning, Verdict, judge
from bridge.cascade.wire import encode
from bridge.config.settings import Cascade
from bridge.model.failure import Failure, Reason
from bridge.model.measures import UPSTREAM_BATCH, UPSTREAM_REQUESTS, UPSTREAM_SECONDS
from bridge.model.message import Message, State
from bridge.sending.decisions import Rest, decide
from bridge.sending.queue import SendQueue
from bridge.sending.upstream import NextBatch, UpstreamLine
from bridge.store import Change

log = structlog.get_logger()

#: Answers that are about the API or our credentials, not about a message.
_TROUBLE = frozenset({Meaning.HOLD, Meaning.SLOW_DOWN, Meaning.BROKEN, Meaning.UNKNOWN})


class Settled(NamedTuple):
    """The result of a batch: the changes of these messages, in their order; the failure, if they
    were not taken; and the next step for the messages that do not change."""

    messages: Sequence[Message]
    changes: Sequence[Change]
    failure: Failure | None = None
    rest: Rest = Rest.NONE


class Poster:
    """Sends the requests. Times of messages are Unix times (``clock``), of requests monotonic
    seconds."""

    def __init__(
        self,
        settings: Cascade,
        *,
        clock: Callable[[], float],
        monotonic: Callable[[], float],
    ) -> None:
        self._settings = settings
        self._clock = clock
        self._monotonic = monotonic

    async def post(self, line: UpstreamLine, batch: NextBatch) -> Settled:
        """Sends one request and applies its answer. The attempt has been stored before."""
        messages = batch.messages
        began = self._monotonic()
        try:
            body = encode(messages, self._clock(), self._settings.schedule_field)
        except TypeError as error:
            # One message cannot be written as JSON: find it as after a refusal, by splitting.
            verdict = Verdict(Meaning.BAD, Failure(Reason.OPERATION_FAILED, cause=str(error)))
            log.error("batch_not_encoded", messages=len(messages), error=str(error))
        else:
            answer = await line.client.post(batch.queue.route, line.headers, body)
            verdict = judge(answer)
            self._note(line, messages, answer, verdict, self._monotonic() - began)
        decision = decide(
            messages,
            verdict,
            self._clock(),
            hold_unknown=self._settings.unknown_outcome == "hold",
            poll_after=self._settings.poll_after if self._settings.poll else None,
        )
        _note_conduct(batch.queue, messages, decision.changes)
        # Either all messages of the batch change, or none.
        changed = messages if decision.changes else ()
        return Settled(changed, decision.changes, verdict.failure, decision.rest)

    def _note(
        self,
        line: UpstreamLine,
        messages: Sequence[Message],
        answer: HttpAnswer,
        verdict: Verdict,
        took: float,
    ) -> None:
        """Notes the verdict in the pace, and logs what the operator should know."""
        UPSTREAM_REQUESTS.add(verdict.meaning._name_.lower())
        UPSTREAM_SECONDS.observe(took)
        UPSTREAM_BATCH.observe(len(messages))
        if verdict.meaning in _TROUBLE:
            name = verdict.meaning.name.lower()
            line.note_trouble(name, verdict.cause, int(self._clock()))
        else:
            line.trouble = None
        held, was_open = line.pace.held, line.pace.open
        ours = {str(message.id) for message in messages}
        named = verdict.ids.keys() & ours
        # A success that names none of the messages leaves the outcome of all unknown.
        taken = verdict.meaning is not Meaning.TAKEN or named
        noted = verdict if taken else replace(verdict, meaning=Meaning.UNKNOWN)
        line.pace.note(noted, len(messages), self._monotonic())
        fields = {
            "upstream": line.name,
            "messages": len(messages),
            "status": answer.status,
            "took_ms": round(took * 1000, 1),
        }
        if verdict.meaning is Meaning.TAKEN:
            log.debug("batch_sent", **fields)
            if foreign := verdict.ids.keys() - named:
                log.warning("tracking_ids_unknown", ids=sorted(foreign)[:10], **fields)
        else:
            log.warning(
                "batch_not_taken", meaning=verdict.meaning.value, cause=verdict.cause, **fields
            )
        if line.pace.held and not held:
            log.error("upstream_held", upstream=line.name, cause=line.pace.held)
        elif held and not line.pace.held:
            log.warning("upstream_released", upstream=line.name)
        if line.pace.open and not was_open:
            log.error("breaker_opened", upstream=line.name, cause=verdict.cause)
        elif was_open and not line.pace.open:
            log.warning("breaker_closed", upstream=line.name)


def _note_conduct(queue: SendQueue, batch: Sequence[Message], changes: Sequence[Change]) -> None:
    """Counts refused and taken messages by account."""
    if not changes:
        return
    if changes[0].state is State.REJECTED:
        if queue.conduct.refused(batch[0].account):
            log.warning("account_set_apart", account=batch[0].account)
    elif changes[0].state is State.SENT:
        for account in queue.conduct.taken(batch):
            log.info("account_rejoined", account=account)
