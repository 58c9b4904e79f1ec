"""Takes submissions, from the listener to the answer.

Read from top to bottom: rules and limits check the submission, the store makes it durable, the
messages are handed over to the dispatcher, the pending answers decide when the client is answered.
No message is confirmed before it is durable.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from functools import partial

import structlog

from bridge.accounts.accounts import Account
from bridge.config.settings import Settings
from bridge.directory.directory import Directory
from bridge.directory.groups import names_group
from bridge.directory.templates import from_template
from bridge.directory.verbs import find_template
from bridge.model.failure import Failure, Reason
from bridge.model.ids import Ids
from bridge.model.message import (
    Accepted,
    Message,
    Outcome,
    Recipient,
    Route,
    Submission,
)
from bridge.relay import rules
from bridge.relay.fingerprints import fingerprints_of, firsts_of
from bridge.relay.group_recipients import is_send_out, plan_of
from bridge.relay.handover import Handover
from bridge.relay.pending_answers import (
    PendingAnswer,
    PendingAnswers,
    count_refused,
    count_told,
)
from bridge.relay.repeated import RepeatedMessages
from bridge.relay.replacing import Replacing
from bridge.relay.send_outs import SendOuts
from bridge.relay.short_ids import ShortIdSequence
from bridge.sending.dispatcher import Dispatcher
from bridge.store import (
    Acceptance,
    Alias,
    PartGroup,
    Repeats,
    Store,
    StoreError,
)

log = structlog.get_logger()


class SubmittingRelay:
    """The half of :class:`bridge.relay.relay.Relay` that takes submissions.

    ``tasks`` owns the relay's tasks.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        ids: Ids,
        pending: PendingAnswers,
        dispatcher: Dispatcher,
        directory: Directory,
        send_outs: SendOuts,
        tasks: asyncio.TaskGroup,
        *,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._settings = settings
        self._store = store
        self._ids = ids
        self._pending = pending
        self._dispatcher = dispatcher
        self._directory = directory
        self._send_outs = send_outs
        self._tasks = tasks
        self._clock = clock
        self._monotonic = monotonic
        self._loop = asyncio.get_running_loop()
        self._replacing = Replacing(store, dispatcher)
        self._handover = Handover(store, pending, dispatcher, tasks, clock)
        self._repeated = RepeatedMessages(
            store, pending, dispatcher, self._replacing, self._handover
        )
        self._short_ids = ShortIdSequence(store.node, store.last_short_id)

    def reload(self, settings: Settings) -> None:
        """Takes over new limits and routes; accounts bring their own."""
        self._settings = settings

    def _route_of(self, account: Account) -> Route:
        own = account.settings.cascade
        return (own and own.route) or self._settings.cascade.route

    def settled_elsewhere(self, message_ids: Sequence[int]) -> None:
        """Another node has settled messages that were accepted here."""
        self._handover.settled_elsewhere(message_ids)

    def drain(self) -> None:
        """Answers "queued" to all waiting clients: their messages are durable and sent later."""
        self._pending.give_up_all()

    def check_recipient(self, account: Account, recipient: Recipient) -> None:
        """Raises the :class:`Failure` that this recipient would get in a submission."""
        if names_group(recipient.address):
            self._directory.groups.find(account.name, recipient.address)
        else:
            black_list = self._directory.black_lists.of(account.name)
            # Other recipients may follow, so only entries that block all messages count.
            rules.phone_of(account, recipient.address, black_list and black_list.always)

    def check(self, account: Account, submission: Submission) -> None:
        """Raises the first :class:`Failure` that the submission would get before it is stored."""
        self._prepare(account, submission)

    # --- submit, step by step --------------------------------------------------------------

    def submit(
        self,
        account: Account,
        submission: Submission,
        *,
        aliases: Sequence[Alias] = (),
        parts: PartGroup | None = None,
        known_as: int = 0,
    ) -> asyncio.Future[Outcome]:
        """Takes a submission; the future gets its outcome, never an exception.

        Cancelling the future does not cancel the messages. ``aliases`` are further ids of the one
        message (their ``message_id`` is filled in here), ``parts`` is the group of parts that it
        was joined from, ``known_as`` is the alias in the client's answer, if any.
        """
        answer: asyncio.Future[Outcome] = self._loop.create_future()
        if submission.template:
            self._tasks.create_task(self._submit_template(account, submission, answer))
            return answer
        if is_send_out(submission):
            self._tasks.create_task(
                self._submit_to_groups(account, submission, answer, aliases, known_as)
            )
            return answer
        return self._submit(account, submission, answer, aliases, parts, known_as)

    def _submit(
        self,
        account: Account,
        submission: Submission,
        answer: asyncio.Future[Outcome],
        aliases: Sequence[Alias] = (),
        parts: PartGroup | None = None,
        known_as: int = 0,
        *,
        bulk: bool = False,
    ) -> asyncio.Future[Outcome]:
        try:
            # Each part has taken its token of the rate before.
            limited = parts is None
            prepared, refused = self._admit(account, submission, bulk=bulk, limited=limited)
        except Failure as failure:
            count_refused(submission, failure)
            answer.set_result(failure)
            return answer
        messages = tuple([message for _, message in prepared])
        first = messages[0]
        if submission.dry_run:
            total = sum(message.parts for message in messages)
            log.info("submission_tested", account=account.name, messages=len(messages), parts=total)
            answer.set_result(Accepted(first.submission_id, total, refused=tuple(refused)))
            return answer
        pending = PendingAnswer(
            first.submission_id, account, submission, prepared, refused, answer, known_as
        )
        acceptance = Acceptance.__new__(
            Acceptance,
            messages,
            fingerprints_of(account, submission, messages),
            self._dispatcher.has_room(first),
            _aliases_to(first.submission_id, aliases) if aliases else (),
            parts,
            rules.delays(submission, messages, self._settings.reports.delay_after),
            daily_limit=account.settings.daily_limit,
        )
        if submission.replace_if_present:
            self._tasks.create_task(self._accept_instead(pending, acceptance))
        else:
            self._accept(pending, acceptance)
        return answer

    async def _submit_template(
        self, account: Account, submission: Submission, answer: asyncio.Future[Outcome]
    ) -> None:
        """Takes a submission with a template."""
        try:
            template = await self._directory.look_up(
                find_template, account.name, submission.template
            )
            submission = from_template(submission, template)
        except Failure as failure:
            count_refused(submission, failure)
            if not answer.done():
                answer.set_result(failure)
            return
        if is_send_out(submission):
            await self._submit_to_groups(account, submission, answer)
        else:
            self._submit(account, submission, answer)

    async def _submit_to_groups(
        self,
        account: Account,
        submission: Submission,
        answer: asyncio.Future[Outcome],
        aliases: Sequence[Alias] = (),
        known_as: int = 0,
    ) -> None:
        """Takes a submission to groups or to many numbers: as a normal submission if they are few,
        else as a send-out."""
        began = self._monotonic()
        try:
            plan = await plan_of(self._directory, account, submission, self._clock())
            if plan.phones is not None:
                self._submit(
                    account, plan.submission, answer, aliases, known_as=known_as, bulk=True
                )
                return
            self._check_backlog()
            message, message_to = rules.without_phones(
                account, plan.submission, route=self._route_of(account), now=self._clock()
            )
            black_list = self._directory.black_lists.of(account.name)

            def check(recipient: Recipient) -> tuple[str, Message]:
                phone = rules.phone_of(account, recipient.address, black_list, bulk=True)
                return phone, message_to(recipient)

            send_out = plan.send_out(message, account.settings)
            outcome: Outcome
            if submission.dry_run:
                outcome = await self._send_outs.count(send_out, check)
            else:
                outcome = await self._send_outs.accept(
                    send_out._replace(aliases=tuple(aliases)), check, self._check_backlog
                )
        except Failure as failure:
            outcome = failure
        if not submission.dry_run:
            count_told(submission, outcome, self._monotonic() - began)
        if not answer.done():
            answer.set_result(outcome)

    def _check_backlog(self, more: int = 0) -> None:
        if self._dispatcher.backlog + more >= self._settings.store.backlog_limit:
            raise Failure(Reason.BRIDGE_FULL, "too many messages wait")

    def take_part(self, account: Account, waiting: int) -> None:
        """Takes a token of the account's rate for one part of a message, and a place in the
        backlog beside ``waiting`` other parts; raises Failure if there is none."""
        self._check_backlog(waiting)
        self._take_tokens(account, 1)

    def _take_tokens(self, account: Account, messages: int) -> None:
        if not account.take(self._monotonic(), messages):
            raise Failure(Reason.TOO_FAST, f"over {account.settings.rate:g} messages a second")

    def _admit(
        self,
        account: Account,
        submission: Submission,
        *,
        bulk: bool = False,
        limited: bool = True,
    ) -> tuple[list[tuple[Recipient, Message]], list[tuple[Recipient, Failure]]]:
        """Checks the submission against rules and limits, and makes its messages; raises
        Failure."""
        self._check_backlog()
        prepared, refused = self._prepare(account, submission, bulk=bulk)
        if limited and account.settings.rate:
            self._take_tokens(account, len(prepared))
        return prepared, refused

    def _prepare(
        self, account: Account, submission: Submission, *, bulk: bool = False
    ) -> tuple[list[tuple[Recipient, Message]], list[tuple[Recipient, Failure]]]:
        prepared, refused = rules.prepare(
            account,
            submission,
            route=self._route_of(account),
            now=self._clock(),
            next_id=self._ids.next,
            black_list=self._directory.black_lists.of(account.name),
            bulk=bulk,
        )
        if not prepared:
            raise refused[0][1]
        return prepared, refused

    def _accept(self, pending: PendingAnswer, acceptance: Acceptance) -> None:
        """Stores the messages; continues with :meth:`_accepted`."""
        try:
            waits = pending.account.settings.answer == "result"
            accepted = self._dispatcher.accept(acceptance, client_waits=waits)
        except StoreError as error:  # it is closed
            self._pending.answer(pending, error.failure)
        else:
            accepted.add_done_callback(partial(self._accepted, pending, acceptance))

    async def _accept_instead(self, pending: PendingAnswer, acceptance: Acceptance) -> None:
        """As :meth:`_accept`, and cancels the replaced messages."""
        accepted: asyncio.Future[Repeats] = self._loop.create_future()
        try:
            accepted.set_result(await self._replacing.accept(pending.submission, acceptance))
        except StoreError as error:
            accepted.set_exception(error)
        self._accepted(pending, acceptance, accepted)

    def _accepted(
        self, pending: PendingAnswer, acceptance: Acceptance, accepted: asyncio.Future[Repeats]
    ) -> None:
        """The messages are durable, or the store has failed."""
        if accepted.cancelled():
            return  # the daemon ends by a fault: nobody can say whether they are stored
        error = accepted.exception()
        if error is not None:
            if not isinstance(error, StoreError):
                log.error("submission_failed", id=pending.id, exc_info=error)
                error = StoreError(str(error))
            self._pending.answer(pending, error.failure)
            return
        messages, repeats = acceptance.messages, accepted.result()
        if repeats:
            firsts = firsts_of(acceptance, repeats)
            messages = tuple(message for message in messages if message.id not in firsts)
            # Rare, so in a task of its own: the client lost an answer.
            again = self._repeated.answer(pending, acceptance, firsts, frozenset(repeats))
            self._tasks.create_task(again)
        if messages:
            self._handover.send(pending, messages, acceptance.claimed, wait=bool(repeats))


def _aliases_to(submission_id: int, aliases: Sequence[Alias]) -> tuple[Alias, ...]:
    return tuple(alias._replace(message_id=submission_id) for alias in aliases)
