"""A store with waiting and held messages of two accounts."""

from __future__ import annotations

from bridge.model.message import MessageType, State
from bridge.store import Acceptance, Change, Store
from tests.samples import NOW, message


async def fill(store: Store) -> None:
    """Stores messages 101 to 103, which wait, and 104, which is held after a refusal."""
    messages = [
        message(101, account="crm", phone="+380501234567"),
        message(102, account="crm", phone="+380671234567", message_type=MessageType.PROMO),
        message(103, account="erp", phone="+380501234568", accepted_at=NOW - 3600),
        message(104, account="erp", phone="+380501234569", sender="Other"),
    ]
    for one in messages:
        await store.accept(Acceptance((one,)))
    await store.begin(9001, [messages[3]])
    await store.finish(9001, [Change(104, State.HELD, failure="REFUSED", cause="HTTP 403 Denied")])
