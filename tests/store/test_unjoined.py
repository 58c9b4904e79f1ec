"""Parts that were not joined: their states, and their receipts."""

from __future__ import annotations

import pytest

from bridge.model.ids import first_id
from bridge.model.message import Receipts, State
from bridge.model.notice import Kind, Told, Unjoined, UnjoinedPart, receivers_of
from bridge.store import Acceptance, Alias, Part, PartGroup, Store
from bridge.store.unjoined import notices_of_parts
from tests.samples import NOW, message
from tests.store.conftest import Clock, Engine

GROUP = PartGroup("crm", "Shop", "+380501234567", 7, 3)
QUEUE = receivers_of("crm")


def part(id: int, number: int, receipts: Receipts, group: PartGroup = GROUP) -> Part:
    return Part(id, group, number, b"part %d" % number, int(receipts), NOW + id)


async def owed(store: Store) -> list[int]:
    return [one.notice.known_as for one in await store.claim_notices(QUEUE, NOW + 1000, 100)]


async def test_an_expired_part_that_requested_failures_is_owed_a_receipt(store: Store) -> None:
    await store.add_part(part(1, 1, Receipts.SUCCESS | Receipts.FAILURE), 0)
    await store.add_part(part(2, 3, Receipts.NONE), 0)
    queues: list[object] = []
    store.signals.owed.listen(queues.append)
    assert len(await store.expired_parts(NOW + 100, 10)) == 2
    assert {QUEUE} in queues
    [told] = await store.claim_notices(QUEUE, NOW + 1000, 100)
    notice = told.notice
    assert (notice.kind, notice.state, notice.known_as) == (Kind.STATE, State.EXPIRED, 1)
    about = Unjoined.from_content(notice.content)
    assert about == Unjoined("+380501234567", "Shop", NOW + 1, 1, 3, (2,), 3)
    assert told.stored is None


@pytest.mark.parametrize("receipts", [Receipts.NONE, Receipts.SUCCESS, Receipts.INTERMEDIATE])
async def test_without_a_request_for_failures_nothing_is_owed(
    receipts: Receipts, store: Store
) -> None:
    await store.add_part(part(1, 1, receipts), 0)
    await store.expired_parts(NOW + 100, 10)
    assert await owed(store) == []


