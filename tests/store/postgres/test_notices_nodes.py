"""Several nodes: statuses come to one, notices are told by another."""

from __future__ import annotations

import asyncio
import random
import time

import pytest

from bridge.model.message import Receipts, State
from bridge.model.notice import Incoming, Kind, Notice, Told
from bridge.store import Acceptance, Change, Noted, Receivers, StoreError
from bridge.store.postgres.engine import PostgresStore
from tests.samples import NOW, message
from tests.store.postgres.nodes import (
    LATER,
    Nodes,
    claimed,
    delivered,
    of_node,
    owed_signal,
    sent,
    signalled,
    taken,
    work_signal,
)
from tests.store.samples import BOTH, CRM

# --- who tells -----------------------------------------------------------------------------------


async def test_a_status_that_reaches_one_node_is_told_by_the_other(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    await sent(first, 1)
    work = work_signal(second)
    (here, at_first), (there, at_second) = owed_signal(first), owed_signal(second)
    assert list(await first.note_statuses([delivered(1)])) == [Noted.CHANGED]
    await signalled(here)
    await signalled(there)
    assert (at_first, at_second) == ([{CRM}], [None])
    # This does not wake the dispatcher.
    assert not work.is_set()
    assert await claimed(second) == [1]
    assert await claimed(first) == []


async def test_no_notice_goes_to_two_nodes(nodes: Nodes) -> None:
    stores = [await nodes.open() for _ in range(3)]
    ids = list(range(1, 601))
    await sent(stores[0], *ids)
    await stores[0].note_statuses([delivered(id) for id in ids])
    chance = random.Random(7)
    got: list[int] = []

    async def take(store: PostgresStore) -> None:
        while owed := await store.claim_notices(CRM, LATER, chance.randint(1, 60)):
            got.extend(one.notice.about for one in owed)
            await store.told([taken(one) for one in owed])

    async with asyncio.timeout(30):
        await asyncio.gather(*(take(store) for store in stores * 2))
    assert sorted(got) == ids


async def test_notices_are_left_to_the_submissions_node_for_a_second(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    mine, theirs = of_node(first.node), of_node(second.node)
    await sent(first, mine, theirs)
    await first.note_statuses([delivered(mine), delivered(theirs)])
    assert await claimed(first, NOW) == [mine]
    assert await claimed(second, NOW) == [theirs]
    # Notices of refused recipients have no message: the submission's id has the node.
    lonely = Notice(CRM, "crm", Kind.REFUSED, 0, of_node(second.node, 2), NOW, NOW)
    await first.owe([lonely])
    assert await claimed(first, NOW) == []
    assert await claimed(first, NOW + 1) == [0]


async def test_notices_are_not_left_to_a_dead_node(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    theirs = of_node(second.node)
    await second.close()
    await sent(first, theirs)
    await first.note_statuses([delivered(theirs)])
    assert await claimed(first, NOW) == [theirs]


async def test_the_second_notice_of_a_message_waits_for_the_first_on_every_node(
    nodes: Nodes,
) -> None:
    first, second = await nodes.open(), await nodes.open()
    await first.accept(Acceptance((message(1, receipts=BOTH | Receipts.INTERMEDIATE),)))
    await first.finish(0, [Change(1, State.SENT, "up-1", notify=True)])
    await second.note_statuses([delivered(1)])
    [one] = await first.claim_notices(CRM, LATER, 10)
    assert one.notice.state is State.SENT
    assert await claimed(second) == []
    await first.told([Told(one.notice.id, False, "silence", LATER + 9)])
    assert await claimed(second, LATER + 8) == []
    [one] = await second.claim_notices(CRM, LATER + 10, 10)
    assert (one.notice.state, one.notice.tries) == (State.SENT, 1)
    await second.told([taken(one)])
    [one] = await first.claim_notices(CRM, LATER, 10)
    assert one.notice.state is State.DELIVERED


async def test_notices_are_told_once_and_in_order_by_several_nodes(nodes: Nodes) -> None:
    stores = [await nodes.open() for _ in range(2)]
    ids = list(range(1, 301))
    chance = random.Random(11)
    told: list[tuple[int, State | None]] = []
    for id in ids:
        wish = BOTH | Receipts.INTERMEDIATE
        await stores[0].accept(Acceptance((message(id, receipts=wish),)))

    async def send() -> None:
        for at in range(0, len(ids), 20):
            changes = [Change(id, State.SENT, f"up-{id}", notify=True) for id in ids[at : at + 20]]
            await stores[0].finish(0, changes)

    async def note(store: PostgresStore) -> None:
        for id in chance.sample(ids, len(ids)):
            await store.note_statuses([delivered(id)])

    async def match(store: PostgresStore) -> None:
        while len(told) < 2 * len(ids):
            await store.match_early(NOW, NOW - 300)
            await asyncio.sleep(0.01)

    async def tell(store: PostgresStore) -> None:
        while len(told) < 2 * len(ids):
            for one in (owed := await store.claim_notices(CRM, LATER, chance.randint(1, 30))):
                told.append((one.notice.about, one.notice.state))
            # Some have to be told again.
            again = {one.notice.id for one in owed if not chance.randrange(9)}
            for one in owed:
                if one.notice.id in again:
                    told.remove((one.notice.about, one.notice.state))
            await store.told(
                [
                    Told(id, False, "again", NOW)
                    if (id := one.notice.id) in again
                    else Told(id, True, "taken")
                    for one in owed
                ]
            )
            await asyncio.sleep(0)

    async with asyncio.timeout(60):
        await asyncio.gather(send(), *(work(s) for s in stores for work in (note, match, tell)))
    for id in ids:
        assert [state for about, state in told if about == id] == [State.SENT, State.DELIVERED]


# --- a node goes ---------------------------------------------------------------------------------


async def test_notices_of_a_silent_node_are_told_by_others(nodes: Nodes) -> None:
    silent, other = await nodes.open(), await nodes.open()
    await sent(silent, 1, 2)
    await silent.note_statuses([delivered(1), delivered(2)])
    await silent.note_receivers("crm", True)
    owed = await silent.claim_notices(CRM, LATER, 10)
    event, _ = owed_signal(other)
    await nodes.execute(f"UPDATE node SET lease_until = '-infinity' WHERE number = {silent.node}")
    assert await other.interrupted() == {}
    await signalled(event)
    assert await claimed(other) == [1, 2]
    assert [one.bound for one in await other.receivers("crm")] == [False]
    for verb in (
        silent.told([taken(one) for one in owed]),
        silent.note_statuses([delivered(1)]),
        silent.claim_notices(CRM, LATER, 10),
    ):
        with pytest.raises(StoreError, match="lost its lease"):
            await verb
    for rare in (
        silent.note_receivers("crm", True),
        silent.match_early(NOW, NOW),
        silent.to_poll(LATER, 10),
        silent.expire_notices(LATER, LATER, 10),
    ):
        with pytest.raises(StoreError, match="lost its lease"):
            await rare
    story = await other.story(1)
    assert story is not None
    assert [notice.ended_at for notice in story.notices] == [0]


@pytest.mark.parametrize("number", [0, 7], ids=["its number is used again", "others take over"])
async def test_receivers_of_a_node_that_died_are_gone_since_it_was_last_heard_of(
    number: int, nodes: Nodes
) -> None:
    await (await nodes.open()).close()
    died_at = int(time.time()) - 3600
    await nodes.execute(
        f"INSERT INTO node VALUES ({number}, gen_random_uuid(), 0, to_timestamp({died_at + 1}))"
    )
    await nodes.execute(
        f"INSERT INTO receiver VALUES ('crm', {number}, true, {NOW}), "
        f"('erp', {number}, true, {died_at + 2}), ('web', {number}, false, {NOW})"
    )
    # After a restart of the database every node has a whole lease.
    await nodes.execute("SELECT pg_sleep_until(pg_postmaster_start_time() + interval '1 s')")
    reading = await nodes.open_reading(lease=1.0)
    known = [await reading.receivers(name) for name in ("crm", "erp", "web")]
    since = (died_at, died_at + 2, NOW)
    assert known == [[Receivers(number, False, at)] for at in since]
    # A bind does not change it.
    await nodes.open(lease=1.0)
    async with asyncio.timeout(30):
        while await nodes.execute("SELECT FROM receiver WHERE bound"):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    assert [await reading.receivers(name) for name in ("crm", "erp", "web")] == known


async def test_a_notice_taken_over_is_ended_by_its_new_node(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    await sent(first, 1)
    await first.note_statuses([delivered(1)])
    [late] = await first.claim_notices(CRM, LATER, 10)
    await nodes.execute("UPDATE notice SET owner = -1")
    assert await claimed(second) == [1]
    await first.told([taken(late)])
    story = await first.story(1)
    assert story is not None
    assert [notice.ended_at for notice in story.notices] == [0]


async def test_a_node_that_closes_gives_back_what_it_was_telling(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    await sent(first, 1)
    await first.note_statuses([delivered(1)])
    await first.note_receivers("crm", True)
    assert await claimed(first) == [1]
    event, _ = owed_signal(second)
    await first.close()
    await signalled(event)
    assert await claimed(second) == [1]
    [known] = await second.receivers("crm")
    assert (known.node, known.bound) == (0, False)


async def test_a_claim_that_nobody_waits_for_any_more_is_given_back(nodes: Nodes) -> None:
    store = await nodes.open()
    await sent(store, 1)
    await store.note_statuses([delivered(1)])
    gone = store.claim_notices(CRM, LATER, 10)
    await asyncio.sleep(0)
    gone.cancel()
    # The next group is written after the claim and its end.
    await store.owe([])
    await store.owe([])
    assert await claimed(store) == [1]


async def test_notices_that_cannot_be_told_here_are_announced_to_other_nodes(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    await sent(first, 1)
    await first.note_statuses([delivered(1)])
    [one] = await first.claim_notices(CRM, LATER, 10)
    event, _ = owed_signal(second)
    await first.told([Told(one.notice.id, False, "", NOW)])
    await signalled(event)
    assert await claimed(second) == [1]


async def test_a_message_from_a_phone_that_comes_to_two_nodes_is_taken_once(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()

    def take(store: PostgresStore, id: int, n: int) -> asyncio.Future[object]:
        one = Incoming(id, f"uid-{n}", "crm", "+380501234567", "Shop", "Так\0", NOW, NOW)
        return store.take_incoming([(one, [CRM])])  # type: ignore[return-value]

    async with asyncio.timeout(30):
        answers = await asyncio.gather(
            *(take(first, 100 + n, n) for n in range(50)),
            *(take(second, 200 + n, n) for n in reversed(range(50))),
        )
    assert sum(answer == [True] for answer in answers) == 50
    owed = await first.claim_notices(CRM, LATER, 1000)
    assert len(owed) == 50
    assert {one.incoming.text for one in owed if one.incoming} == {"Так\0"}
