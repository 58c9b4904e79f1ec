"""The engine: opening, and values that PostgreSQL cannot hold."""

from __future__ import annotations

import asyncio

import pytest

from bridge.model.message import State
from bridge.model.notice import Kind, Notice, Told
from bridge.store import Acceptance, Change, Event, Status, StoreError
from bridge.store.postgres.engine import PostgresStore
from tests.samples import NOW, message
from tests.store.conftest import Clock, Engine
from tests.store.samples import BOTH, CRM, LANE


async def test_a_database_that_is_not_there_is_named_without_the_password() -> None:
    store = PostgresStore("postgresql://me:hunter2@127.0.0.1:1/bridge")
    with pytest.raises(StoreError, match=r"postgresql://me@127.0.0.1:1/bridge") as caught:
        await store.open()
    assert "hunter2" not in str(caught.value)
    await store.close()


async def test_a_store_that_is_not_open_refuses_every_verb(database: str) -> None:
    store = PostgresStore(database)
    with pytest.raises(StoreError, match="not open"):
        store.accept(Acceptance((message(1),)))
    with pytest.raises(StoreError, match="not open"):
        await store.lanes()
    await store.close()


async def test_a_message_with_a_nul_comes_back_whole(postgresql: Engine) -> None:
    store = await postgresql.open()
    strange = "\0 and \ue000 and \ue0000"
    original = message(1, text=strange, reference=strange, options=(strange, "x"), sender="\ue0000")
    await store.accept(Acceptance((original, message(2))))
    assert await store.waiting(LANE, NOW, 10) == [original, message(2)]
    await store.finish(0, [Change(1, State.SENT, strange)])
    await store.finish(0, [Change(2, State.REJECTED, failure="REFUSED", cause=strange)])
    first, second = await store.message(1), await store.message(2)
    assert first is not None
    assert second is not None
    assert (first.upstream_id, second.cause) == (strange, strange)


async def test_texts_with_a_nul_come_back_from_every_table(
    postgresql: Engine,
) -> None:
    store = await postgresql.open()
    strange = "\0 and \ue000"
    await store.accept(Acceptance((message(1, receipts=BOTH),)))
    await store.finish(0, [Change(1, State.SENT, strange)])
    await store.note_statuses([Status(strange, strange, None, NOW, strange)])
    await store.note_statuses([Status(strange, "delivered", State.DELIVERED, NOW)])
    await store.note_statuses([Status(strange, strange, State.EXPIRED, NOW)])
    [one] = await store.claim_notices(CRM, NOW, 10)
    assert one.stored is not None
    assert (one.stored.upstream_id, one.stored.cost) == (strange, strange)
    await store.told([Told(one.notice.id, True, strange)])
    await store.owe([Notice(CRM, "crm", Kind.REFUSED, 0, 1, NOW, NOW, content=strange)])
    [refused] = await store.claim_notices(CRM, NOW, 10)
    assert refused.notice.content == strange
    story = await store.story(1)
    assert story is not None
    assert story.events == (Event(NOW, "status", strange),)
    assert story.notices[0].outcome == strange
    assert [one.message.id for one in await store.find(strange, 10)] == [1]


async def test_an_envelope_with_a_nul_is_blanked(postgresql: Engine, clock: Clock) -> None:
    store = await postgresql.open()
    envelope = '{"return_path":"a@b.example","subject":"\\u0000"}'
    await store.accept(Acceptance((message(1, envelope=envelope),)))
    await store.finish(0, [Change(1, State.REJECTED)])
    clock.now = NOW + 86400
    await store.sweep(NOW, NOW + 3600, 10)
    stored = await store.message(1)
    assert stored is not None
    assert (stored.message.text, stored.message.envelope) == ("", '{"return_path":"a@b.example"}')


@pytest.mark.parametrize("others", [0, 50])
async def test_a_value_that_cannot_be_stored_fails_its_own_request_alone(
    postgresql: Engine, others: int
) -> None:
    store = await postgresql.open()
    results = await asyncio.gather(
        store.accept(Acceptance((message(1),))),
        store.accept(Acceptance((message(2, reference="half a pair: \ud83d"),))),
        store.accept(Acceptance((message(3, expires_at=10**30),))),
        store.accept(Acceptance((message(1),))),
        store.finish(0, [Change(1, State.REJECTED, cause="half a pair: \ud83d")]),
        *(store.accept(Acceptance((message(4 + n),))) for n in range(others)),
        return_exceptions=True,
    )
    failed = [isinstance(result, StoreError) for result in results]
    assert failed == [False, True, True, True, True, *[False] * others]
    assert await store.backlog() == 1 + others
