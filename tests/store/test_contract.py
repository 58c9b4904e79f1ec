"""What every engine of the store promises (bridge.store.Store), run on each."""

from __future__ import annotations

import asyncio

from bridge.model.message import MessageType, Protocol, Receipts, Route, State
from bridge.store import (
    Acceptance,
    Alias,
    Change,
    Fingerprint,
    Gathered,
    Lane,
    Part,
    PartGroup,
    Store,
)
from tests.samples import NOW, message
from tests.store.conftest import Clock, Engine

LANE = Lane("crm", 4, "async")


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


async def test_an_attempt_that_never_ended_is_found_later(engine: Engine) -> None:
    messages = [message(id) for id in (1, 2, 3)]
    store = await engine.open()
    await store.accept(Acceptance(tuple(messages)))
    await store.begin(8, messages[:2])
    await store.begin(9, messages[2:])
    await store.close()
    store = await engine.open()
    assert await store.interrupted() == {8: messages[:2], 9: messages[2:]}


async def test_an_attempt_under_way_is_not_interrupted(store: Store) -> None:
    messages = [message(id) for id in (1, 2, 3)]
    await store.accept(Acceptance(tuple(messages)))
    await store.begin(8, messages[:2])
    assert await store.interrupted() == {}


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
    assert [one.id for one in await store.waiting(LANE, NOW, 2, (NOW - 2, 3))] == [1]
    assert [one.id for one in await store.waiting(LANE, NOW, 2, (NOW - 2, 2))] == [3, 1]


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
    prints = (Fingerprint(b"%d" % id, id, NOW + (id > 2000)) for id in range(1, 2501))
    await asyncio.gather(
        *(store.accept(Acceptance((message(one.message_id),), (one,))) for one in prints)
    )
    await store.forget_fingerprints(NOW)
    clock.now = NOW - 1
    assert (
        await store.accept(Acceptance((message(9001),), (Fingerprint(b"1", 9001, NOW + 60),))) == {}
    )
    assert await store.accept(
        Acceptance((message(9002),), (Fingerprint(b"2400", 9002, NOW + 60),))
    ) == {b"2400": 2400}


async def test_messages_of_an_account_are_counted_by_day(store: Store) -> None:
    from bridge.model.ids import first_id

    ids = [first_id(NOW - 1), first_id(NOW), first_id(NOW) + 1]
    for id in ids:
        await store.accept(Acceptance((message(id),)))
    await store.accept(Acceptance((message(first_id(NOW) + 9, account="other"),)))
    assert await store.sent_since("crm", NOW) == 2


async def test_aliases_lead_to_the_message(store: Store) -> None:
    aliases = (Alias(70, 1, 3), Alias(71, 1))
    await store.accept(Acceptance((message(1),), aliases=aliases))
    for id in (1, 70, 71):
        stored = await store.message(id)
        assert stored is not None
        assert stored.message.id == 1


async def test_only_what_is_in_no_attempt_can_be_cancelled(store: Store) -> None:
    for id in (1, 2, 3, 4):
        await store.accept(Acceptance((message(id),)))
    assert await store.begin(9, [message(2)]) == set()
    await store.finish(0, [Change(3, State.SENT, "x"), Change(4, State.HELD)])
    assert await store.move([1, 2, 3, 4, 99], State.CANCELLED) == [1, 4]
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [2]
    assert await store.move([1], State.ACCEPTED) == []


async def test_a_held_message_waits_again_when_it_is_released(store: Store) -> None:
    await store.accept(Acceptance((message(1),)))
    assert await store.move([1], State.HELD) == [1]
    assert await store.waiting(LANE, NOW, 10) == []
    assert await store.backlog() == 0
    assert await store.move([1], State.ACCEPTED) == [1]
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [1]


async def test_a_message_is_replaced_until_it_is_in_an_attempt(store: Store) -> None:
    await store.accept(Acceptance((message(1),)))
    new = message(1, text="new", sender="Shop UA", due_at=NOW + 5)
    assert await store.replace(new)
    stored = await store.message(1)
    assert stored is not None
    assert stored.message == new
    await store.begin(9, [new])
    assert not await store.replace(message(1, text="newer"))
    assert not await store.replace(message(2))


GROUP = PartGroup("crm", "Shop", "+380501234567", 77, 3)


def part(id: int, number: int, content: bytes = b"", group: PartGroup = GROUP) -> Part:
    return Part(id, group, number, content or b"part %d" % number, 1, NOW)


async def test_parts_gather_in_any_order(store: Store) -> None:
    since = NOW - 300
    assert await store.add_part(part(1, 3), since) == Gathered(1)
    assert await store.add_part(part(2, 1), since) == Gathered(2)
    gathered = await store.add_part(part(3, 2), since)
    assert gathered == Gathered(3, (part(2, 1), part(3, 2), part(1, 3)))


async def test_groups_of_other_references_do_not_mix(store: Store) -> None:
    other = GROUP._replace(reference=78)
    for id, number in enumerate((1, 2), 1):
        assert await store.add_part(part(id, number), 0) == Gathered(id)
        assert await store.add_part(part(id + 10, number, group=other), 0) == Gathered(id + 10)
    assert len((await store.add_part(part(5, 3), 0)).parts) == 3


