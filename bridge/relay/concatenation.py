"""Gathers the parts of concatenated messages, over sessions, restarts and nodes.

Decides the answer to each part: a part is checked and durable before it is answered with its own
id; the part that completes the message gets the message's outcome. The listener joins the contents
of the parts to one text, the store finds the group of a part.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Sequence
from functools import partial
from itertools import groupby
from typing import Final, NamedTuple, Protocol

import structlog

from bridge.accounts.accounts import Account
from bridge.directory.groups import names_group
from bridge.log import mask
from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, Receipts, State, Stored, Submission
from bridge.model.notice import Notice, part_notice
from bridge.relay import rules
from bridge.relay.short_ids import PartSubmitter, pass_on
from bridge.store import Alias, Gathered, Part, PartGroup, StoreError
from bridge.store.outage import Outage
from bridge.store.unjoined import about_part

log = structlog.get_logger()

#: Groups of parts checked at once, and the interval (seconds). Fewer groups are begun in that time.
_SWEEP: Final = 2000
_SWEEP_EVERY: Final = 1.0

#: Pause before a failed storing of notices is tried again (seconds).
_OWE_AGAIN: Final = 1.0

#: Contents of a message's parts, in order → the whole submission; may raise Failure.
Join = Callable[[Sequence[bytes]], Submission]


class Segment(NamedTuple):
    """One part as a listener hands it over.

    ``submission`` is the part as a submission of its own: the rules check it, and its recipients
    and sender identify the message. ``content`` goes to :data:`Join`; a repeated part has the same
    content.
    """

    reference: int
    total: int
    number: int
    submission: Submission
    content: bytes


class PartStore(Protocol):
    """The part of :class:`bridge.store.Store` that is used here."""

    def add_part(self, part: Part, since: int) -> asyncio.Future[Gathered]: ...

    async def expired_parts(self, before: int, limit: int) -> list[Part]: ...

    async def message(self, message_id: int) -> Stored | None: ...

    def owe(self, notices: Sequence[Notice]) -> asyncio.Future[None]: ...


class Gathering:
    """Takes parts. Belongs to the event loop that :meth:`run` runs in.

    ``next_id`` gives ids of the node's sequence, ``parts_timeout`` is in seconds, ``clock`` gives
    Unix time. ``follow_clock`` is awaited before parts expire: it corrects their times if the clock
    was set.
    """

    def __init__(
        self,
        store: PartStore,
        relay: PartSubmitter,
        next_id: Callable[[], int],
        parts_timeout: float,
        clock: Callable[[], float] = time.time,
        follow_clock: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._store = store
        self._relay = relay
        self._next_id = next_id
        self._parts_timeout = parts_timeout
        self._clock = clock
        self._follow_clock = follow_clock
        # Complete messages without an outcome yet, by the ids of their parts: a part that is
        # repeated meanwhile must not submit the message again.
        self._joining: dict[tuple[int, ...], asyncio.Future[Outcome]] = {}
        #: Parts stored by this node since its start that wait for others, with their times; they
        #: count as backlog.
        self._waiting: dict[int, int] = {}
        self._tasks: asyncio.TaskGroup | None = None
        self._outage = Outage("parts_sweep_failed")

    def add(
        self, account: Account, segment: Segment, join: Join, *, short_id: bool = False
    ) -> asyncio.Future[Outcome]:
        """Takes a part; the future gets its outcome under the part's own id, never an exception.

        With ``short_id`` that id is below 2**32.
        """
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        try:
            group = self._check(account, segment)
            self._relay.take_part(account, len(self._waiting))
        except Failure as failure:
            answer.set_result(failure)
            return answer
        now = int(self._clock())
        receipts = int(segment.submission.receipts)
        id = self._relay.next_short_id() if short_id else self._next_id()
        part = Part(id, group, segment.number, segment.content, receipts, now)
        try:
            stored = self._store.add_part(part, now - int(self._parts_timeout))
        except StoreError as error:  # it is closed
            answer.set_result(error.failure)
            return answer
        self._waiting[id] = now
        stored.add_done_callback(partial(self._stored, account, group, part.id, join, answer))
        return answer

    async def run(self) -> None:
        """Ends parts whose message was not completed in time, until it is cancelled."""
        try:
            async with asyncio.TaskGroup() as self._tasks:
                while True:
                    await asyncio.sleep(min(_SWEEP_EVERY, self._parts_timeout / 4))
                    await self._sweep()
        finally:
            self._tasks = None

    # --- one part --------------------------------------------------------------------------

    def _check(self, account: Account, segment: Segment) -> PartGroup:
        """The message that the part belongs to; raises Failure if the part breaks a rule."""
        settings, submission = account.settings, segment.submission
        if segment.total > settings.max_parts and settings.long_text == "refuse":
            detail = f"{segment.total} parts, {settings.max_parts} allowed"
            raise Failure(Reason.TEXT_TOO_LONG, detail)
        if not submission.text.strip():
            # A blank part is allowed: other parts have text.
            submission = submission._replace(text="-")
        if any(names_group(recipient.address) for recipient in submission.recipients):
            detail = "a long message to a group has to come in one piece"
            raise Failure(Reason.BAD_PARAMETER, detail)
        self._relay.check(account, submission)
        phones = [_phone(account, recipient.address) for recipient in submission.recipients]
        return PartGroup(
            account.name, submission.sender, ",".join(phones), segment.reference, segment.total
        )

    def _stored(
        self,
        account: Account,
        group: PartGroup,
        id: int,
        join: Join,
        answer: asyncio.Future[Outcome],
        stored: asyncio.Future[Gathered],
    ) -> None:
        """The part is durable, or the store has failed."""
        if stored.cancelled() or stored.exception() is not None or stored.result().id != id:
            self._no_longer_waiting([id])  # no part was stored, or an earlier one is repeated
        if answer.done():
            return
        if stored.cancelled():
            answer.set_result(Failure(Reason.OPERATION_FAILED, cause="cancelled"))
            return
        error = stored.exception()
        if error is not None:
            if isinstance(error, StoreError):
                answer.set_result(error.failure)
            else:
                log.error("part_failed", account=account.name, exc_info=error)
                answer.set_result(Failure(Reason.OPERATION_FAILED, cause=str(error)))
            return
        gathered = stored.result()
        if gathered.message_id and self._tasks is not None:
            # Rare, so in a task of its own: the client lost an answer.
            self._tasks.create_task(self._repeated(gathered, answer))
        elif gathered.message_id:
            answer.set_result(_taken(gathered.id))
        elif gathered.parts:
            self._complete(account, group, join, gathered, answer)
        else:
            answer.set_result(_taken(gathered.id))

    def _complete(
        self,
        account: Account,
        group: PartGroup,
        join: Join,
        gathered: Gathered,
        answer: asyncio.Future[Outcome],
    ) -> None:
        """All parts are there: submits the message; its outcome is this part's answer."""
        key = tuple(part.id for part in gathered.parts)
        joining = self._joining.get(key)
        if joining is None:
            try:
                submission = join([part.content for part in gathered.parts])
            except Failure as failure:
                answer.set_result(failure)
                return
            except Exception:  # the client must get an answer
                log.exception("parts_not_joined", account=account.name, total=group.total)
                answer.set_result(Failure(Reason.OPERATION_FAILED))
                return
            # Receipts were requested part by part, and go out under the ids of the parts.
            aliases = [Alias(part.id, 0, part.receipts) for part in gathered.parts]
            wanted = any(part.receipts for part in gathered.parts)
            wishes = Receipts.ALIASES if wanted else Receipts.NONE
            # The group is known by its first part: a repeated part may complete it at another node
            # too, while this one stands still.
            repeat_key = b"parts %d" % min(key)
            submission = submission._replace(receipts=wishes, repeat_key=repeat_key)
            joining = self._relay.submit(
                account, submission, aliases=aliases, parts=group, known_as=gathered.id
            )
            self._joining[key] = joining
            self._no_longer_waiting(key)
            joining.add_done_callback(lambda _: self._joining.pop(key, None))
            joining.add_done_callback(partial(self._joined, gathered))
        joining.add_done_callback(partial(pass_on, gathered.id, answer))

    def _joined(self, gathered: Gathered, joining: asyncio.Future[Outcome]) -> None:
        """The other parts of a refused duplicate were answered with success: notices tell of the
        refusal. A message that the API refuses gets its own notices, and parts of a message that
        was not stored expire.
        """
        if joining.cancelled() or joining.exception() is not None or self._tasks is None:
            return
        outcome = joining.result()
        if isinstance(outcome, Failure) and outcome.reason is Reason.DUPLICATE:
            others = [part for part in gathered.parts if part.id != gathered.id]
            # Rare, so in a task of its own: a duplicate.
            self._tasks.create_task(self._owe_refusals(others))

    async def _owe_refusals(self, parts: Sequence[Part]) -> None:
        now = int(self._clock())
        notices = [
            part_notice(part.group.account, part.id, about_part(part), now, State.REJECTED)
            for part in parts
        ]
        outage = Outage("parts_receipts_failed", parts=len(parts))
        while True:
            try:
                await self._store.owe(notices)
                return
            except StoreError as error:  # the ids were told: they must lead to the refusal
                outage.failed(error)
            await asyncio.sleep(_OWE_AGAIN)

    async def _repeated(self, gathered: Gathered, answer: asyncio.Future[Outcome]) -> None:
        """Answers a repeated part whose message was submitted before, with that message's state."""
        try:
            stored = await self._store.message(gathered.message_id)
        except StoreError as error:
            outcome: Outcome = error.failure
        except Exception as error:  # the client must get an answer
            log.exception("parts_repeat_failed", id=gathered.id)
            outcome = Failure(Reason.OPERATION_FAILED, cause=type(error).__name__)
        else:
            outcome = (stored and stored.refusal) or _taken(gathered.id)
            log.info("part_repeated", id=gathered.id, message=gathered.message_id)
        if not answer.done():
            answer.set_result(outcome)

    def _no_longer_waiting(self, ids: Iterable[int]) -> None:
        for id in ids:
            # Parts stored by an earlier run or another node were not counted.
            self._waiting.pop(id, None)

    def _forget(self, before: int) -> None:
        """Forgets parts from before then: another node has completed their message, or ended
        them."""
        while self._waiting and next(iter(self._waiting.values())) < before:
            del self._waiting[next(iter(self._waiting))]

    # --- parts without a message -----------------------------------------------------------

    async def _sweep(self) -> None:
        try:
            if self._follow_clock is not None:
                await self._follow_clock()
            before = int(self._clock() - self._parts_timeout)
            expired = await self._store.expired_parts(before, _SWEEP)
            self._no_longer_waiting(part.id for part in expired)
            self._forget(before)
            _log_expired(expired)
            self._outage.over()
        except StoreError as error:  # the next look may succeed
            self._outage.failed(error)


def _taken(id: int) -> Accepted:
    """The outcome of a part whose message is not complete."""
    return Accepted(id, 1, queued=True)


def _phone(account: Account, address: str) -> str:
    """The destination as E.164, so that all spellings are equal; a group keeps its name."""
    try:
        return rules.phone_of(account, address)
    except Failure:
        return address


def _log_expired(parts: Iterable[Part]) -> None:
    by_group = sorted(parts, key=lambda part: (part.group, part.at))
    for group, some in groupby(by_group, key=lambda part: part.group):
        log.warning(
            "parts_expired",
            account=group.account,
            to=mask(group.destination),
            reference=group.reference,
            parts=sum(1 for _ in some),
            total=group.total,
        )
