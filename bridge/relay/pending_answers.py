"""Submissions whose client has no answer yet.

Decides when each is answered: when the outcomes of all its messages are known, when the time is
over, or at once if the API cannot answer in time. The messages are durable by then.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Final

import structlog

from bridge.accounts.accounts import Account
from bridge.log import mask
from bridge.model.failure import Failure
from bridge.model.mail_record import dump_refused, original_of
from bridge.model.measures import SUBMISSION_SECONDS, SUBMISSIONS
from bridge.model.message import (
    FINAL,
    Accepted,
    Message,
    Outcome,
    Protocol,
    Receipts,
    Recipient,
    State,
    Stored,
    Submission,
    expired_unsent,
)
from bridge.model.notice import MAIL, Kind, Notice
from bridge.relay.left_out import keep_left_out
from bridge.relay.rules import wishes_of
from bridge.sending.decisions import PERHAPS_SENT
from bridge.sending.moves import Progress
from bridge.store import StoreError

log = structlog.get_logger()

#: How long a client waits for the API's answer, unless its account says otherwise (seconds). Some
#: HTTP clients give up after 5 seconds and send again.
ANSWER_WITHIN = {Protocol.SMTP: 20.0, Protocol.SMPP: 5.0, Protocol.HTTP: 4.0}
#: Pause before a failed storing of a notice is tried again (seconds).
_OWE_AGAIN = 1.0
#: Interval for checking whether a final state has been stored (seconds).
_SETTLING = 0.5


_NONE: Final[frozenset[int]] = frozenset()
_NOBODY: Final[frozenset[Recipient]] = frozenset()


class PendingAnswer:
    """One submission, and its outcome as far as known."""

    __slots__ = (
        "about",
        "account",
        "answering",
        "began",
        "future",
        "id",
        "known_as",
        "parts",
        "pending",
        "queued",
        "recipients",
        "refused",
        "repeats",
        "reported",
        "settling",
        "submission",
        "told_id",
    )

    def __init__(
        self,
        id: int,
        account: Account,
        submission: Submission,
        prepared: list[tuple[Recipient, Message]],
        refused: list[tuple[Recipient, Failure]],
        future: asyncio.Future[Outcome],
        known_as: int = 0,
    ) -> None:
        self.id = id
        #: The id in the answer: that of the earlier submission, if this one repeats it.
        self.told_id = id
        #: The reference of that one.
        self.repeats: str | None = None
        #: The id that the client knows, which may be an alias.
        self.known_as = known_as or id
        self.began = time.monotonic()
        self.account = account
        self.submission = submission
        self.pending = len(prepared)
        if self.pending == 1:
            [(recipient, message)] = prepared
            self.recipients = {message.id: recipient}
            self.parts = message.parts
        else:
            self.recipients = {message.id: recipient for recipient, message in prepared}
            self.parts = sum(message.parts for _, message in prepared)
        self.queued = False
        self.refused = refused
        self.future = future
        #: Recipients whose refusal was reported to the sender of the mail before.
        self.reported = _NOBODY
        #: The message that such a report is about.
        self.about = prepared[0][1].id
        #: Its messages whose final state is being stored, to be told in the answer alone.
        self.settling = _NONE
        #: The answer is known and waits until a notice is stored.
        self.answering = False

    def refuse(self, message_id: int, parts: int, failure: Failure) -> None:
        """Notes that a message was refused."""
        self.parts -= parts
        self.refused.append((self.recipients[message_id], failure))

    def know_as(self, first: Message) -> None:
        """Nothing new was stored: the client gets the ids of ``first`` as its answer."""
        self.told_id = first.submission_id
        self.repeats = first.reference
        self.about = first.id

    def outcome(self) -> Outcome:
        if self.refused and not self.parts:
            return self.refused[0][1]
        refused = tuple(self.refused)
        return Accepted.__new__(
            Accepted, self.told_id, self.parts, self.queued, refused, self.repeats
        )


class PendingAnswers:
    """The pending answers, by the id of the submission.

    ``owe`` stores notices, ``clock`` gives Unix time.
    """

    def __init__(
        self,
        owe: Callable[[Sequence[Notice]], asyncio.Future[None]],
        clock: Callable[[], float],
    ) -> None:
        self._owe = owe
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        #: Bound once: each submission has a line.
        self._log = log.bind()
        self._stopping = False
        self._waiting: dict[int, PendingAnswer] = {}
        #: Their messages that another node may send.
        self._elsewhere: dict[int, Message] = {}
        #: By waiting time; each queue is in the order of its deadlines.
        self._deadlines: dict[float, deque[tuple[float, PendingAnswer]]] = {}

    def add(self, waiting: PendingAnswer, within: float) -> None:
        """Waits for the outcome up to ``within`` seconds; one timer per duration, not per
        message. Does not wait once the daemon stops."""
        self._waiting[waiting.id] = waiting
        if self._stopping:
            self.give_up(waiting)
            return
        line = self._deadlines.get(within)
        if line is None:
            line = self._deadlines[within] = deque()
        deadline = self._loop.time() + within
        if line:
            while len(line) > 1 and line[0][1].future.done():
                line.popleft()
        else:
            self._loop.call_at(deadline, self._tick, within)
        line.append((deadline, waiting))

    def _tick(self, within: float) -> None:
        line = self._deadlines[within]
        now = self._loop.time()
        while line and (line[0][0] <= now or line[0][1].future.done()):
            self.give_up(line.popleft()[1])
        if line:
            self._loop.call_at(line[0][0], self._tick, within)

    def give_up(self, waiting: PendingAnswer) -> None:
        """Answers "queued": the messages without an outcome are durable and are sent later.

        Waits while a final state is being stored without a notice: the answer must tell it.
        """
        if waiting.settling:
            self._loop.call_later(_SETTLING, self.give_up, waiting)
        elif not waiting.future.done():
            waiting.queued = True
            self.answer(waiting, waiting.outcome())

    def give_up_within(self, seconds: float, concerned: Callable[[str], bool]) -> None:
        """The upstream of these accounts will not answer within this time (seconds): answers the
        clients whose time limit is not longer."""
        latest = self._loop.time() + seconds
        for line in self._deadlines.values():
            for deadline, waiting in list(line):
                if deadline > latest:
                    break
                if concerned(waiting.account.name):
                    self.give_up(waiting)

    def give_up_all(self) -> None:
        """The daemon stops: answers all clients now."""
        self._stopping = True
        for waiting in list(self._waiting.values()):
            self.give_up(waiting)

    def awaits(self, message: Message) -> bool:
        """Whether a client waits for the outcome of this message."""
        return message.submission_id in self._waiting

    def will_hear(self, message: Message) -> int:
        """The message's final state is about to be stored. Returns the id under which a waiting
        client will get it as its answer; 0 if no client waits."""
        waiting = self._waiting.get(message.submission_id)
        if waiting is None:
            return 0
        waiting.settling |= {message.id}
        return waiting.known_as

    def wait_on(self, message: Message) -> None:
        """That final state could not be stored: the client waits as before."""
        waiting = self._waiting.get(message.submission_id)
        if waiting is not None:
            waiting.settling -= {message.id}

    def report(self, progress: Progress) -> None:
        """Takes a message's new state, which is durable."""
        message, state, failure = progress
        if state is State.ACCEPTED:
            return  # again, later
        waiting = self._waiting.get(message.submission_id)
        if self._elsewhere:
            self._elsewhere.pop(message.id, None)
        if state is State.EXPIRED:
            failure = None if message.unknown else expired_unsent()
        refused = failure if state in (State.REJECTED, State.EXPIRED) else None
        if waiting is None:
            if state is State.REJECTED or state is State.EXPIRED:
                log.warning(
                    "message_rejected" if state is State.REJECTED else "message_expired",
                    id=message.id,
                    account=message.account,
                    phone=message.phone,
                    reason=str(failure or PERHAPS_SENT),
                )
            return
        if refused is not None:
            waiting.refuse(message.id, message.parts, refused)
        elif state is not State.SENT:
            waiting.queued = True
        if waiting.settling:
            waiting.settling -= {message.id}
        self.settle(waiting)

    # --- messages that another node may send -----------------------------------------------

    def may_be_sent_elsewhere(self, messages: Iterable[Message]) -> None:
        """Another node may send these messages, so the dispatcher here may not report them."""
        self._elsewhere.update((message.id, message) for message in messages)

    def elsewhere(self) -> list[int]:
        """The ids of such messages for which a client still waits."""
        self._elsewhere = {id: one for id, one in self._elsewhere.items() if self.awaits(one)}
        return list(self._elsewhere)

    def report_elsewhere(self, stored: Stored) -> None:
        """Takes the state of such a message. If it ended there without being sent, a notice tells
        of it: the client is answered "queued"."""
        message = self._elsewhere.get(stored.message.id)
        waiting = self._waiting.get(stored.message.submission_id)
        if message is None or waiting is None:
            return
        if stored.sent_at:
            self.report(Progress(message, State.SENT))
        elif stored.state is State.HELD or stored.state in FINAL:
            self.give_up(waiting)

    def settle(self, waiting: PendingAnswer) -> None:
        """Notes that the outcome of one more message is known."""
        waiting.pending -= 1
        if not waiting.pending:
            self.answer(waiting, waiting.outcome())

    def answer(self, waiting: PendingAnswer, outcome: Outcome) -> None:
        """Answers the client. If a mail is accepted for some recipients only, a notice tells its
        sender of the others, and is stored first."""
        self._waiting.pop(waiting.id, None)
        if waiting.future.done() or waiting.answering:
            return
        notice = None
        if isinstance(outcome, Accepted) and outcome.refused:
            notice = _refused_notice(waiting, outcome, int(self._clock()))
        if notice is None:
            self._say(waiting, outcome)
            return
        waiting.answering = True
        self._owe_notice(waiting, outcome, notice)

    def _owe_notice(self, waiting: PendingAnswer, outcome: Outcome, notice: Notice) -> None:
        try:
            owed = self._owe([notice])
        except StoreError as error:  # it is closed
            self._not_owed(waiting, outcome, error)
        else:
            owed.add_done_callback(partial(self._owed, waiting, outcome, notice))

    def _owed(
        self,
        waiting: PendingAnswer,
        outcome: Outcome,
        notice: Notice,
        owed: asyncio.Future[None],
    ) -> None:
        error = None if owed.cancelled() else owed.exception()
        if error is None:
            self._say(waiting, outcome)
        elif isinstance(error, StoreError) and not self._stopping:
            # The client waits meanwhile. If it gives up and repeats the mail, it is answered then.
            self._loop.call_later(_OWE_AGAIN, self._owe_notice, waiting, outcome, notice)
        else:
            self._not_owed(waiting, outcome, error)

    def _not_owed(self, waiting: PendingAnswer, outcome: Outcome, error: BaseException) -> None:
        # Answer all the same: a repeated mail would go again to the other recipients.
        log.error("notice_not_stored", id=waiting.id, error=str(error))
        self._say(waiting, outcome)

    def _say(self, waiting: PendingAnswer, outcome: Outcome) -> None:
        if waiting.future.done():
            return
        waiting.future.set_result(outcome)
        submission = waiting.submission
        count_told(submission, outcome, time.monotonic() - waiting.began)
        if isinstance(outcome, Accepted):
            self._log.info(
                "submission_accepted",
                id=outcome.id,
                account=waiting.account.name,
                protocol=submission.protocol._value_,
                peer=submission.peer,
                to=mask(submission.recipients[0].address),
                recipients=len(submission.recipients),
                refused=len(outcome.refused),
                parts=outcome.parts,
                queued=outcome.queued,
            )
            if outcome.refused:
                name = waiting.account.name
                protocol = submission.protocol._value_
                keep_left_out(outcome.id, name, protocol, submission.peer, outcome.refused)


