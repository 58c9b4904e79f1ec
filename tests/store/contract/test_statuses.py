"""Statuses: stored, matched, polled for."""

from __future__ import annotations

import asyncio

from bridge.model.message import Receipts, State
from bridge.store import (
    Acceptance,
    Change,
    Event,
    Noted,
    Status,
    Store,
)
from tests.samples import NOW, message
from tests.store.samples import (
    CRM,
    asking,
    delivered,
    owed,
    sent,
)


async def test_a_final_status_ends_a_sent_message(store: Store) -> None:
    await sent(store, asking(1))
    noted = await store.note_statuses([delivered(1, cost="0.35", counted_parts=2)])
    assert list(noted) == [Noted.CHANGED]
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.changed_at, stored.sent_at) == (State.DELIVERED, NOW + 5, NOW)
    assert (stored.status, stored.status_at) == ("delivered", NOW + 5)
    assert (stored.cost, stored.counted_parts, stored.err) == ("0.35", 2, 0)


async def test_a_status_on_the_way_is_kept_and_changes_no_state(store: Store) -> None:
    await sent(store, asking(1))
    processing = Status("up-1", "processing", None, NOW + 1)
    assert list(await store.note_statuses([processing])) == [Noted.KEPT]
    assert list(await store.note_statuses([processing])) == [Noted.REPEATED]
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.status, stored.changed_at) == (State.SENT, "processing", NOW)
    assert await owed(store) == []


async def test_the_first_final_status_counts(store: Store) -> None:
    await sent(store, asking(1))
    words = [
        delivered(1),
        Status("up-1", "undeliverable", State.UNDELIVERABLE, NOW + 6, err=6),
        delivered(1, NOW + 7),
        Status("up-1", "processing", None, NOW + 8),
    ]
    expected = [Noted.CHANGED, Noted.LATE, Noted.REPEATED, Noted.REPEATED]
    assert list(await store.note_statuses(words)) == expected
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.status, stored.err) == (State.DELIVERED, "delivered", 0)
    story = await store.story(1)
    assert story is not None
    assert Event(NOW + 6, "status", "undeliverable") in story.events
    assert len(await owed(store)) == 1


async def test_a_later_status_may_add_cost_and_parts(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    assert list(await store.note_statuses([delivered(1, NOW + 9, cost="1.05")])) == [Noted.KEPT]
    stored = await store.message(1)
    assert stored is not None
    assert (stored.cost, stored.changed_at, stored.state) == ("1.05", NOW + 5, State.DELIVERED)


async def test_a_status_that_overtakes_the_answer_is_kept_and_matched(store: Store) -> None:
    assert list(await store.note_statuses([delivered(1), delivered(2)])) == [Noted.EARLY] * 2
    await sent(store, asking(1))
    assert await store.match_early(NOW + 6, NOW - 300) == 0
    stored = await store.message(1)
    assert stored is not None
    assert stored.state is State.DELIVERED
    assert [one.notice.known_as for one in await owed(store)] == [1]
    # The other has no message, and is deleted after a while.
    assert await store.match_early(NOW + 400, NOW + 100) == 1
    await sent(store, asking(2))
    assert await store.match_early(NOW + 400, NOW + 100) == 0
    stored = await store.message(2)
    assert stored is not None
    assert stored.state is State.SENT


async def test_a_final_status_without_a_word_is_explained(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([Status("up-1", "", State.UNDELIVERABLE, NOW + 9, err=245)])
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.err) == (State.UNDELIVERABLE, 245)
    assert stored.cause == "no status was received"


async def test_simultaneous_statuses_are_all_stored(store: Store) -> None:
    await sent(store, *(asking(id) for id in range(1, 401)))
    futures = [store.note_statuses([delivered(id)]) for id in range(1, 401)]
    assert all(noted == [Noted.CHANGED] for noted in map(list, await asyncio.gather(*futures)))
    notices = await store.claim_notices(CRM, NOW + 60, 1000)
    assert [one.notice.about for one in notices] == list(range(1, 401))


async def test_messages_with_requested_notices_are_polled_first(store: Store) -> None:
    await sent(store, *(asking(id, Receipts.NONE) for id in (1, 2)), asking(3))
    assert await store.to_poll(NOW + 29, 10) == []
    polled = await store.to_poll(NOW + 30, 2)
    assert [one.message.id for one in polled] == [3, 1]
    assert polled[0].upstream_id == "up-3"
    assert [one.message.id for one in await store.to_poll(NOW + 30, 2)] == [2]


async def test_the_message_whose_time_came_first_is_polled_first(store: Store) -> None:
    await store.accept(Acceptance(tuple(message(id) for id in (1, 2, 3))))
    for id, poll_at in ((1, NOW + 3), (2, NOW + 1), (3, NOW + 2)):
        await store.finish(0, [Change(id, State.SENT, f"up-{id}", poll_at=poll_at)])
    polled = [await store.to_poll(NOW + 3, 1) for _ in range(4)]
    assert [one.message.id for some in polled for one in some] == [2, 3, 1]


async def test_status_requests_come_at_doubling_intervals_up_to_ten_minutes(store: Store) -> None:
    await sent(store, asking(1))
    asked: list[int] = []
    for now in range(NOW, NOW + 2400, 10):
        asked += [now - NOW for _ in await store.to_poll(now, 10)]
    assert asked == [30, 60, 120, 240, 480, 960, 1560, 2160]


async def test_an_ended_message_is_not_polled(store: Store) -> None:
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    assert await store.to_poll(NOW + 90, 10) == []
