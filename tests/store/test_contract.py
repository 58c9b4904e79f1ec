"""What every engine of the store promises (bridge.store.Store), run on each."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.message import MessageType, Protocol, Receipts, Route, State
from bridge.store import Acceptance, Change, Fingerprint, Lane, Store
from bridge.store.sqlite import SqliteStore
from tests.samples import NOW, message

LANE = Lane("crm", 4, "async")


class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def store(tmp_path: Path, clock: Clock) -> AsyncIterator[Store]:
    store = SqliteStore(tmp_path / "bridge.db", clock=clock)
    await store.open()
    yield store
    await store.close()


async def test_an_accepted_message_comes_back_whole(store: Store) -> None:
    original = message(
        7,
        protocol=Protocol.SMTP,
        peer="10.1.2.3",
        message_type=MessageType.VIBER_SURVEY,
        text="Привіт 👋\n\0",
        options=("Так", "Ні"),
        fallback="fallback",
        route=Route.TG_VIBER,
        level=3,
        parts=2,
        scheduled_at=NOW + 60,
        receipts=Receipts.SUCCESS | Receipts.INTERMEDIATE,
        reference="order-1",
        attempts=2,
        unknown=1,
    )
    await store.accept(Acceptance((original,)))
    stored = await store.message(7)
    assert stored is not None
    assert stored.message == original
    assert stored.state is State.ACCEPTED
    assert await store.waiting(Lane("crm", 3, "tg-viber"), NOW, 10) == [original]


async def test_a_submission_leads_to_its_messages(store: Store) -> None:
    await store.accept(Acceptance(tuple(message(id, submission_id=1) for id in (2, 3, 4))))
    await store.accept(Acceptance((message(5),)))
    assert [one.message.id for one in await store.submission(1)] == [2, 3, 4]
    assert [one.message.id for one in await store.submission(5)] == [5]
    assert await store.submission(2) == []
    assert await store.message(1) is None


async def test_many_at_once_are_all_there_in_order(store: Store) -> None:
    futures = [store.accept(Acceptance((message(id),))) for id in range(1, 1001)]
    await asyncio.gather(*futures)
    waiting = await store.waiting(LANE, NOW, 2000)
    assert [one.id for one in waiting] == list(range(1, 1001))
    assert await store.backlog() == 1000


async def test_what_was_sent_no_longer_waits(store: Store) -> None:
    await store.accept(Acceptance((message(1),)))
    await store.accept(Acceptance((message(2),)))
    await store.begin(9, [message(1)])
    await store.finish(9, [Change(1, State.SENT, "an-upstream-id")])
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [2]
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.upstream_id) == (State.SENT, "an-upstream-id")
    assert stored.changed_at == NOW
    assert await store.interrupted() == {}


async def test_an_attempt_that_never_ended_is_found(store: Store) -> None:
    messages = [message(id) for id in (1, 2, 3)]
    await store.accept(Acceptance(tuple(messages)))
    await store.begin(8, messages[:2])
    await store.begin(9, messages[2:])
    assert await store.interrupted() == {8: messages[:2], 9: messages[2:]}


async def test_a_message_to_be_sent_again_waits_until_it_is_due(store: Store) -> None:
    await store.accept(Acceptance((message(1),)))
    change = Change(1, State.ACCEPTED, due_at=NOW + 30, attempts=1, unknown=1, cause="HTTP 503")
    await store.finish(0, [change])
    assert await store.waiting(LANE, NOW + 29, 10) == []
    [again] = await store.waiting(LANE, NOW + 30, 10)
    assert again == message(1)._replace(due_at=NOW + 30, attempts=1, unknown=1)
    assert await store.next_due(NOW) == NOW + 30
    assert await store.next_due(NOW + 30) is None


async def test_a_refused_message_keeps_the_reason(store: Store) -> None:
    await store.accept(Acceptance((message(1),)))
    await store.finish(0, [Change(1, State.REJECTED, failure="WRONG_PHONE", cause="1003 bad")])
    stored = await store.message(1)
    assert stored is not None
    assert (stored.state, stored.failure, stored.cause) == (
        State.REJECTED,
        "WRONG_PHONE",
        "1003 bad",
    )


async def test_what_is_due_first_goes_first(store: Store) -> None:
    due = {1: NOW - 1, 2: NOW - 3, 3: NOW - 2, 4: NOW + 1}
    for id, at in due.items():
        await store.accept(Acceptance((message(id, due_at=at),)))
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [2, 3, 1]
    assert [one.id for one in await store.waiting(LANE, NOW, 2)] == [2, 3]


async def test_lanes_are_those_in_which_something_waits(store: Store) -> None:
    wanted = [
        Lane("a", 0, "async"),
        Lane("a", 7, "async"),
        Lane("b", 4, "async"),
        Lane("b", 4, "tg-viber"),
    ]
    for id, (name, level, route) in enumerate(wanted * 3, 1):
        await store.accept(
            Acceptance((message(id, account=name, level=level, route=Route(route)),))
        )
    assert await store.lanes() == wanted
    await store.finish(0, [Change(id, State.SENT, "x") for id in (1, 5, 9)])
    assert await store.lanes() == wanted[1:]


async def test_a_known_fingerprint_is_not_stored_again(store: Store, clock: Clock) -> None:
    def again(id: int, key: bytes) -> asyncio.Future[object]:
        prints = (Fingerprint(key, id, NOW + 3600),)
        return store.accept(Acceptance((message(id),), prints))  # type: ignore[return-value]

    # in one group, and over groups
    first, second = again(1, b"one"), again(2, b"one")
    assert await first == {}
    assert await second == {b"one": 1}
    assert await again(3, b"one") == {b"one": 1}
    assert await again(4, b"other") == {}
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [1, 4]
    clock.now = NOW + 3600
    assert await again(5, b"one") == {}


async def test_only_the_repeated_messages_of_a_submission_are_left_out(store: Store) -> None:
    await store.accept(Acceptance((message(1),), (Fingerprint(b"one", 1, NOW + 60),)))
    both = tuple(message(id, submission_id=2) for id in (3, 4))
    prints = (Fingerprint(b"one", 3, NOW + 60), Fingerprint(b"two", 4, NOW + 60))
    assert await store.accept(Acceptance(both, prints)) == {b"one": 1}
    assert [one.message.id for one in await store.submission(2)] == [4]


async def test_fingerprints_are_forgotten_when_their_time_has_passed(
    store: Store, clock: Clock
) -> None:
    for id in range(1, 2501):
        store.accept(Acceptance((message(id),), (Fingerprint(b"%d" % id, id, NOW + (id > 2000)),)))
    await store.forget_fingerprints(NOW)
    clock.now = NOW - 1
    assert (
        await store.accept(Acceptance((message(9001),), (Fingerprint(b"1", 9001, NOW + 60),))) == {}
    )
    assert await store.accept(
        Acceptance((message(9002),), (Fingerprint(b"2400", 9002, NOW + 60),))
    ) == {b"2400": 2400}


async def test_messages_of_an_account_are_counted_by_day(store: Store) -> None:
    from bridge.ids import first_id

    ids = [first_id(NOW - 1), first_id(NOW), first_id(NOW) + 1]
    for id in ids:
        await store.accept(Acceptance((message(id),)))
    await store.accept(Acceptance((message(first_id(NOW) + 9, account="other"),)))
    assert await store.sent_since("crm", NOW) == 2
