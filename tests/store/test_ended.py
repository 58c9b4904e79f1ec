"""Statuses of recently ended messages: ended here, before the store was opened, or elsewhere."""

from __future__ import annotations

import re

from bridge.model.message import State
from bridge.model.notice import receivers_of
from bridge.store import Event, Noted, Status, Store
from bridge.store.ended import LOOK_EVERY, Ended
from bridge.store.postgres import connection as pg_connection
from bridge.store.postgres import statuses as pg_statuses
from tests.samples import NOW
from tests.store.conftest import Engine
from tests.store.samples import asking, delivered, sent

UNDELIVERABLE = Status("up-1", "undeliverable", State.UNDELIVERABLE, NOW + 9, err=6)
LATE = Event(NOW + 9, "status", "undeliverable")


async def over(store: Store, now: int = NOW + 10) -> tuple[State, tuple[Event, ...], int]:
    """The state and the events of message 1 after matching early statuses, and the number of its
    owed receipts."""
    assert await store.match_early(now, now - 300) == 0
    story = await store.story(1)
    assert story is not None
    owed = await store.claim_notices(receivers_of("crm"), now, 10)
    return story.stored.state, story.events, len(owed)


def test_recently_ended_messages_are_known_and_the_oldest_forgotten() -> None:
    ended = Ended(100)
    ended.add((f"up-{id}", id) for id in range(100))
    assert ended.find(["up-0", "up-99", "unknown"]) == [0, 99]
    for id in range(100, 1000):
        ended.add([(f"up-{id}", id)])
        known = ended.find(f"up-{n}" for n in range(1000))
        assert known[-75:] == list(range(id - 74, id + 1))
        assert len(known) <= 100


def test_the_latest_messages_are_searched_at_once_and_then_at_intervals() -> None:
    ended = Ended()
    assert [ended.look(NOW + second) for second in range(LOOK_EVERY)].index(True) == 0
    assert not ended.look(NOW + LOOK_EVERY - 1)
    assert ended.look(NOW + LOOK_EVERY)
    # A clock that was set back causes no delay.
    assert ended.look(NOW - 3600)


async def ended_before_a_restart(engine: Engine) -> Store:
    """A store that was opened after a message had been delivered."""
    store = await engine.open()
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    await store.close()
    return await engine.open()


async def test_a_late_status_of_a_message_that_ended_before_a_restart_is_in_its_story(
    engine: Engine,
) -> None:
    store = await ended_before_a_restart(engine)
    assert list(await store.note_statuses([UNDELIVERABLE])) == [Noted.EARLY]
    assert await over(store) == (State.DELIVERED, (LATE,), 1)
    # From now on it is known again.
    assert list(await store.note_statuses([UNDELIVERABLE])) == [Noted.LATE]
    assert list(await store.note_statuses([delivered(1)])) == [Noted.REPEATED]


async def test_a_repeated_status_of_a_message_that_ended_before_a_restart_changes_nothing(
    engine: Engine,
) -> None:
    store = await ended_before_a_restart(engine)
    assert list(await store.note_statuses([delivered(1)])) == [Noted.EARLY]
    assert await over(store) == (State.DELIVERED, (), 1)
    assert await store.match_early(NOW + 400, NOW + 100) == 0, "it was noted, not forgotten"


async def test_a_status_of_an_unknown_message_waits_until_it_is_forgotten(engine: Engine) -> None:
    store = await engine.open()
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    await store.close()
    store = await engine.open()
    await store.note_statuses([delivered(2), UNDELIVERABLE])
    assert await over(store) == (State.DELIVERED, (LATE,), 1)
    await sent(store, asking(2))
    await store.match_early(NOW + 11, NOW - 289)
    stored = await store.message(2)
    assert stored is not None
    assert stored.state is State.DELIVERED


async def test_an_early_status_of_a_message_that_ended_meanwhile_is_noted(
    store: Store,
) -> None:
    assert list(await store.note_statuses([UNDELIVERABLE])) == [Noted.EARLY]
    await sent(store, asking(1))
    await store.note_statuses([delivered(1)])
    assert await over(store) == (State.DELIVERED, (LATE,), 1)


async def test_a_late_status_is_noted_where_its_message_ended(postgresql: Engine) -> None:
    first, second = await postgresql.open(), await postgresql.open()
    await sent(first, asking(1))
    await first.note_statuses([delivered(1)])
    # It searches the latest messages from time to time.
    await second.note_statuses([delivered(7)])
    await second.match_early(NOW + 10, 0)
    assert list(await second.note_statuses([UNDELIVERABLE])) == [Noted.EARLY]
    await second.match_early(NOW + 10, 0)
    story = await second.story(1)
    assert story is not None
    assert story.events == ()
    assert await over(first) == (State.DELIVERED, (LATE,), 1)


async def test_a_status_of_a_dead_nodes_message_is_noted_by_another_node(
    postgresql: Engine,
) -> None:
    first, second = await postgresql.open(), await postgresql.open()
    await sent(first, asking(1))
    await first.note_statuses([delivered(1)])
    await first.close()
    assert list(await second.note_statuses([UNDELIVERABLE])) == [Noted.EARLY]
    assert await over(second) == (State.DELIVERED, (LATE,), 1)


async def test_the_latest_messages_are_read_once_for_all_early_statuses(
    postgresql: Engine, database: str
) -> None:
    store = await postgresql.open()
    await sent(store, *(asking(id) for id in range(1, 200)))
    await store.note_statuses([delivered(id) for id in range(500, 700)])
    connection = await pg_connection.connect(database)
    try:
        await connection.execute("VACUUM ANALYZE")
        rows = await connection.fetch(f"EXPLAIN {pg_statuses._ENDED_LATELY}")
    finally:
        await connection.close()
    plan = "\n".join(row[0] for row in rows)
    assert "Index Scan Backward using message_pkey" in plan
    assert "hashed SubPlan" in plan
    assert not re.search("Nested Loop|Seq Scan", plan)
