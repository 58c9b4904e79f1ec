"""The relay: submit, query, cancel, replace.

Submitting is in :mod:`bridge.relay.submitting`; here are the later requests about messages, and
the ids.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import structlog

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.model.message import (
    MessageType,
    Receipts,
    Recipient,
    State,
    Stored,
    Submission,
)
from bridge.model.notice import UnjoinedPart
from bridge.model.selection import Selection
from bridge.relay import rules
from bridge.relay.submitting import SubmittingRelay
from bridge.store import (
    Replacement,
    failing,
)
from bridge.store.daily_count import accepted_today
from bridge.store.directory.staging import send_outs_under_way
from bridge.store.directory.to_be_made import to_be_made
from bridge.store.references import (
    delete_for_client,
    newest_with_id,
    newest_with_reference,
    submission_of,
)

log = structlog.get_logger()

#: The states in which a message can be cancelled or replaced.
_STILL_OURS = frozenset({State.ACCEPTED, State.HELD})
#: Flags that a client cannot change.
_OURS = Receipts.ALIASES | Receipts.REPORT | Receipts.CALLBACK


def _why_not(done: str, stored: Sequence[Stored]) -> str:
    if any(one.message.unknown for one in stored):
        return f"cannot be {done}: an earlier attempt may have delivered it"
    return f"nothing that can be {done}"


class Relay(SubmittingRelay):
    """The verbs for listeners. Belongs to one event loop; built by :mod:`bridge.app`."""

    async def query(self, account: Account, id: int) -> list[Stored]:
        """The message, or the submission's messages, with this id. A send-out whose messages are
        still to be made is one message without a phone.

        Raises Failure(NOT_FOUND), also for ids of other accounts.
        """
        with failing():
            stored = await self._store.submission(id)
            if not stored:
                message = await self._store.message(id)
                stored = [message] if message else await self._to_be_made(account, id)
        stored = [one for one in stored if one.message.account == account.name]
        if not stored:
            raise Failure(Reason.NOT_FOUND)
        return stored

    async def _to_be_made(self, account: Account, id: int) -> list[Stored]:
        known = await self._store.look_up(submission_of, id)
        return [
            Stored(one, State.ACCEPTED, "", one.accepted_at, "", "")
            for one in await self._store.look_up(send_outs_under_way, account.name)
            if one.submission_id == known
        ]

    async def unjoined(self, account: Account, id: int) -> UnjoinedPart:
        """The part with this id, if :meth:`query` finds no message of it.

        Raises Failure(NOT_FOUND), also for ids of other accounts.
        """
        with failing():
            part = await self._store.unjoined(id)
        if part is None or part.account != account.name:
            raise Failure(Reason.NOT_FOUND)
        return part

    async def cancel(self, account: Account, id: int) -> None:
        """Cancels a message, or the messages of a submission, that are not at the API yet; also
        those that are still to be made of a send-out.

        Raises Failure(NOT_FOUND) if there are none.
        """
        with failing():
            if message := await self._store.message(id):
                stored = [message] if message.message.account == account.name else []
                await self._cancel(stored)
                return
            known = await self._store.look_up(submission_of, id)
            whole = Selection(id=known, account=account.name)
            moved = await self._dispatcher.move_selected(whole, State.CANCELLED, unposted=True)
        if not moved:
            raise Failure(Reason.NOT_FOUND, "nothing that can be cancelled")
        log.info("message_cancelled", id=id, account=account.name, messages=moved)

    async def cancel_matching(
        self,
        account: Account,
        sender: str,
        address: str,
        message_type: MessageType | None = None,
    ) -> int:
        """Cancels waiting messages from ``sender`` (empty: the default) to a number; returns how
        many.

        Raises Failure: WRONG_PHONE, or NOT_FOUND if none waits.
        """
        phone = rules.phone_of(account, address)
        with failing():
            waiting = await self._store.waiting_for(account.name, phone)
        return await self._cancel(
            [
                one
                for one in waiting
                if one.message.sender == (account.spelled(sender) or account.settings.sender)
                and message_type in (None, one.message.message_type)
            ]
        )

    async def _cancel(self, stored: list[Stored]) -> int:
        waiting = [one for one in stored if one.state in _STILL_OURS]
        with failing():
            moved = (
                await self._dispatcher.move(waiting, State.CANCELLED, unposted=True)
                if waiting
                else []
            )
        if not moved:
            raise Failure(Reason.NOT_FOUND, _why_not("cancelled", waiting))
        for id in moved:
            log.info("message_cancelled", id=id, account=stored[0].message.account)
        return len(moved)

    async def replace(
        self,
        account: Account,
        id: int,
        *,
        text: str,
        sender: str = "",
        scheduled_at: int | None = None,
        ttl: int | None = None,
        receipts: Receipts | None = None,
    ) -> None:
        """Replaces the text of a message that is not at the API yet.

        ``None`` keeps the message's value; a ``sender`` must be the message's own. Raises Failure:
        NOT_FOUND, or the rule that the new text breaks.
        """
        [old, *more] = await self.query(account, id)
        message = old.message
        own = account.spelled(sender) in ("", message.sender)
        if more or old.state not in _STILL_OURS or not (own and message.phone):
            raise Failure(Reason.NOT_FOUND, "nothing that can be replaced")
        [(_, new)], _ = self._prepare(
            account,
            Submission(
                message.protocol,
                (Recipient(message.phone, message.message_type, message.route),),
                text,
                message.peer,
                message.sender,
                options=message.options,
                ttl=ttl,
                scheduled_at=scheduled_at,
                reference=message.reference,
            ),
        )
        replacement = Replacement(
            message.id,
            new.text,
            new.fallback,
            new.parts,
            message.receipts if receipts is None else receipts | message.receipts & _OURS,
            expires_at=None if ttl is None else new.expires_at,
            due_at=scheduled_at,
        )
        with failing():
            replaced = await self._dispatcher.replace(message, replacement)
        if not replaced:
            raise Failure(Reason.NOT_FOUND, _why_not("replaced", [old]))
        log.info("message_replaced", id=message.id, account=account.name)

    async def used_today(self, account: Account) -> int:
        """The number of the account's messages that were accepted today. Raises Failure."""
        with failing():
            return await self._store.look_up(accepted_today, account.name, int(self._store.time()))

    async def find_messages(
        self, account: Account, asked: Sequence[tuple[str, str, int]]
    ) -> list[Stored | None]:
        """The newest message for each of these questions, without those that the client has
        deleted; those of a send-out also before they are made.

        A question is the client's reference, the phone (E.164), and an id: that of the message or
        of its submission (0: unknown). The reference is looked up first.
        """
        found = [await self._find_message(account, *one) for one in asked]
        wanted: defaultdict[str, set[str]] = defaultdict(set)
        for one, (reference, phone, id) in zip(found, asked, strict=True):
            if one is None:
                wanted[reference].add(phone)
                wanted[str(id)].add(phone)
        if not wanted:
            return found
        with failing():
            coming = await self._store.look_up(to_be_made, wanted, account.name)
        made_later = {
            (name, one.message.phone): one
            for one in reversed(coming)
            for name in (one.message.reference, str(one.message.submission_id))
        }
        for n, (reference, phone, id) in enumerate(asked):
            if found[n] is None:
                found[n] = made_later.get((reference, phone)) or made_later.get((str(id), phone))
            if found[n] is None:  # it may have been made meanwhile
                found[n] = await self._find_message(account, reference, phone, id)
        return found

    async def _find_message(
        self, account: Account, reference: str, phone: str, id: int
    ) -> Stored | None:
        with failing():
            found = await self._store.look_up(newest_with_reference, account.name, reference, phone)
            if found is None and id:
                found = await self._store.look_up(newest_with_id, account.name, id, phone)
            return None if found is None else await self._store.message(found)

    async def delete_for_client(self, account: Account, found: Sequence[Stored]) -> None:
        """Hides messages that were sent, or will not be, from :meth:`find_messages`; nothing else
        of them changes.

        Raises Failure(OPERATION_FAILED) if one waits to be sent; then none is hidden.
        """
        if any(one.state in _STILL_OURS or one.state is State.SENDING for one in found):
            raise Failure(Reason.OPERATION_FAILED, "not sent yet")
        messages = [one.message for one in found]
        with failing():
            await self._store.change(
                delete_for_client, account.name, messages, int(self._store.time())
            )

    def next_id(self) -> int:
        """An id of the node's sequence, for anything but a submission's messages."""
        return self._ids.next()

    def next_short_id(self) -> int:
        """An id below 2**32, for clients that support no longer ids (SMPP 3.3)."""
        return self._short_ids.next()

    def congestion(self) -> int:
        """The fill level of the backlog, in percent."""
        return min(100, 100 * self._dispatcher.backlog // self._settings.store.backlog_limit)
