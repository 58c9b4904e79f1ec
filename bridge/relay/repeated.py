"""Repeated messages: mails that come again, and duplicates.

:mod:`bridge.relay.fingerprints` finds them. Here is decided how they are answered: with the first
answer or, for duplicates, a refusal. If the first message will not arrive, the second is sent.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from bridge.model.failure import Failure, Reason
from bridge.model.message import WILL_NOT_ARRIVE, Message
from bridge.model.notice import Kind
from bridge.relay.fingerprints import firsts_of, repeat_key
from bridge.relay.handover import Handover
from bridge.relay.pending_answers import PendingAnswer, PendingAnswers
from bridge.relay.replacing import Replacing
from bridge.sending.dispatcher import Dispatcher
from bridge.store import Acceptance, Store, StoreError

log = structlog.get_logger()


class RepeatedMessages:
    """Answers repeated messages, or hands them over."""

    def __init__(
        self,
        store: Store,
        pending: PendingAnswers,
        dispatcher: Dispatcher,
        replacing: Replacing,
        handover: Handover,
    ) -> None:
        self._store = store
        self._pending = pending
        self._dispatcher = dispatcher
        self._replacing = replacing
        self._handover = handover

    async def answer(
        self,
        pending: PendingAnswer,
        acceptance: Acceptance,
        firsts: Mapping[int, int],
        known: frozenset[bytes],
    ) -> None:
        """Answers repeated messages: with the first answer or, for duplicates, a refusal; or sends
        them if the first will not arrive. ``firsts``: id of the repeated → id of the earlier."""
        account, submission = pending.account, pending.submission
        again = [message for message in acceptance.messages if message.id in firsts]
        some_new = len(again) < len(acceptance.messages)
        try:
            stories = [await self._store.story(firsts[message.id]) for message in again]
        except StoreError as error:
            if some_new:
                # All are accepted: these before, the others of this submission now.
                for _ in again:
                    pending.queued = True
                    self._pending.settle(pending)
            else:
                self._pending.answer(pending, error.failure)
            return
        reported = any(
            notice.kind is Kind.REFUSED for story in stories if story for notice in story.notices
        )
        if reported:
            pending.reported = frozenset(recipient for recipient, _ in pending.refused)
        same_mail = {
            message.id: repeat_key(account, submission, message) in known for message in again
        }
        arrived = {
            message.id: story.stored
            for message, story in zip(again, stories, strict=True)
            if story and (same_mail[message.id] or story.stored.state not in WILL_NOT_ARRIVE)
        }
        if len(arrived) == len(acceptance.messages):
            pending.know_as(arrived[again[0].id].message)
        for message in again:
            first = firsts[message.id]
            stored = arrived.get(message.id)
            if stored is None:
                await self._send_again(pending, acceptance, message, first)
                continue
            log.info("submission_repeated", id=message.id, first=first)
            if not same_mail[message.id] and account.settings.duplicates == "refuse":
                pending.refuse(message.id, message.parts, Failure(Reason.DUPLICATE))
            elif refusal := stored.refusal:
                if reported:
                    pending.reported |= {pending.recipients[message.id]}
                pending.refuse(message.id, message.parts, refusal)
            else:
                pending.queued |= not stored.upstream_id
                if len(acceptance.messages) == 1:
                    await self._know_as_first(pending, acceptance, message, first)
                elif len(arrived) == len(acceptance.messages):
                    await self._know_as_first(pending, acceptance, message, pending.told_id)
            self._pending.settle(pending)

    async def _know_as_first(
        self, pending: PendingAnswer, acceptance: Acceptance, message: Message, first: int
    ) -> None:
        """Stores the ids of the client's answer as aliases of the first message."""
        aliases = [
            alias._replace(message_id=first)
            for alias in acceptance.aliases
            if alias.message_id == message.submission_id
        ]
        if not aliases:
            return
        try:
            await self._store.also_known_as(aliases)
        except StoreError as error:
            pending.refuse(message.id, message.parts, error.failure)

    async def _send_again(
        self, pending: PendingAnswer, acceptance: Acceptance, message: Message, first: int
    ) -> None:
        """Sends a repeated message whose first one will not arrive."""
        mine = Acceptance(
            (message,),
            tuple(
                fingerprint._replace(instead_of=first)
                for fingerprint in acceptance.fingerprints
                if fingerprint.message_id == message.id
            ),
            self._dispatcher.has_room(message),
            tuple(
                alias for alias in acceptance.aliases if alias.message_id == message.submission_id
            ),
            acceptance.parts,
            tuple(notice for notice in acceptance.notices if notice.about == message.id),
            daily_limit=acceptance.daily_limit,
        )
        try:
            if pending.submission.replace_if_present:
                repeats = await self._replacing.accept(pending.submission, mine)
            else:
                repeats = await self._store.accept(mine)
        except StoreError as error:
            pending.refuse(message.id, message.parts, error.failure)
            self._pending.settle(pending)
            return
        if repeats:  # another repeat was faster
            await self.answer(pending, mine, firsts_of(mine, repeats), frozenset(repeats))
        else:
            self._handover.send(pending, (message,), mine.claimed, wait=True)
