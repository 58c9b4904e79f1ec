"""Groups among the recipients that ``explain`` is asked about, read from the store."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bridge.accounts.accounts import Account
from bridge.cli import Stop
from bridge.cli.stored import reading
from bridge.cli.tables import counted
from bridge.config.settings import Settings
from bridge.directory.directory import Directory
from bridge.model.contact import Group
from bridge.model.failure import Failure, Reason
from bridge.model.message import Recipient, Submission
from bridge.relay.group_recipients import plan_of
from bridge.store.directory.groups import member_phones


class StoredGroups:
    """The groups of the configured store, with or without a daemon."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings

    def find(self, account: Account, address: str) -> Group:
        """The group with this address; raises Failure (nothing found), also without a store."""

        async def find() -> Group:
            async with self._directory() as directory:
                return directory.groups.find(account.name, address)

        return asyncio.run(find())

    def expanded(self, account: Account, submission: Submission, now: float) -> Submission:
        """The submission with the options and the numbers of its groups.

        A send-out to many numbers has the first of them.
        """

        async def expand() -> Submission:
            async with self._directory() as directory:
                plan = await plan_of(directory, account, submission, now)
                if plan.phones is not None:
                    return plan.submission
                phones = await directory.look_up(member_phones, account.name, plan.groups, limit=1)
                recipients = (*map(Recipient, phones), *plan.beside)
                return plan.submission._replace(recipients=recipients[:1])

        return asyncio.run(expand())

    @asynccontextmanager
    async def _directory(self) -> AsyncIterator[Directory]:
        try:
            async with reading(self._settings) as store:
                directory = Directory(store)
                await directory.groups.refresh()
                yield directory
        except Stop:
            raise Failure(Reason.NOT_FOUND, "no groups: the store cannot be read") from None


def described(group: Group) -> str:
    """The group in words, with its options."""
    number = f" (g{group.number})" if group.number is not None else ""
    words = [f"the group {group.name}{number} of {counted(group.size, 'contact')}"]
    if group.hours:
        words.append(f"messages only at {group.hours} o'clock")
    if group.max_parts:
        words.append(f"at most {group.max_parts} SMS")
    return ", ".join(words)
