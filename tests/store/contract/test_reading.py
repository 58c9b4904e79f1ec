"""Reading: stories, searches, and reading while a daemon has the store open."""

from __future__ import annotations

from bridge.model.message import State
from bridge.model.notice import MAIL, Told
from bridge.store import (
    Acceptance,
    Alias,
    Change,
    Event,
    Lane,
    Store,
)
from tests.samples import NOW
from tests.store.conftest import Clock, Engine
from tests.store.samples import (
    BOTH,
    CRM,
    asking,
    incoming,
    owed,
    replacement,
    sent,
)


async def test_a_message_from_a_phone_is_found_with_its_taker(store: Store) -> None:
    await store.take_incoming([(incoming(50), [CRM]), (incoming(51, "uid-2", "\0"), [CRM, MAIL])])
    [one, _] = await owed(store)
    await store.told([Told(one.notice.id, True, "taken by 10.0.0.1:2345")])
    found = await store.from_phones("+380501234567", 10)
    assert [answer.incoming for answer in found] == [incoming(51, "uid-2", "\0"), incoming(50)]
    assert [len(answer.notices) for answer in found] == [2, 1]
    assert found[1].notices[0].outcome == "taken by 10.0.0.1:2345"
    assert [answer.incoming.id for answer in await store.from_phones("50", 10)] == [50]
    assert [answer.incoming.id for answer in await store.from_phones("uid-2", 10)] == [51]
    assert await store.from_phones("+380501234567", 10, NOW + 400 * 86400) == []


async def test_a_story_has_every_attempt_in_order(store: Store, clock: Clock) -> None:
    await store.accept(Acceptance((asking(1),), aliases=(Alias(9, 1, BOTH),)))
    await store.begin(900, [asking(1)])
    under_way = await store.story(1)
    assert under_way is not None
    assert under_way.attempt_at == NOW
    again = Change(1, State.ACCEPTED, due_at=NOW, attempts=1, cause="HTTP 503")
    await store.finish(900, [again])
    # Any node may send it now; this one does.
    await store.waiting(Lane("crm", 4, "async"), NOW, 10)
    clock.now = NOW + 2
    await store.finish(0, [Change(1, State.SENT, "up-1")])
    story = await store.story(9)
    assert story is not None
    assert story.aliases == (Alias(9, 1, BOTH),)
    assert story.events == (Event(NOW, "accepted", "HTTP 503"),)
    assert (story.stored.sent_at, story.stored.upstream_id) == (NOW + 2, "up-1")
    assert story.attempt_at == 0
    assert await store.story(77) is None


async def test_moves_of_a_message_are_in_its_story(store: Store) -> None:
    await store.accept(Acceptance((asking(1),), claimed=False))
    await store.move([1], State.HELD)
    await store.move([1], State.ACCEPTED)
    await store.replace(replacement(1))
    story = await store.story(1)
    assert story is not None
    assert [event.what for event in story.events] == ["held", "accepted", "replaced"]


async def test_messages_are_found_by_phone_reference_and_upstream_id(store: Store) -> None:
    await sent(store, *(asking(id, reference=f"order-{id}") for id in (1, 2, 3)))
    phone = asking(1).phone
    assert [one.message.id for one in await store.find(phone, 2)] == [3, 2]
    assert [one.message.id for one in await store.find("order-2", 10)] == [2]
    assert [one.message.id for one in await store.find("up-1", 10)] == [1]
    assert await store.find("", 10) == []


async def test_the_time_of_the_last_bind_or_unbind_is_stored(store: Store, clock: Clock) -> None:
    assert await store.receivers("crm") == []
    await store.note_receivers("crm", True)
    clock.now = NOW + 60
    await store.note_receivers("crm", False)
    [found] = await store.receivers("crm")
    assert (found.bound, found.since) == (False, NOW + 60)


async def test_a_store_can_be_read_beside_the_daemon(engine: Engine) -> None:
    store = await engine.open()
    await sent(store, asking(1))
    reading = await engine.open_reading()
    stored = await reading.message(1)
    assert stored is not None
    assert stored.state is State.SENT
