"""Parts whose message was never complete are owed a receipt, with the end of their group."""

from __future__ import annotations

import pytest

from bridge.message import Receipts, State
from bridge.notice import Kind, Unjoined, receivers_of
from bridge.store import Acceptance, Alias, Part, PartGroup, Store
from tests.samples import NOW, message

GROUP = PartGroup("crm", "Shop", "+380501234567", 7, 3)
QUEUE = receivers_of("crm")


def part(id: int, number: int, receipts: Receipts, group: PartGroup = GROUP) -> Part:
    return Part(id, group, number, b"part %d" % number, int(receipts), NOW + id)


async def owed(store: Store) -> list[int]:
    return [one.notice.known_as for one in await store.claim_notices(QUEUE, NOW + 1000, 100)]


async def test_parts_that_asked_for_failures_are_owed_one(store: Store) -> None:
    await store.add_part(part(1, 1, Receipts.SUCCESS | Receipts.FAILURE), 0)
    await store.add_part(part(2, 3, Receipts.NONE), 0)
    queues: list[object] = []
    store.on_owed = queues.append
    assert len(await store.expired_parts(NOW + 100, 10)) == 2
    assert {QUEUE} in queues
    [told] = await store.claim_notices(QUEUE, NOW + 1000, 100)
    notice = told.notice
    assert (notice.kind, notice.state, notice.known_as) == (Kind.STATE, State.EXPIRED, 1)
    about = Unjoined.from_content(notice.content)
    assert about == Unjoined("+380501234567", "Shop", NOW + 1)
    assert told.stored is None


@pytest.mark.parametrize("receipts", [Receipts.NONE, Receipts.SUCCESS, Receipts.INTERMEDIATE])
async def test_who_did_not_ask_for_failures_is_owed_nothing(
    receipts: Receipts, store: Store
) -> None:
    await store.add_part(part(1, 1, receipts), 0)
    await store.expired_parts(NOW + 100, 10)
    assert await owed(store) == []


async def test_who_heard_that_all_of_them_make_no_message_is_owed_nothing_more(
    store: Store,
) -> None:
    for id, number in ((1, 1), (2, 3), (3, 2)):
        await store.add_part(part(id, number, Receipts.FAILURE), 0)
    await store.expired_parts(NOW + 100, 10)
    assert sorted(await owed(store)) == [1, 2]


async def test_a_message_that_was_joined_is_owed_nothing_for_its_parts(store: Store) -> None:
    for id in (1, 2, 3):
        await store.add_part(part(id, id, Receipts.FAILURE), 0)
    aliases = tuple(Alias(id, 100, int(Receipts.FAILURE)) for id in (1, 2, 3))
    await store.accept(Acceptance((message(100),), aliases=aliases, parts=GROUP))
    assert await store.expired_parts(NOW + 100, 10) == []
    assert await owed(store) == []


async def test_groups_are_told_apart(store: Store) -> None:
    other = PartGroup("crm", "Shop", "+380507654321,+380501112233", 8, 2)
    await store.add_part(part(1, 1, Receipts.FAILURE), 0)
    await store.add_part(part(2, 2, Receipts.FAILURE, other), 0)
    await store.expired_parts(NOW + 100, 10)
    told = await store.claim_notices(QUEUE, NOW + 1000, 100)
    phones = {one.notice.known_as: one.notice.content for one in told}
    assert Unjoined.from_content(phones[1]).phone == "+380501234567"
    assert Unjoined.from_content(phones[2]).phone == "+380507654321"
