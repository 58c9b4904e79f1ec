"""Messages, parts and statuses for tests of the store."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bridge.model.message import Message, Protocol, Receipts, State
from bridge.model.notice import Incoming, Owed, receivers_of
from bridge.store import (
    Acceptance,
    Alias,
    Change,
    Lane,
    Part,
    PartGroup,
    Replacement,
    Status,
    Store,
)
from tests.samples import NOW, message

LANE = Lane("crm", 4, "async")
BOTH = Receipts.SUCCESS | Receipts.FAILURE
CRM = receivers_of("crm")
GROUP = PartGroup("crm", "Shop", "+380501234567", 77, 3)


def asking(id: int, receipts: Receipts = BOTH, **others: Any) -> Message:
    values: dict[str, Any] = {"protocol": Protocol.SMPP, "receipts": receipts} | others
    return message(id, **values)


async def sent(store: Store, *messages: Message, aliases: Sequence[Alias] = ()) -> None:
    """Stores a message that the API has accepted as ``up-<id>``."""
    for one in messages:
        mine = tuple(alias for alias in aliases if alias.message_id == one.id)
        await store.accept(Acceptance((one,), aliases=mine))
    await store.begin(900, messages)
    changes = [Change(m.id, State.SENT, f"up-{m.id}", poll_at=NOW + 30) for m in messages]
    await store.finish(900, changes)


def delivered(id: int, at: int = NOW + 5, **others: object) -> Status:
    return Status(f"up-{id}", "delivered", State.DELIVERED, at, **others)  # type: ignore[arg-type]


async def owed(store: Store, queue: str = CRM, now: int = NOW + 60) -> list[Owed]:
    return list(await store.claim_notices(queue, now, 100))


def part(id: int, number: int, content: bytes = b"", group: PartGroup = GROUP) -> Part:
    return Part(id, group, number, content or b"part %d" % number, 1, NOW)


def incoming(id: int, uid: str = "uid-1", text: str = "Так, дякую") -> Incoming:
    return Incoming(id, uid, "crm", "+380501234567", "Shop", text, NOW - 1, NOW)


def replacement(id: int, text: str = "new", **others: Any) -> Replacement:
    values: dict[str, Any] = {"fallback": "", "parts": 1, "receipts": Receipts.NONE} | others
    return Replacement(id, text, **values)