async def test_the_last_part_of_a_refused_message_is_owed_no_receipt(
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


async def test_expired_parts_of_two_groups_have_the_phones_of_their_groups(store: Store) -> None:
    other = PartGroup("crm", "Shop", "+380507654321,+380501112233", 8, 2)
    await store.add_part(part(1, 1, Receipts.FAILURE), 0)
    await store.add_part(part(2, 2, Receipts.FAILURE, other), 0)
    await store.expired_parts(NOW + 100, 10)
    told = await store.claim_notices(QUEUE, NOW + 1000, 100)
    phones = {one.notice.known_as: one.notice.content for one in told}
    assert Unjoined.from_content(phones[1]).phone == "+380501234567"
    assert Unjoined.from_content(phones[2]).phone == "+380507654321"


# --- how a part stands ---------------------------------------------------------------------------


async def test_a_part_waits_for_those_that_are_missing(store: Store) -> None:
    await store.add_part(part(1, 2, Receipts.SUCCESS), 0)
    about = Unjoined("+380501234567", "Shop", NOW + 1, 2, 3, (1, 3), 1)
    found = await store.unjoined(1)
    assert found == UnjoinedPart(1, "crm", about, NOW + 1, None)
    assert (found.state, found.changed_at) == (State.ACCEPTED, NOW + 1)
    await store.add_part(part(2, 3, Receipts.NONE), 0)
    found = await store.unjoined(2)
    assert found is not None
    assert (found.about.missing, found.begun_at) == ((1,), NOW + 1)
    assert await store.unjoined(3) is None


async def test_a_part_of_a_complete_group_without_a_message_misses_none(store: Store) -> None:
    for id, number in ((1, 1), (2, 3), (3, 2)):
        await store.add_part(part(id, number, Receipts.NONE), 0)
    found = await store.unjoined(1)
    assert found is not None
    assert (found.state, found.about.missing) == (State.ACCEPTED, ())


@pytest.mark.parametrize("receipts", Receipts)
async def test_the_end_of_a_part_is_stored_without_a_request(
    receipts: Receipts, store: Store, clock: Clock
) -> None:
    await store.add_part(part(1, 2, receipts), 0)
    clock.now = NOW + 301
    await store.expired_parts(NOW + 100, 10)
    found = await store.unjoined(1)
    assert found is not None
    assert found.about == Unjoined("+380501234567", "Shop", NOW + 1, 2, 3, (1, 3), int(receipts))
    assert (found.account, found.state, found.changed_at) == ("crm", State.EXPIRED, NOW + 301)
    assert found.notice is not None
    asked = receipts is Receipts.FAILURE
    assert (found.notice.ended_at, found.notice.outcome) == (
        (0, "") if asked else (NOW + 301, "the part did not request one")
    )


async def test_the_story_names_the_taker_of_a_parts_receipt(store: Store) -> None:
    await store.add_part(part(1, 2, Receipts.FAILURE), 0)
    await store.expired_parts(NOW + 100, 10)
    [told] = await store.claim_notices(QUEUE, NOW + 1000, 100)
    await store.told([Told(told.notice.id, True, "ESME_ROK from 10.0.0.1")])
    found = await store.unjoined(1)
    assert found is not None
    assert found.notice is not None
    assert found.notice.outcome == "ESME_ROK from 10.0.0.1"


async def test_a_short_id_that_is_given_again_leads_to_the_later_part(store: Store) -> None:
    await store.add_part(part(1, 2, Receipts.NONE), 0)
    await store.expired_parts(NOW + 100, 10)
    await store.add_part(part(1, 1, Receipts.NONE)._replace(at=NOW + 900), 0)
    found = await store.unjoined(1)
    assert found is not None
    assert (found.state, found.about.number) == (State.ACCEPTED, 1)
    await store.expired_parts(NOW + 1000, 10)
    found = await store.unjoined(1)
    assert found is not None
    assert (found.state, found.about.number) == (State.EXPIRED, 1)


async def test_parts_are_deleted_with_the_messages_of_their_time(
    store: Store, clock: Clock
) -> None:
    early, late = first_id(NOW), first_id(NOW + 600)
    for id, at, receipts in (
        (early, NOW, Receipts.NONE),
        (early + 1, NOW, Receipts.FAILURE),
        (late, NOW + 600, Receipts.NONE),
    ):
        group = GROUP._replace(reference=id % 97)
        await store.add_part(Part(id, group, 1, b"", int(receipts), at), 0)
    for clock.now in (NOW + 300, NOW + 900):
        await store.expired_parts(int(clock.now) - 300 + 1, 10)
    assert await store.sweep(NOW + 300, 0, 10) == 0
    assert await store.sweep(NOW + 500, 0, 10) == 1
    # The receipt of the second is still owed.
    known = [await store.unjoined(id) is not None for id in (early, early + 1, late)]
    assert known == [False, True, True]
    assert await store.expire_notices(NOW, NOW + 500, 10) == 1
    assert await store.sweep(NOW + 2000, 0, 10) == 2
    assert await store.unjoined(late) is None


async def test_ids_of_parts_are_not_given_again_after_a_restart(engine: Engine) -> None:
    store = await engine.open()
    await store.add_part(part(first_id(NOW), 1, Receipts.NONE), 0)
    await store.add_part(part(0x0440, 2, Receipts.NONE), 0)
    for expired in (0, 2):
        await store.close()
        store = await engine.open()
        assert (store.last_id, store.last_short_id) == (first_id(NOW), 0x0440)
        parts = await store.expired_parts(first_id(NOW) * 2 if expired else 0, 10)
        assert len(parts) == expired
    await store.close()
    store = await engine.open()
    assert (store.last_id, store.last_short_id) == (first_id(NOW), 0x0440)


def test_the_last_part_is_the_one_with_the_last_id_though_the_clock_was_set_back() -> None:
    group = PartGroup("crm", "Shop", "+380501234567", 7, 2)
    id = first_id(NOW)
    first = Part(id, group, 1, b"a", 3, NOW + 90)
    last = Part(id + 1, group, 2, b"b", 3, NOW)
    assert [notice.known_as for notice in notices_of_parts([[first, last]], NOW + 200)] == [id]


@pytest.mark.parametrize(
    ("nodes", "told"),
    [((2, 0, 1), [1, 2, 3]), ((1, 1, 1), [1, 2])],
    ids=["several nodes", "one node"],
)
def test_all_parts_have_notices_when_the_last_one_is_uncertain(
    nodes: tuple[int, ...], told: list[int]
) -> None:
    # All within a second, as most parts come.
    ids = [first_id(NOW) + (node << 16) + n for n, node in enumerate(nodes)]
    parts = [
        Part(id, GROUP, number, b"x", int(Receipts.FAILURE), NOW)
        for number, id in enumerate(ids, 1)
    ]
    notices = notices_of_parts([parts], NOW + 100)
    assert [ids.index(notice.known_as) + 1 for notice in notices] == told


def test_of_short_ids_the_one_that_came_later_is_the_last() -> None:
    def parts(*at: int) -> list[Part]:
        ids = (4_000_000_000, 5, 6)  # they wrap around
        return [
            Part(id, GROUP, number, b"x", int(Receipts.FAILURE), NOW + seconds)
            for number, (id, seconds) in enumerate(zip(ids, at, strict=True), 1)
        ]

    assert len(notices_of_parts([parts(0, 0, 0)], NOW + 100)) == 3
    assert len(notices_of_parts([parts(2, 0, 1)], NOW + 100)) == 2
    assert len(notices_of_parts([parts(0, 1, 2)], NOW + 100)) == 3