async def test_the_same_part_again_is_the_same_part(store: Store) -> None:
    await store.add_part(part(1, 1), 0)
    assert await store.add_part(part(2, 1), 0) == Gathered(1)
    await store.add_part(part(3, 2), 0)
    await store.add_part(part(4, 3), 0)
    await store.accept(Acceptance((message(100),), parts=GROUP))
    again = await store.add_part(part(5, 2), 0)
    assert (again.id, again.message_id) == (3, 100)


async def test_the_same_number_with_other_content_begins_a_new_message(store: Store) -> None:
    for number in (1, 2, 3):
        await store.add_part(part(number, number), 0)
    await store.accept(Acceptance((message(100),), parts=GROUP))
    for number in (1, 2):
        assert await store.add_part(part(number + 10, number, b"new %d" % number), 0) == Gathered(
            number + 10
        )
    gathered = await store.add_part(part(13, 3, b"new 3"), 0)
    assert [p.id for p in gathered.parts] == [11, 12, 13]
    assert gathered.message_id == 0


async def test_old_parts_do_not_count_and_expire(store: Store) -> None:
    await store.add_part(part(1, 1), 0)
    assert await store.add_part(part(2, 1), NOW + 1) == Gathered(2)
    assert await store.expired_parts(NOW, 10) == []
    expired = await store.expired_parts(NOW + 1, 10)
    assert sorted(p.id for p in expired) == [1, 2]
    assert await store.expired_parts(NOW + 1, 10) == []


async def test_finished_groups_are_forgotten_without_a_word(store: Store) -> None:
    one = GROUP._replace(total=1)
    await store.add_part(part(1, 1, group=one), 0)
    await store.accept(Acceptance((message(100),), parts=one))
    assert await store.expired_parts(NOW + 1, 10) == []
    assert await store.add_part(part(2, 1, group=one), 0) == Gathered(2, (part(2, 1, group=one),))


async def test_holds_stay(store: Store) -> None:
    await store.set_hold("account", "crm", True)
    await store.set_hold("upstream", "cascade", True)
    await store.set_hold("account", "crm", True)
    assert await store.holds() == {("account", "crm"), ("upstream", "cascade")}
    await store.set_hold("account", "crm", False)
    assert await store.holds() == {("upstream", "cascade")}


async def test_old_final_messages_go_and_their_texts_earlier(store: Store, clock: Clock) -> None:
    from bridge.model.ids import first_id

    old, younger, waiting = (first_id(NOW - age) for age in (300, 200, 100))
    for id in (old, younger, waiting):
        await store.accept(Acceptance((message(id, fallback="f", options=("a", "b")),)))
    clock.now = NOW - 290
    await store.finish(0, [Change(old, State.REJECTED)])
    clock.now = NOW - 190
    await store.finish(0, [Change(younger, State.SENT, "x")])
    clock.now = NOW
    assert await store.sweep(NOW - 250, NOW - 150, 1) == 2
    assert await store.sweep(NOW - 250, NOW - 150, 1) == 0
    assert await store.message(old) is None
    stored = await store.message(younger)
    assert stored is not None
    assert (stored.message.text, stored.message.fallback, stored.message.options) == ("", "", ())
    stored = await store.message(waiting)
    assert stored is not None
    assert stored.message.text


async def test_what_waits_beyond_its_validity_is_found(store: Store) -> None:
    for id, expires_at in ((1, NOW), (2, NOW + 1), (3, NOW - 1), (4, NOW)):
        await store.accept(Acceptance((message(id, expires_at=expires_at, due_at=NOW + 99),)))
    await store.move([3], State.HELD)
    await store.finish(0, [Change(4, State.SENT, "x")])
    assert sorted(one.message.id for one in await store.overdue(NOW, 10)) == [1, 3]
    assert len(await store.overdue(NOW, 1)) == 1
    assert await store.move([1, 3], State.EXPIRED) == [1, 3]
    assert await store.overdue(NOW, 10) == []


async def test_with_a_message_go_the_ids_that_led_to_it(store: Store, clock: Clock) -> None:
    from bridge.model.ids import first_id

    first = first_id(NOW - 300)
    both = tuple(message(first + n, submission_id=first) for n in (1, 2))
    await store.accept(Acceptance(both, aliases=(Alias(first + 9, first + 1),)))
    clock.now = NOW - 290
    await store.finish(0, [Change(one.id, State.SENT, "x") for one in both])
    clock.now = NOW
    for _ in range(4):
        await store.sweep(NOW - 250, NOW - 250, 1)
    assert await store.message(first + 9) is None
    assert await store.submission(first) == []


async def test_the_text_of_a_message_that_ends_late_goes_too(store: Store, clock: Clock) -> None:
    from bridge.model.ids import first_id

    early, late = first_id(NOW - 300), first_id(NOW - 299)
    for id in (early, late):
        await store.accept(Acceptance((message(id),)))
    clock.now = NOW - 290
    await store.finish(0, [Change(late, State.SENT, "x")])
    for _ in range(3):
        await store.sweep(0, NOW - 200, 10)
    await store.finish(0, [Change(early, State.SENT, "x")])
    for _ in range(3):
        await store.sweep(0, NOW + 7200, 10)
    for id in (early, late):
        stored = await store.message(id)
        assert stored is not None
        assert stored.message.text == ""
