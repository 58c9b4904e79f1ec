"""The verbs that only read the store; they work without a daemon too, on a store opened for
reading."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Final

from pydantic import Field

from bridge.admin.answers import (
    FailedMessage,
    FailureList,
    FailuresShown,
    Hold,
    PhoneStory,
    QueuedMessage,
    QueueLine,
    QueueList,
    RefusalShown,
)
from bridge.admin.queue_filter import QueueFilter
from bridge.admin.stored_directory import StoredDirectory
from bridge.config.settings import Settings
from bridge.model.failure import Failure, Reason
from bridge.model.message import Stored
from bridge.store import Store
from bridge.store.directory.black_list import list_black_list
from bridge.store.operating.failures import group_failures, newest_failures
from bridge.store.operating.queue import count_selected, group_queue, list_selected
from bridge.store.operating.refusals import find_refusals
from bridge.store.operating.report import AccountReport, report
from bridge.trace.finding import (
    around_of,
    by_id,
    by_name,
    from_phones,
    names_of,
    story_of,
    utc,
)
from bridge.trace.story import document, incoming_document

#: Most messages of a submission in one answer.
MOST_TOLD: Final = 1000

Limit = Annotated[int, Field(ge=1, le=1000)]
#: Selects all messages.
ALL = QueueFilter()


def at(unix_time: int) -> datetime:
    """A Unix time of the store as a time with a zone."""
    return datetime.fromtimestamp(unix_time, UTC)


class StoredVerbs(StoredDirectory):
    """The verbs that need only the store."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self._store = store

    async def list_holds(self) -> list[Hold]:
        """List the holds of whole accounts and upstreams."""
        return [Hold(scope, name) for scope, name in sorted(await self._store.holds())]

    async def list_refusals(
        self,
        *,
        phone: str = "",
        account: str = "",
        kind: str = "",
        since: datetime | None = None,
        limit: Limit = 100,
    ) -> list[RefusalShown]:
        """List recent refusals: submissions, recipients, mails, binds, logins, webhooks."""
        regions = {own.region for own in self.settings.accounts.values()}
        found = await self._store.look_up(
            find_refusals,
            sorted(names_of(phone, regions)) if phone else [],
            account,
            kind,
            int(since.timestamp()) if since else 0,
            limit,
        )
        return [RefusalShown(at(one.at), *one[1:]) for one in found]

    async def report(
        self, *, begin: datetime, end: datetime, account: str = ""
    ) -> list[AccountReport]:
        """Report each account's messages accepted from ``begin`` up to ``end``, by result."""
        return await self._store.look_up(
            report, int(begin.timestamp()), int(end.timestamp()), account
        )

    async def find_messages(
        self, *, text: str, since: datetime | None = None, limit: Limit = 20
    ) -> list[dict[str, Any]]:
        """Find messages by any id, phone, reference or Message-ID, in the form of a trace."""
        regions = {own.region for own in self.settings.accounts.values()}
        found = list(reversed(await by_id(self._store, text)))
        if not found:
            after = int(since.timestamp()) if since else 0
            found = await by_name(self._store, text, regions, limit, after)
        return [await self._document(one) for one in found[:limit]]

    async def show_message(self, *, id: str) -> list[dict[str, Any]]:
        """Show a message, or those of a submission, in the form of ``trace --json``."""
        found = await by_id(self._store, id)
        if not found:
            raise Failure(Reason.NOT_FOUND, f"no message {id}")
        return [await self._document(one) for one in found[:MOST_TOLD]]

    async def show_phone(self, *, phone: str, limit: Limit = 50) -> PhoneStory:
        """Show a number: messages to it and from it, refusals, black lists; the newest first."""
        regions = {own.region for own in self.settings.accounts.values()}
        names = sorted(names_of(phone, regions), key=lambda name: not name.startswith("+"))
        incoming = []
        for one in await from_phones(self._store, phone, regions, limit, 0):
            around = await around_of(self.settings, self._store, one.incoming.account, utc)
            incoming.append(incoming_document(one, around, text=False))
        black_listed = {
            account: entry.blocks.name.lower()
            for account in self.settings.accounts
            for name in names
            for entry in await self._store.look_up(list_black_list, account, phone=name, limit=1)
        }
        sent = await by_name(self._store, phone, regions, limit, 0)
        return PhoneStory(
            names[0],
            [await self._document(one) for one in sent],
            incoming,
            await self.list_refusals(phone=phone, limit=limit),
            black_listed,
        )

    async def list_failures(
        self,
        *,
        account: str = "",
        reason: str = "",
        since: datetime | None = None,
        limit: Limit = 20,
    ) -> FailureList:
        """List failed messages of the last day, or since then: by reason, and the newest."""
        since = since or datetime.now(UTC) - timedelta(days=1)
        after = int(since.timestamp())
        groups = await self._store.look_up(group_failures, after, account, 100)
        newest = await self._store.look_up(newest_failures, after, account, reason, limit)
        return FailureList(
            [FailuresShown(*group) for group in groups],
            [
                FailedMessage(
                    one.message.id,
                    one.message.account,
                    one.state.value,
                    one.message.phone,
                    one.message.sender,
                    at(one.message.accepted_at),
                    one.failure or one.status or one.state.value,
                    one.cause,
                )
                for one in newest
            ],
        )

    async def _document(self, stored: Stored, *, text: bool = False) -> dict[str, Any]:
        story = await story_of(self._store, stored)
        around = await around_of(
            self.settings, self._store, stored.message.account, utc, self._troubles()
        )
        return document(story, around, text=text)

    def _troubles(self) -> dict[str, str]:
        """Upstreams that take no messages, with the reason; unknown without a daemon."""
        return {}

    async def list_queue(self, *, filter: QueueFilter = ALL, limit: Limit = 100) -> QueueList:
        """Count waiting and held messages by state, account, type, sender and reason."""
        selection = filter.selection()
        groups = await self._store.look_up(group_queue, selection, limit)
        lines = [
            QueueLine(*group[:7], at(group.oldest), at(group.newest), group.example)
            for group in groups
        ]
        return QueueList(await self._store.look_up(count_selected, selection), lines)

    async def show_queue(
        self, *, filter: QueueFilter = ALL, limit: Limit = 20
    ) -> list[QueuedMessage]:
        """List the newest waiting and held messages."""
        found = await self._store.look_up(list_selected, filter.selection(), limit)
        return [_queued(stored) for stored in found]


def _queued(stored: Stored) -> QueuedMessage:
    message = stored.message
    return QueuedMessage(
        message.id,
        message.submission_id,
        message.account,
        stored.state.value,
        message.message_type.value,
        message.phone,
        message.sender,
        at(message.accepted_at),
        at(message.due_at),
        at(message.expires_at),
        message.attempts,
        message.unknown,
        stored.failure,
        stored.cause,
    )
