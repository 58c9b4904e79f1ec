"""The filter of the queue's verbs, as requests give it."""

from __future__ import annotations

from dataclasses import dataclass, fields
from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from bridge.model.message import MessageType, State
from bridge.model.selection import Selection

#: An id as the store has them.
StoredId = Annotated[int, Field(ge=0, lt=1 << 63)]


@dataclass(frozen=True, slots=True)
class QueueFilter:
    """Messages that meet all given conditions.

    ``id`` is a message's or a submission's. ``phone`` is a number (E.164), or a prefix followed by
    ``*``. ``reason`` is a failure's name (``WRONG_PHONE``), or a part of its text. ``since`` and
    ``until`` are times of acceptance.
    """

    id: StoredId = 0
    account: str = ""
    state: Literal["", "accepted", "held"] = ""
    type: Literal["", "transaction", "promo", "viber_survey", "flashcall"] = ""
    sender: str = ""
    phone: str = ""
    reason: str = ""
    since: datetime | None = None
    until: datetime | None = None

    @property
    def chooses(self) -> bool:
        """Whether it has any condition."""
        return any(getattr(self, field.name) for field in fields(self))

    def selection(self) -> Selection:
        """The filter in the store's vocabulary."""
        return Selection(
            self.id,
            self.account,
            State(self.state) if self.state else None,
            MessageType(self.type) if self.type else None,
            self.sender,
            self.phone,
            self.reason,
            int(self.since.timestamp()) if self.since else 0,
            int(self.until.timestamp()) if self.until else 0,
        )
