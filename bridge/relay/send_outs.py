"""Send-outs: submissions to groups, to more numbers than one transaction takes, or with a name.

The recipients are staged in small transactions, and one small transaction accepts the whole. Then
messages are made of them step by step, by this node or, if it is gone, by another
(:mod:`bridge.store.directory.staging`). Memory does not grow with the group, and no transaction
delays others for more than a few milliseconds.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from typing import Final

import orjson
import structlog

from bridge.model.day_hours import windows
from bridge.model.failure import Failure, Reason
from bridge.model.ids import Ids
from bridge.model.mail_record import dump, load
from bridge.model.message import Accepted, Message, Protocol, Recipient
from bridge.net.rests import Rests
from bridge.relay.left_out import keep_left_out
from bridge.relay.send_out_plan import Check, Counted, Plan, fingerprint_of
from bridge.sending.dispatcher import Dispatcher
from bridge.store import Acceptance, Store, StoreError, failing
from bridge.store.directory.groups import member_phones
from bridge.store.directory.staging import (
    SEND_OUT,
    ImportFile,
    SendOut,
    StagedPhone,
    abandoned_imports,
    begin_import,
    commit_send_out,
    discard_step,
    finish_import,
    stage_phones,
    staged_phones,
    touch_import,
    withdraw_send_out,
)
from bridge.store.directory.to_be_made import reference_of
from bridge.store.outage import Outage
from bridge.store.rows import to_message, to_row
from bridge.store.small_steps import SmallSteps
from bridge.store.types import StagedLines

log = structlog.get_logger()

#: Most messages that a send-out puts into the queue in a second: sending them takes more time than
#: storing them, and messages of other accounts go between.
MESSAGES_PER_SECOND: Final = 10_000
#: How often a node marks the send-out that it works on (seconds).
_TOUCH_EVERY: Final = 15.0
#: A send-out that no node has touched for this long is abandoned (seconds).
ABANDONED_AFTER: Final = 60
_RESUME_EVERY: Final = 60.0
_RETRY_AFTER: Final = 1.0
_PAGE: Final = 1000


class SendOuts:
    """Accepts send-outs. Belongs to one event loop; :meth:`run` it to take up abandoned ones.

    ``tasks`` owns the tasks that make messages of accepted send-outs.
    """

    def __init__(
        self,
        store: Store,
        dispatcher: Dispatcher,
        ids: Ids,
        tasks: asyncio.TaskGroup,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._store = store
        self._dispatcher = dispatcher
        self._ids = ids
        self._tasks = tasks
        self._clock = clock
        #: Files that this process works on: they are not abandoned.
        self._active: set[int] = set()
        #: They go on until the store works again.
        self._patient: set[asyncio.Task[None]] = set()

    def close(self) -> None:
        """Ends the work on accepted send-outs; the next start goes on with it. Otherwise a stop
        would wait for a store that is away."""
        for task in self._patient:
            task.cancel()

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = self._tasks.create_task(work)
        self._patient.add(task)
        task.add_done_callback(self._patient.discard)

    async def accept(self, plan: Plan, check: Check, admit: Callable[[int], None]) -> Accepted:
        """Accepts a whole send-out; its messages are made afterwards.

        ``admit`` gets the number of messages first, and may raise a Failure. Raises Failure also
        for the daily limit, for the first recipient if all are refused, and for the store.
        """
        with failing():
            return await self._accept(plan, check, admit)

    async def count(self, plan: Plan, check: Check) -> Accepted:
        """The answer that :meth:`accept` would give; stores nothing. Raises Failure."""
        counted = Counted(plan, check)
        with failing():
            async for recipient, named in self._recipients(plan):
                counted.add(recipient, named=named)
        if not counted.messages:
            raise counted.refused[0][1]
        return Accepted(self._ids.next(), counted.parts, refused=tuple(counted.refused))

    async def _accept(self, plan: Plan, check: Check, admit: Callable[[int], None]) -> Accepted:
        message = plan.message
        file = await self._store.change(begin_import, message.account, SEND_OUT, self._now())
        self._active.add(file.id)
        counted = Counted(plan, check)
        try:
            staged: list[StagedPhone] = []
            steps = SmallSteps(self._store)
            async for recipient, named in self._recipients(plan):
                if (found := counted.add(recipient, named=named)) is None:
                    continue
                phone, own = found
                one = StagedPhone(counted.messages, phone, self._ids.next(), own=own)
                if message.protocol is Protocol.SMTP:
                    # With its address, which the reports name.
                    written = recipient.written or recipient.address
                    one = one._replace(to=written, orcpt=recipient.orcpt)
                staged.append(one)
                if len(staged) >= steps.size:
                    await steps.take(self._store.change(stage_phones, file.id, staged, self._now()))
                    staged = []
            if staged:
                await self._store.change(stage_phones, file.id, staged, self._now())
            if not counted.messages:
                raise counted.refused[0][1]
            admit(counted.messages)
        except BaseException:
            self._tasks.create_task(self._discard(file))
            raise
        # The greatest of its ids: the store remembers only the greatest.
        submission_id = self._ids.next()
        message = message._replace(submission_id=submission_id)
        interval = max(plan.interval, plan.spread / counted.messages)
        if message.scheduled_at is not None and interval and (plan.spread or plan.hours):
            # The provider would send all messages at once: keep each until it is due.
            message = message._replace(due_at=message.scheduled_at, scheduled_at=None)
        head = orjson.dumps(
            {
                "message": to_row(message),
                "interval": interval,
                "hours": plan.hours,
                "zone": plan.zone,
            }
        ).decode()
        refused, parts = tuple(counted.refused), counted.parts
        send_out = SendOut(
            submission_id,
            plan.name,
            self._now(),
            counted.messages,
            parts,
            counted.refusals,
            message.reference,
        )
        print = fingerprint_of(plan, submission_id, self._now())
        try:
            first = await self._store.change(
                commit_send_out,
                file.id,
                message.account,
                head,
                send_out,
                self._now(),
                print,
                plan.daily_limit,
                [alias._replace(message_id=submission_id) for alias in plan.aliases],
                unless_sent=not plan.repeat_key,
            )
        except Failure:
            self._tasks.create_task(self._discard(file))
            raise
        except StoreError:
            file = file._replace(head=head)
            self._start(self._withdraw(file, send_out, plan, print is not None))
            raise
        if first != submission_id:
            log.info("submission_repeated", id=submission_id, first=first)
            self._tasks.create_task(self._discard(file))
            if not plan.repeat_key and plan.duplicates == "refuse":
                raise Failure(Reason.DUPLICATE)
            with_reference = self._store.look_up(reference_of, message.account, first)
            return Accepted(first, parts, True, refused, await with_reference)
        log.info(
            "submission_accepted",
            id=submission_id,
            account=message.account,
            protocol=message.protocol.value,
            messages=counted.messages,
            parts=parts,
            refused=counted.refusals,
            name=plan.name or None,
        )
        keep_left_out(submission_id, message.account, message.protocol.value, message.peer, refused)
        self._start(self._finish(file._replace(head=head)))
        return Accepted(submission_id, parts, True, refused)

    async def _recipients(self, plan: Plan) -> AsyncIterator[tuple[Recipient, bool]]:
        """The numbers that the client has named, with True; then those of the groups."""
        rests = Rests()
        for recipient in plan.phones:
            yield recipient, True
            await rests.after_some()
        after = ""
        account, groups = plan.message.account, list(plan.groups)
        while groups and (
            page := await self._store.look_up(
                member_phones, account, groups, after=after, limit=_PAGE
            )
        ):
            for phone in page:
                yield Recipient(phone), False
            after = page[-1]

    async def run(self) -> None:
        """Takes up accepted send-outs of nodes that are gone, and drops unaccepted ones."""
        outage = Outage("send_outs_not_resumed")
        while True:
            try:
                now = self._now()
                for file in await self._store.change(
                    abandoned_imports, (SEND_OUT,), now - ABANDONED_AFTER, now
                ):
                    if file.id in self._active:
                        continue
                    if file.committed:
                        log.info("send_out_resumed", account=file.account)
                        await self._finish(file)
                    else:
                        log.warning("send_out_dropped", account=file.account)
                        await self._discard(file)
                outage.over()
            except StoreError as error:
                outage.failed(error)
            await asyncio.sleep(_RESUME_EVERY)

    async def _finish(self, file: ImportFile) -> None:
        """Makes messages of all staged recipients."""
        self._active.add(file.id)
        head = orjson.loads(file.head)
        message = to_message(head["message"])
        times = _DueTimes(message.due_at, head["interval"], head.get("hours", ()), head.get("zone"))
        last = 0
        touched_at = time.monotonic()
        steps = SmallSteps(self._store, MESSAGES_PER_SECOND)
        outage = Outage("send_out_delayed", account=file.account)
        while True:
            try:
                staged = await self._store.look_up(staged_phones, file.id, steps.size, last)
                if not staged:
                    await self._store.change(finish_import, file.id)
                    self._active.discard(file.id)
                    return
                messages = tuple(_message(message, one, times.of(one.line)) for one in staged)
                claimed = self._dispatcher.has_room(messages[0])
                lines = StagedLines(file.id, last, staged[-1].line)
                acceptance = Acceptance(messages, claimed=claimed, staged=lines)
                await steps.take(self._accept_step(acceptance))
                last = lines.last
                if time.monotonic() - touched_at >= _TOUCH_EVERY:
                    await self._store.change(touch_import, file.id, self._now())
                    touched_at = time.monotonic()
            except StoreError as error:
                # It is accepted: go on as soon as the store works again.
                outage.failed(error)
                await asyncio.sleep(_RETRY_AFTER)

    async def _accept_step(self, acceptance: Acceptance) -> None:
        await self._store.accept(acceptance)
        self._dispatcher.offer(acceptance.messages, claimed=acceptance.claimed, client_waits=False)

    async def _withdraw(
        self, file: ImportFile, send_out: SendOut, plan: Plan, is_known: bool
    ) -> None:
        """Drops a send-out that was refused, though it may have been committed: the answer of the
        database was lost. One that has a fingerprint is sent (``is_known``): a client that repeated
        it at another node may have been told that it is accepted."""
        account = plan.message.account
        outage = Outage("send_out_not_dropped", account=account)
        while True:
            try:
                if await self._store.change(
                    withdraw_send_out, file.id, account, send_out, self._now(), keep=is_known
                ):
                    await self._finish(file)
                else:
                    await self._discard(file)
                return
            except StoreError as error:
                outage.failed(error)
                await asyncio.sleep(_RETRY_AFTER)

    async def _discard(self, file: ImportFile) -> None:
        try:
            steps = SmallSteps(self._store)
            while await steps.take(self._store.change(discard_step, file.id, steps.size)):
                pass
        except StoreError as error:
            log.warning("send_out_not_dropped", account=file.account, error=str(error))
        finally:
            # If it is still there, it is dropped when it counts as abandoned.
            self._active.discard(file.id)

    def _now(self) -> int:
        return int(self._clock())


class _DueTimes:
    """When the messages of a send-out are due: the first one at ``at``, which is in its hours, and
    the others ``interval`` seconds after the one before, counted in these hours."""

    def __init__(self, at: int, interval: float, hours: Sequence[str], zone: str | None) -> None:
        self._interval = interval
        self._windows = windows(hours, zone or "UTC", at)
        self._begin, self._end = next(self._windows)
        #: Seconds of the windows before.
        self._passed = 0.0

    def of(self, line: int) -> int:
        """The Unix time of a line (from 1); the lines come in their order."""
        later = self._interval * (line - 1) - self._passed
        while later >= self._end - self._begin:
            self._passed += self._end - self._begin
            later -= self._end - self._begin
            self._begin, self._end = next(self._windows)
        return int(self._begin + later)


def _message(message: Message, staged: StagedPhone, due_at: int) -> Message:
    if staged.own:
        message = message._replace(**staged.own._asdict())
    envelope = message.envelope
    if envelope and staged.to:
        envelope = dump(load(envelope)._replace(to=staged.to, orcpt=staged.orcpt))
    return message._replace(
        id=staged.message_id,
        phone=staged.phone,
        due_at=due_at,
        expires_at=message.expires_at + due_at - message.due_at,
        envelope=envelope,
    )
