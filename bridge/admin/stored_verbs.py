"""The verbs that only read the store: also where no daemon runs, on a store opened for reading."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from pydantic import Field

from bridge.admin.answers import Hold, QueuedMessage, QueueLine, QueueList
from bridge.admin.queue_filter import QueueFilter
from bridge.config.settings import Settings
from bridge.model.message import Stored
from bridge.store import Store
from bridge.store.operating.queue import count_selected, group_queue, list_selected

Limit = Annotated[int, Field(ge=1, le=1000)]
#: Everything.
ALL = QueueFilter()


def at(unix_time: int) -> datetime:
    """A Unix time of the store, with its zone."""
    return datetime.fromtimestamp(unix_time, UTC)


class StoredVerbs:
    """Answers out of the store alone."""

    def __init__(self, settings: Settings, store: Store) -> None:
        self.settings = settings
        self._store = store

    async def list_holds(self) -> list[Hold]:
        """Accounts and upstreams that are held as a whole."""
        return [Hold(scope, name) for scope, name in sorted(await self._store.holds())]

    async def list_queue(self, *, filter: QueueFilter = ALL, limit: Limit = 100) -> QueueList:
        """What waits or is held, counted by state, account, type, sender and reason."""
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
        """The newest messages that wait or are held."""
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