def count_told(submission: Submission, outcome: Outcome, seconds: float) -> None:
    """Counts an answer to a client, and the time that it took."""
    protocol = submission.protocol._value_
    SUBMISSION_SECONDS[protocol].observe(seconds)
    if isinstance(outcome, Accepted):
        SUBMISSIONS.add(protocol, "queued" if outcome.queued else "accepted", "")
    else:
        count_refused(submission, outcome)


def count_refused(submission: Submission, failure: Failure) -> None:
    """Counts a refusal that a client was told."""
    SUBMISSIONS.add(submission.protocol._value_, "refused", failure.reason._name_)


def _refused_notice(waiting: PendingAnswer, outcome: Accepted, now: int) -> Notice | None:
    """The notice that tells the sender of a mail which recipients were refused, if any were."""
    submission, account = waiting.submission, waiting.account
    envelope = submission.envelope
    if envelope is None:
        return None
    refused = [
        (original_of(envelope, recipient), failure)
        for recipient, failure in outcome.refused
        if recipient not in waiting.reported
        and wishes_of(account, submission, recipient) & Receipts.FAILURE
    ]
    if not refused:
        return None
    content = dump_refused(refused)
    return Notice(
        MAIL, account.name, Kind.REFUSED, waiting.about, outcome.id, now, now, content=content
    )
