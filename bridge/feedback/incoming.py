"""Messages from phones: which account each belongs to, and into which queues its notices go.

A sender name that phones answer to belongs to the one account that may use it; what belongs to
nobody goes to the account named in ``[hooks] incoming``, or is refused, so that nothing is lost
without a word. How they reach the account is for the listeners and the report mails.
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
from bridge.store import Store, StoreError

log = structlog.get_logger()

#: Ways to bind in which a session receives.
_RECEIVING: Final = frozenset({"receiver", "transceiver"})
#: One without an id and a time of its own is the same as another if it comes within this (seconds).
_SAME_WITHIN: Final = 600
#: So many of one request that cannot be read are told by their ids.
_TOLD_EACH: Final = 20


def owners_of(settings: Settings) -> dict[str, str]:
    """Sender name, in small letters → the one account that may use it."""
    owners: dict[str, str | None] = {}
    for name, own in settings.accounts.items():
        for sender in {sender.casefold() for sender in (own.sender, *own.senders) if sender}:
            owners[sender] = None if sender in owners else name
    return {sender: name for sender, name in owners.items() if name is not None}


def queues_of(name: str, own: AccountSettings, *, mails: bool) -> list[str]:
    """Where an account hears of messages from phones; ``mails`` says whether any are sent."""
    queues = []
    if "smpp" in own.protocols and not _RECEIVING.isdisjoint(own.binds):
        queues.append(receivers_of(name))
    if own.incoming_to and mails:
        queues.append(MAIL)
    if own.callback_url:
        queues.append(callbacks_of(name))
    return queues


#: Does what a message from a phone asks for; True where it was a command, which is nobody's to
#: read. Raises Failure where that cannot be done now.
Follow = Callable[[Incoming], Awaitable[bool]]


async def _follow_nothing(_: Incoming) -> bool:
    return False


class IncomingMessages:
    """Takes messages from phones.

    ``next_id`` gives ids of the one sequence, ``clock`` the time. ``follow`` is asked before a
    message is stored, and again for one that comes again.
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
        """Other accounts and senders from now on."""
        self._owners = owners_of(settings)
        self._everything_else = settings.hooks.incoming
        mails = bool(settings.reports.smarthost)
        self._queues = {
            name: queues_of(name, own, mails=mails) for name, own in settings.accounts.items()
        }

    async def take(self, document: bytes) -> int:
        """Stores what an incoming-message webhook brought; tells how many elements it could not.

        Raises Failure: BAD_PARAMETER where nothing in it is a message, NOT_FOUND where none of
        them belongs to an account, BRIDGE_FULL or OPERATION_FAILED where the store could not
        keep them.
        """
        try:
            phoned, bad = decode_incoming(document)
        except NotDocumented as error:
            raise Failure(Reason.BAD_PARAMETER, str(error)) from None
        if bad:
            # Each by its id: these are lost unless they come again in another form.
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
                Reason.NOT_FOUND, "no account has this alphaName, nor is one named for it"
            )
        elif bad:
            raise Failure(Reason.BAD_PARAMETER, str(bad[0]))
        return len(bad) + len(phoned) - len(taken)

    def _incoming(self, phoned: Phoned, account: str, now: int) -> Incoming:
        # A clock ahead of ours, or a local time without its zone, is no message from the future.
        at = now if phoned.at is None else min(phoned.at, now)
        uid = phoned.uid or _uid(phoned, now)
        return Incoming(
            self._next_id(), uid, account, phoned.phone, phoned.to, phoned.text, at, now
        )

    async def _keep(self, taken: list[tuple[Incoming, list[str]]]) -> None:
        try:
            new = await self._store.take_incoming(taken)
        except StoreError as error:
            raise error.failure from error
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
                **({} if queues else {"effect": "only stored: the account has no way to hear"}),
            )


def _uid(phoned: Phoned, now: int) -> str:
    """A name for a message that the provider gave none, the same if it comes again."""
    at = phoned.at if phoned.at is not None else now // _SAME_WITHIN
    return sha256(repr((phoned.to, phoned.phone, phoned.text, at)).encode()).hexdigest()
