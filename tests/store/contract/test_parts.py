"""Parts of concatenated messages: gathered, joined, expired."""

from __future__ import annotations

import pytest

from bridge.model.message import State
from bridge.store import (
    Acceptance,
    Alias,
    Change,
    Gathered,
    Status,
    Store,
)
from tests.samples import NOW, message
from tests.store.conftest import Clock
from tests.store.samples import (
    GROUP,
    part,
)


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


async def test_a_repeated_part_has_the_id_of_the_first(store: Store) -> None:
    await store.add_part(part(1, 1), 0)
    assert await store.add_part(part(2, 1), 0) == Gathered(1)
    await store.add_part(part(3, 2), 0)
    await store.add_part(part(4, 3), 0)
    await store.accept(Acceptance((message(100),), parts=GROUP))
    again = await store.add_part(part(5, 2), 0)
    assert (again.id, again.message_id) == (3, 100)


@pytest.mark.parametrize("end", [State.CANCELLED, State.EXPIRED, State.UNDELIVERABLE])
async def test_repeated_parts_of_a_message_that_did_not_arrive_make_a_new_message(
    store: Store, end: State
) -> None:
    for number in (1, 2, 3):
        await store.add_part(part(number, number), 0)
    alias = Alias(1, 100)
    due = message(100, expires_at=NOW - 1 if end is State.EXPIRED else NOW + 60)
    await store.accept(Acceptance((due,), parts=GROUP, aliases=(alias,)))
    if end is State.UNDELIVERABLE:
        await store.begin(9, [due])
        await store.finish(9, [Change(100, State.SENT, "x")])
        await store.note_statuses([Status("x", "undelivered", end, NOW)])
    else:
        assert await store.move([100], end) == [100]
    assert await store.add_part(part(11, 1), 0) == Gathered(11)
    assert await store.add_part(part(12, 2), 0) == Gathered(12)
    gathered = await store.add_part(part(13, 3), 0)
    assert ([one.id for one in gathered.parts], gathered.message_id) == ([11, 12, 13], 0)


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


async def test_old_parts_expire_and_join_no_new_group(store: Store) -> None:
    await store.add_part(part(1, 1), 0)
    assert await store.add_part(part(2, 1), NOW + 1) == Gathered(2)
    assert await store.expired_parts(NOW, 10) == []
    expired = await store.expired_parts(NOW + 1, 10)
    assert sorted(p.id for p in expired) == [1, 2]
    assert await store.expired_parts(NOW + 1, 10) == []


async def test_finished_groups_expire_without_a_notice(store: Store) -> None:
    one = GROUP._replace(total=1)
    await store.add_part(part(1, 1, group=one), 0)
    await store.accept(Acceptance((message(100),), parts=one))
    assert await store.expired_parts(NOW + 1, 10) == []
    assert await store.add_part(part(2, 1, group=one), 0) == Gathered(2, (part(2, 1, group=one),))


async def test_a_finished_group_is_remembered_from_its_end_on(store: Store, clock: Clock) -> None:
    pair = GROUP._replace(total=2)
    await store.add_part(part(1, 1, group=pair), 0)
    await store.add_part(part(2, 2, group=pair)._replace(at=NOW + 299), 0)
    clock.now = NOW + 299
    await store.accept(Acceptance((message(100),), parts=pair, aliases=(Alias(1, 100),)))
    assert await store.expired_parts(NOW + 299, 10) == []
    again = await store.add_part(part(3, 1, group=pair), NOW + 299)
    assert (again.id, again.message_id) == (1, 100)


async def test_a_complete_group_does_not_expire_while_its_message_is_being_stored(
    store: Store,
) -> None:
    pair = GROUP._replace(total=2)
    await store.add_part(part(1, 1, group=pair), 0)
    await store.add_part(part(2, 2, group=pair)._replace(at=NOW + 299), 0)
    assert await store.expired_parts(NOW + 1, 10) == []
    await store.accept(Acceptance((message(100),), parts=pair, aliases=(Alias(1, 100),)))
    again = await store.add_part(part(3, 1, group=pair), 0)
    assert (again.id, again.message_id) == (1, 100)


async def test_a_complete_group_that_never_became_a_message_expires(store: Store) -> None:
    pair = GROUP._replace(total=2)
    for number in (1, 2):
        await store.add_part(part(number, number, group=pair), 0)
    assert len(await store.expired_parts(NOW + 1, 10)) == 2


async def test_a_part_of_a_finished_group_begins_a_new_message(store: Store) -> None:
    await store.add_part(part(1, 1), 0)
    await store.accept(Acceptance((message(100),), parts=GROUP, aliases=(Alias(1, 100),)))
    assert await store.add_part(part(12, 2), 0) == Gathered(12)
    assert await store.add_part(part(13, 3), 0) == Gathered(13)
    gathered = await store.add_part(part(11, 1), 0)
    assert [one.id for one in gathered.parts] == [11, 12, 13]
