"""Builds the SMSC dialect: the listener with every operation."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable
from typing import Protocol

from bridge.accounts.accounts import Account
from bridge.config.settings import Settings
from bridge.directory.directory import Directory
from bridge.directory.verbs import member_phones
from bridge.smsc.call import Operation
from bridge.smsc.jobs import Cancelling, Jobs
from bridge.smsc.listener import SmscAuthenticator, SmscListener
from bridge.smsc.others import Answers, Balance, senders
from bridge.smsc.phones import Phones, Templates
from bridge.smsc.send import Sending
from bridge.smsc.status import Messages, StatusOf

#: Calls with the limit of three identical ones in a minute.
LIMITED = frozenset({"phones.php", "templates.php", "senders.php", "jobs.php"})
_PAGE = 1000
_DIGITS = 0x7FFF_FFFF


class Relaying(Cancelling, Messages, Protocol):
    """The part of :class:`bridge.relay.relay.Relay` that the operations use."""


class ShortIds:
    """Ids of at most 31 bits for submissions without a client's id.

    They follow the clock in steps of 1/256 s and repeat after three months: a query names number
    and id, and finds the newest message.
    """

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._last = 0

    def next(self) -> int:
        """A new id."""
        self._last = max(self._last + 1, int(self._clock() * 256))
        return self._last & _DIGITS or self.next()


def smsc_listener(
    settings: Settings,
    accounts: SmscAuthenticator,
    relay: Relaying,
    directory: Directory,
) -> SmscListener:
    """The listener with all its operations."""
    ids = ShortIds()

    async def group(account: Account, address: str) -> AsyncIterator[str]:
        after, id = "", directory.groups.find(account.name, address).id
        while page := await directory.look_up(
            member_phones, account.name, [id], after=after, limit=_PAGE
        ):
            for phone in page:
                yield phone
            after = page[-1]

    sending = Sending(
        relay,
        lambda: listener.settings.prices,
        lambda: listener.settings.balance,
        ids.next,
        directory,
        group,
    )
    operations: dict[str, Operation] = {
        "send.php": sending,
        "status.php": StatusOf(relay),
        "balance.php": Balance(sending.balance_of),
        "phones.php": Phones(directory),
        "templates.php": Templates(directory),
        "senders.php": senders,
        "jobs.php": Jobs(relay, directory, ids.next),
        "get.php": Answers(directory),
    }
    listener = SmscListener(settings.smsc, accounts, directory, operations, LIMITED)
    return listener
