"""Messages from phones: the account of each, and the queues for its notices.

A sender name that phones answer to belongs to an account if that alone may use it. Other messages
go to the account named in ``[hooks] incoming``; without one they are refused and logged, so that
none is lost silently. The listeners and the report mails bring them to the account.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from hashlib import sha256
from typing import Final

import structlog

from bridge.cascade.status import NotDocumented, Phoned, decode_incoming
from bridge.config.settings import AccountSettings, Settings
from bridge.model.failure import Failure, Reason
from bridge.model.notice import MAIL, Incoming, callbacks_of, receivers_of
from bridge.store import Store, failing

log = structlog.get_logger()

#: Kinds of bind with which a session receives.
_RECEIVING: Final = frozenset({"receiver", "transceiver"})
#: Equal messages without id and time count as one within this time (seconds).
_SAME_WITHIN: Final = 600
#: Most ids of unreadable messages that are logged for one request.
_TOLD_EACH: Final = 20


def owners_of(settings: Settings) -> dict[str, str]:
    """Sender name in lower case → the account, where only one account may use it."""
    owners: dict[str, str | None] = {}
    for name, own in settings.accounts.items():
        for sender in {sender.casefold() for sender in (own.sender, *own.senders) if sender}:
            owners[sender] = None if sender in owners else name
    return {sender: name for sender, name in owners.items() if name is not None}


def queues_of(name: str, own: AccountSettings, *, mails: bool) -> list[str]:
    """The queues for an account's messages from phones; ``mails``: a smarthost is set."""
    queues = []
    if "smpp" in own.protocols and not _RECEIVING.isdisjoint(own.binds):
        queues.append(receivers_of(name))
    if own.incoming_to and mails:
        queues.append(MAIL)
    if own.callback_url:
        queues.append(callbacks_of(name))
    return queues


#: Carries out a command in a message from a phone; True if it was one: the account is not told of
#: commands. Raises Failure if the command cannot be carried out now.
Follow = Callable[[Incoming], Awaitable[bool]]


async def _follow_nothing(_: Incoming) -> bool:
    return False


class IncomingMessages:
    """Takes messages from phones.

    ``next_id`` gives ids of the node's sequence, ``clock`` gives Unix time. ``follow`` is called
    before a message is stored, and again if the same message comes again.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        next_id: Callable[[], int],
        *,
        clock: Callable[[], float] = time.time,
        follow: Follow = _follow_nothing,
    ) -> None:
        self._store = store
        self._follow = follow
        self._next_id = next_id
        self._clock = clock
        self.reload(settings)

    def reload(self, settings: Settings) -> None:
        """Takes over new accounts and senders."""
        self._owners = owners_of(settings)
        self._everything_else = settings.hooks.incoming
        mails = bool(settings.reports.smarthost)
        self._queues = {
            name: queues_of(name, own, mails=mails) for name, own in settings.accounts.items()
        }

    async def take(self, document: bytes) -> int:
        """Stores the messages of an incoming-message webhook; returns how many it had to skip.

        Raises Failure: BAD_PARAMETER if no element is a message, NOT_FOUND if no message belongs to
        an account, BRIDGE_FULL or OPERATION_FAILED if the store fails.
        """
        try:
            phoned, bad = decode_incoming(document)
        except NotDocumented as error:
            raise Failure(Reason.BAD_PARAMETER, str(error)) from None
        if bad:
            # With their ids: these messages are lost unless the API sends them again.
            uids = [error.id for error in bad if error.id][:_TOLD_EACH]
            log.warning("incoming_unreadable", count=len(bad), cause=str(bad[0]), uids=uids)
        now = int(self._clock())
        taken: list[tuple[Incoming, list[str]]] = []
        for one in phoned:
            account = self._owners.get(one.to.casefold(), self._everything_else)
            if account:
                incoming = self._incoming(one, account, now)
                command = await self._follow(incoming)
                taken.append((incoming, [] if command else self._queues[account]))
            else:
                log.error("incoming_unrouted", to=one.to, phone=one.phone, uid=one.uid)
        if taken:
            await self._keep(taken)
        elif phoned:
            raise Failure(
                Reason.NOT_FOUND, "no account owns this alphaName, and [hooks] incoming is not set"
            )
        elif bad:
            raise Failure(Reason.BAD_PARAMETER, str(bad[0]))
        return len(bad) + len(phoned) - len(taken)

    def _incoming(self, phoned: Phoned, account: str, now: int) -> Incoming:
        # A clock ahead of ours, or a local time without a zone, must not give a future time.
        at = now if phoned.at is None else min(phoned.at, now)
        uid = phoned.uid or _uid(phoned, now)
        return Incoming(
            self._next_id(), uid, account, phoned.phone, phoned.to, phoned.text, at, now
        )

    async def _keep(self, taken: list[tuple[Incoming, list[str]]]) -> None:
        with failing():
            new = await self._store.take_incoming(taken)
        for (incoming, queues), is_new in zip(taken, new, strict=True):
            if not is_new:
                log.info("incoming_repeated", uid=incoming.uid, account=incoming.account)
                continue
            tell = log.info if queues else log.warning
            tell(
                "incoming_taken",
                id=incoming.id,
                account=incoming.account,
                phone=incoming.phone,
                to=incoming.to,
                **({} if queues else {"effect": "only stored: the account receives no messages"}),
            )


def _uid(phoned: Phoned, now: int) -> str:
    """An id for a message without one, the same whenever the message comes."""
    at = phoned.at if phoned.at is not None else now // _SAME_WITHIN
    return sha256(repr((phoned.to, phoned.phone, phoned.text, at)).encode()).hexdigest()
