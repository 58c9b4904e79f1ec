"""The one door: submit, query, cancel, replace.

How a submission is taken is told in :mod:`bridge.relay.submitting`; here is what clients ask about
messages afterwards, and the ids that they are given.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

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
from bridge.relay import rules
from bridge.relay.submitting import SubmittingRelay
from bridge.store import (
    Replacement,
    StoreError,
)
from bridge.store.references import newest_with_reference

log = structlog.get_logger()

#: The states in which a message can be cancelled or replaced.
_STILL_OURS = frozenset({State.ACCEPTED, State.HELD})
#: Wishes that are not the client's to change.
_OURS = Receipts.ALIASES | Receipts.REPORT | Receipts.CALLBACK


def _why_not(done: str, stored: Sequence[Stored]) -> str:
    if any(one.message.unknown for one in stored):
        return f"cannot be {done}: an earlier attempt may have delivered it"
    return f"nothing that can be {done}"


@contextmanager
def _store_failing() -> Iterator[None]:
    """What the store cannot do now is told to the client as a failure."""
    try:
        yield
    except StoreError as error:
        raise error.failure from error


class Relay(SubmittingRelay):
    """What listeners may ask for. Belongs to one event loop; built by :mod:`bridge.app`."""

    async def query(self, account: Account, id: int) -> list[Stored]:
        """The message or the submission's messages with this id, of this account alone.

        Raises Failure(NOT_FOUND); another account's id is not found either.
        """
        with _store_failing():
            stored = await self._store.submission(id)
            if not stored:
                message = await self._store.message(id)
                stored = [message] if message else []
        stored = [one for one in stored if one.message.account == account.name]
        if not stored:
            raise Failure(Reason.NOT_FOUND)
        return stored

    async def unjoined(self, account: Account, id: int) -> UnjoinedPart:
        """The part of this account alone with this id, where :meth:`query` finds no message of it.

        Raises Failure(NOT_FOUND).
        """
        with _store_failing():
            part = await self._store.unjoined(id)
        if part is None or part.account != account.name:
            raise Failure(Reason.NOT_FOUND)
        return part

    async def cancel(self, account: Account, id: int) -> None:
        """Cancels what is not at the API yet of a message or a submission.

        Raises Failure(NOT_FOUND) where there is nothing of the kind.
        """
        await self._cancel(await self.query(account, id))

    async def cancel_matching(
        self,
        account: Account,
        sender: str,
        address: str,
        message_type: MessageType | None = None,
    ) -> int:
        """Cancels what waits from ``sender`` (empty: the default) to a number; tells how many.

        Raises Failure: WRONG_PHONE, or NOT_FOUND where nothing waits.
        """
        phone = rules.phone_of(account, address)
        with _store_failing():
            waiting = await self._store.waiting_for(account.name, phone)
        return await self._cancel(
            [
                one
                for one in waiting
                if one.message.sender == (sender or account.settings.sender)
                and message_type in (None, one.message.message_type)
            ]
        )

    async def _cancel(self, stored: list[Stored]) -> int:
        waiting = [one for one in stored if one.state in _STILL_OURS]
        with _store_failing():
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
        """Puts another text in the place of a message's that is not at the API yet.

        ``None`` keeps what the message had; a ``sender`` must be the message's own. Raises
        Failure: NOT_FOUND, or what the new text meets in the rules.
        """
        [old, *more] = await self.query(account, id)
        message = old.message
        if more or old.state not in _STILL_OURS or sender not in ("", message.sender):
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
        with _store_failing():
            replaced = await self._dispatcher.replace(message, replacement)
        if not replaced:
            raise Failure(Reason.NOT_FOUND, _why_not("replaced", [old]))
        log.info("message_replaced", id=message.id, account=account.name)

    def used_today(self, account: Account) -> int:
        """How many messages of an account with a ``daily_limit`` were accepted today."""
        return self._daily_limits.used(account.name)

    async def find_reference(self, account: Account, reference: str, phone: str) -> Stored | None:
        """The newest message of this account to a phone (E.164) with the client's reference."""
        with _store_failing():
            id = await self._store.look_up(newest_with_reference, account.name, reference, phone)
            return None if id is None else await self._store.message(id)

    def next_id(self) -> int:
        """An id of the one sequence, for what is none of a submission's messages."""
        return self._ids.next()

    def next_short_id(self) -> int:
        """A number below 2**32 for clients that know no longer ids (SMPP 3.3)."""
        return self._short_ids.next()

    def congestion(self) -> int:
        """How full the bridge is, in percent."""
        return min(100, 100 * self._dispatcher.backlog // self._settings.store.backlog_limit)
