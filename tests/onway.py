"""Messages that the API has accepted, for tests of statuses, receipts and answers."""

from __future__ import annotations

from bridge.model.message import Message, State, Stored
from bridge.store import Acceptance, Change, Store


def upstream_id(id: int) -> str:
    return f"3fa85f64-5717-4562-b3fc-{id:012x}"


async def sent(store: Store, *messages: Message, poll_at: int = 0) -> None:
    """Stores messages that the API has accepted under :func:`upstream_id`."""
    await store.accept(Acceptance(messages))
    await store.begin(900, messages)
    changes = [Change(m.id, State.SENT, upstream_id(m.id), poll_at=poll_at) for m in messages]
    await store.finish(900, changes)


async def stored(store: Store, id: int) -> Stored:
    found = await store.message(id)
    assert found is not None
    return found
