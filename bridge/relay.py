"""The one door: submit, query (design section 3).

A listener hands in a submission of an account and gets a future of its outcome. Between the two
lie the rules, the store and the dispatcher; this module decides what the client is told, and when:
never before what it says yes to is durable.
"""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable, Iterable
from datetime import UTC, datetime

import structlog

from bridge import rules
from bridge.accounts import Account, Accounts
from bridge.config import Settings
from bridge.dispatch import Dispatcher, Progress
from bridge.failure import Failure, Reason
from bridge.ids import Ids
from bridge.log import mask
from bridge.message import Accepted, Message, Outcome, Protocol, Recipient, State, Submission
from bridge.store import Acceptance, Fingerprint, Repeats, Store, Stored, StoreFull

log = structlog.get_logger()

#: How long a client waits for the API's own answer, where its account does not say (seconds).
ANSWER_WITHIN = {Protocol.SMTP: 20.0, Protocol.SMPP: 5.0}


class _Waiting:
    """A submission that is durable and whose client waits to hear what the API says."""

    __slots__ = (
        "account",
        "future",
        "id",
        "parts",
        "pending",
        "queued",
        "recipients",
        "refused",
        "submission",
    )

    def __init__(
        self,
        id: int,
        account: Account,
        submission: Submission,
        prepared: list[tuple[Recipient, Message]],
        refused: list[tuple[Recipient, Failure]],
        future: asyncio.Future[Outcome],
    ) -> None:
        self.id = id
        self.account = account
        self.submission = submission
        self.recipients = {message.id: recipient for recipient, message in prepared}
        self.parts = sum(message.parts for _, message in prepared)
        self.pending = len(prepared)
        self.queued = False
        self.refused = refused
        self.future = future

    def outcome(self) -> Outcome:
        if self.refused and not self.parts:
            return self.refused[0][1]
        return Accepted(self.id, self.parts, self.queued, tuple(self.refused))


class Relay:
    """What listeners may ask for. Belongs to one event loop; owned by :mod:`bridge.app`."""

    def __init__(
        self,
        settings: Settings,
        accounts: Accounts,
        store: Store,
        ids: Ids,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._accounts = accounts
        self._store = store
        self._ids = ids
        self._clock = clock
        self._monotonic = monotonic
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, _Waiting] = {}
        self._deadlines: dict[float, deque[tuple[float, _Waiting]]] = {}
        self._today: dict[str, tuple[int, int]] = {}
        self._routes = {
            account.name: (account.settings.cascade and account.settings.cascade.route)
            or settings.cascade.route
            for account in accounts
        }

    async def open(self, dispatcher: Dispatcher, tasks: asyncio.TaskGroup) -> None:
        """Connects the dispatcher and counts what each account with a limit sent today.

        ``tasks`` owns what little work of the relay needs a task.
        """
        self._dispatcher = dispatcher
        self._tasks = tasks
        midnight = self._midnight()
        for account in self._accounts:
            if account.settings.daily_limit:
                sent = await self._store.sent_since(account.name, midnight)
                self._today[account.name] = (midnight, sent)

    def drain(self) -> None:
        """Answers "queued" to all who still wait: it is durable, and will be sent later."""
        for waiting in list(self._waiting.values()):
            self._give_up(waiting)

    # --- the verbs -------------------------------------------------------------------------

    def check_recipient(self, account: Account, recipient: Recipient) -> None:
        """Raises the :class:`Failure` that this recipient would meet in a submission."""
        rules.phone_of(account, recipient.address)

    def submit(self, account: Account, submission: Submission) -> asyncio.Future[Outcome]:
        """Takes a submission; the future gets its outcome, and never an exception.

        Cancelling the future changes nothing about what becomes of the messages.
        """
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        try:
            self._submit(account, submission, answer)
        except Failure as failure:
            answer.set_result(failure)
        return answer

    async def query(self, account: Account, id: int) -> list[Stored]:
        """The message or the submission's messages with this id, of this account alone.

        Raises Failure(NOT_FOUND); another account's id is not found either.
        """
        stored = await self._store.submission(id)
        if not stored:
            message = await self._store.message(id)
            stored = [message] if message else []
        stored = [one for one in stored if one.message.account == account.name]
        if not stored:
            raise Failure(Reason.NOT_FOUND)
        return stored

    # --- submit, step by step --------------------------------------------------------------

    def _submit(
        self, account: Account, submission: Submission, answer: asyncio.Future[Outcome]
    ) -> None:
        if self._dispatcher.backlog >= self._settings.store.backlog_limit:
            raise Failure(Reason.BRIDGE_FULL, "too many messages wait")
        now = self._clock()
        prepared, refused = rules.prepare(
            account,
            submission,
            route=self._routes[account.name],
            now=now,
            next_id=self._ids.next,
        )
        if not prepared:
            raise refused[0][1]
        messages = [message for _, message in prepared]
        if not account.take(self._monotonic(), len(messages)):
            raise Failure(Reason.TOO_FAST, f"over {account.settings.rate:g} messages a second")
        if submission.dry_run:
            parts = sum(message.parts for message in messages)
            log.info("submission_tested", account=account.name, messages=len(messages), parts=parts)
            answer.set_result(Accepted(messages[0].submission_id, parts, refused=tuple(refused)))
            return
        if account.settings.daily_limit:
            self._count_today(account, len(messages))
        waiting = _Waiting(
            messages[0].submission_id, account, submission, prepared, refused, answer
        )
        fingerprints = self._fingerprints(account, submission, messages, int(now))
        stored = self._store.accept(Acceptance(tuple(messages), fingerprints))

        def durable(stored: asyncio.Future[Repeats]) -> None:
            self._durable(waiting, messages, fingerprints, stored)

        stored.add_done_callback(durable)

    def _fingerprints(
        self, account: Account, submission: Submission, messages: Iterable[Message], now: int
    ) -> tuple[Fingerprint, ...]:
        window = account.settings.duplicate_window
        if not (submission.repeat_key or window):
            return ()
        until = now + int(rules.REPEAT_WITHIN if submission.repeat_key else window)
        return tuple(
            Fingerprint(rules.fingerprint(account, submission, message), message.id, until)
            for message in messages
        )

    def _durable(
        self,
        waiting: _Waiting,
        messages: list[Message],
        fingerprints: tuple[Fingerprint, ...],
        stored: asyncio.Future[Repeats],
    ) -> None:
        """The store has them, or says why not."""
        error = stored.exception()
        if error is not None:
            reason = Reason.BRIDGE_FULL if isinstance(error, StoreFull) else Reason.OPERATION_FAILED
            self._answer(waiting, Failure(reason, cause=str(error)))
            return
        repeats = stored.result()
        if repeats:
            repeated = {f.message_id: repeats[f.key] for f in fingerprints if f.key in repeats}
            messages = [message for message in messages if message.id not in repeated]
            # Not on the path of a message: somebody lost an answer.
            self._tasks.create_task(self._repeat(waiting, repeated, bool(messages)))
        settings = waiting.account.settings
        within = settings.answer_within or ANSWER_WITHIN[waiting.submission.protocol]
        if messages:
            self._waiting[waiting.id] = waiting
            # A message that is not due yet has no result to wait for.
            soon = settings.answer == "result" and messages[0].due_at <= self._clock()
            if repeats or (soon and self._dispatcher.clear(waiting.account.name, within)):
                self._wait(waiting, within)
            else:
                self._give_up(waiting)
            self._dispatcher.offer(messages)

    def report(self, progress: Progress) -> None:
        """From the dispatcher: what became of a message, durably."""
        message, state, failure = progress.message, progress.state, progress.failure
        waiting = self._waiting.get(message.submission_id)
        if state is State.REJECTED or state is State.EXPIRED:
            if failure is None or state is State.EXPIRED:
                failure = Failure(Reason.REFUSED, "its validity ended before it could be sent")
            if waiting is None:
                log.warning(
                    "message_" + state.value,
                    id=message.id,
                    account=message.account,
                    phone=mask(message.phone),
                    reason=str(failure),
                )
                return
            waiting.parts -= message.parts
            waiting.refused.append((waiting.recipients[message.id], failure))
        elif state is State.HELD:
            if waiting is not None:
                waiting.queued = True
        elif state is State.ACCEPTED:
            return
        if waiting is not None:
            self._settle(waiting)

    def _settle(self, waiting: _Waiting, messages: int = 1) -> None:
        waiting.pending -= messages
        if not waiting.pending:
            self._answer(waiting, waiting.outcome())

    def _answer(self, waiting: _Waiting, outcome: Outcome) -> None:
        self._waiting.pop(waiting.id, None)
        if waiting.future.done():
            return
        waiting.future.set_result(outcome)
        if isinstance(outcome, Accepted):
            submission = waiting.submission
            log.info(
                "submission_accepted",
                id=outcome.id,
                account=waiting.account.name,
                protocol=submission.protocol.value,
                peer=submission.peer,
                to=mask(submission.recipients[0].address),
                recipients=len(submission.recipients),
                refused=len(outcome.refused),
                parts=outcome.parts,
                queued=outcome.queued,
            )

    # --- no answer in time -----------------------------------------------------------------

    def _wait(self, waiting: _Waiting, within: float) -> None:
        """Gives up on a result after ``within`` seconds; one timer a duration, not a message."""
        line = self._deadlines.get(within)
        if line is None:
            line = self._deadlines[within] = deque()
        deadline = self._loop.time() + within
        if not line:
            self._loop.call_at(deadline, self._tick, within)
        else:
            while len(line) > 1 and line[0][1].future.done():
                line.popleft()
        line.append((deadline, waiting))

    def _tick(self, within: float) -> None:
        line = self._deadlines[within]
        now = self._loop.time()
        while line and (line[0][0] <= now or line[0][1].future.done()):
            self._give_up(line.popleft()[1])
        if line:
            self._loop.call_at(line[0][0], self._tick, within)

    def _give_up(self, waiting: _Waiting) -> None:
        if not waiting.future.done():
            waiting.queued = True
            self._answer(waiting, waiting.outcome())

    # --- what came again -------------------------------------------------------------------

    async def _repeat(self, waiting: _Waiting, repeated: dict[int, int], some_new: bool) -> None:
        """Answers for messages that were known already: as their first submission was, or no."""
        refuse = (
            not waiting.submission.repeat_key and waiting.account.settings.duplicates == "refuse"
        )
        for message_id, first in repeated.items():
            stored = await self._store.message(first)
            if stored is None:
                # Erased meanwhile: all that is known is that it was taken.
                waiting.queued = True
            elif refuse:
                self._refuse(waiting, message_id, stored, Failure(Reason.DUPLICATE))
            elif stored.state is State.REJECTED:
                reason = Reason.__members__.get(stored.failure, Reason.REFUSED)
                self._refuse(waiting, message_id, stored, Failure(reason, cause=stored.cause))
            else:
                waiting.queued |= not stored.upstream_id
            if stored is not None and not some_new:
                waiting.id = stored.message.submission_id
            log.info("submission_repeated", id=message_id, first=first)
            self._settle(waiting)

    def _refuse(self, waiting: _Waiting, message_id: int, stored: Stored, failure: Failure) -> None:
        waiting.parts -= stored.message.parts
        waiting.refused.append((waiting.recipients[message_id], failure))

    # --- limits ----------------------------------------------------------------------------

    def _midnight(self) -> int:
        day = datetime.fromtimestamp(self._clock(), UTC).replace(
            hour=0, minute=0, second=0, microsecond=0
        )
        return int(day.timestamp())

    def _count_today(self, account: Account, messages: int) -> None:
        midnight = self._midnight()
        day, sent = self._today.get(account.name, (midnight, 0))
        if day != midnight:
            sent = 0
        if sent + messages > account.settings.daily_limit:
            raise Failure(Reason.TOO_FAST, f"over {account.settings.daily_limit} messages a day")
        self._today[account.name] = (midnight, sent + messages)
