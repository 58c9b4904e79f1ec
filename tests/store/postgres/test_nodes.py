"""Several nodes on one database: each message is sent by one of them."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from typing import Any

import asyncpg
import pytest

from bridge.model.ids import Ids
from bridge.model.message import State
from bridge.store import Acceptance, Change, Fingerprint, Gathered, Part, PartGroup
from bridge.store.postgres.engine import PostgresStore
from tests.samples import NOW, message
from tests.store.postgres.nodes import Nodes, signalled, unclaimed, work_signal
from tests.store.samples import LANE, replacement

# --- claims ------------------------------------------------------------------------------------


async def test_no_message_goes_to_two_nodes(nodes: Nodes) -> None:
    stores = [await nodes.open() for _ in range(3)]
    await stores[0].accept(unclaimed(*range(1, 1001)))
    chance = random.Random(7)
    got: list[int] = []

    async def take(store: PostgresStore) -> None:
        own: set[int] = set()
        for _ in range(200):
            more = await store.waiting(LANE, NOW, chance.randint(1, 60) + len(own))
            new = {one.id for one in more} - own
            if not new:
                break
            own |= new
        got.extend(own)

    await asyncio.gather(*(take(store) for store in stores * 2))
    owners = await nodes.execute("SELECT owner, count(*) FROM message GROUP BY owner")
    assert len({row["owner"] for row in owners}) > 1
    by_node = [{one.id for one in await store.waiting(LANE, NOW, 2000)} for store in stores]
    assert sum(map(len, by_node)) == 1000
    assert set().union(*by_node) == set(range(1, 1001)) == set(got)


async def test_messages_in_a_nodes_memory_are_for_no_other_node(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    await first.accept(Acceptance((message(1),)))
    await first.accept(unclaimed(2))
    assert await second.lanes() == [LANE]
    assert [one.id for one in await second.waiting(LANE, NOW, 10)] == [2]
    assert await first.lanes() == [LANE]
    assert [one.id for one in await first.waiting(LANE, NOW, 10)] == [1]
    assert await second.begin(9, [message(1)]) == {1}
    await second.finish(9, [Change(1, State.SENT, "late")])
    stored = await second.message(1)
    assert stored is not None
    assert stored.state is State.ACCEPTED


async def test_a_message_to_be_sent_again_may_be_sent_by_any_node(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    work = work_signal(second)
    await first.accept(Acceptance((message(1),)))
    await first.begin(9, [message(1)])
    await first.finish(9, [Change(1, State.ACCEPTED, due_at=NOW, attempts=1)])
    await signalled(work)
    [again] = await second.waiting(LANE, NOW, 10)
    assert again.attempts == 1
    assert await first.waiting(LANE, NOW, 10) == []


async def test_nodes_are_signalled_only_for_messages_that_they_may_send(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    own, work = work_signal(first), work_signal(second)
    await first.accept(Acceptance((message(1),)))
    await first.accept(Acceptance((message(2, due_at=NOW + 9),), claimed=False))
    await first.accept(unclaimed(3))
    await signalled(work)
    assert await first.move([1], State.HELD) == [1]
    assert await first.move([1], State.ACCEPTED) == [1]
    await signalled(work)
    await first.set_hold("account", "crm", True)
    await signalled(work)
    assert await second.holds() == {("account", "crm")}
    assert not own.is_set()
    await first.close()
    await signalled(work)


# --- one node changes what another has ---------------------------------------------------------


async def test_messages_cancelled_or_replaced_by_another_node_are_not_begun(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    messages = [message(id) for id in (1, 2, 3, 4)]
    await first.accept(Acceptance(tuple(messages)))
    assert await second.move([1], State.CANCELLED) == [1]
    assert await second.move([2], State.HELD) == [2]
    assert await second.replace(replacement(3))
    assert await first.begin(9, messages) == {1, 2, 3}
    assert await second.move([4], State.CANCELLED) == []
    assert [one.text for one in await second.waiting(LANE, NOW, 10)] == ["new"]


async def test_a_message_is_cancelled_or_begun_never_both(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    messages = [message(id) for id in range(1, 401)]
    await first.accept(Acceptance(tuple(messages)))
    chance = random.Random(3)
    begun: set[int] = set()
    cancelled: set[int] = set()

    async def begin(batches: list[list[int]]) -> None:
        for some in batches:
            gone = await first.begin(1000 + some[0], [messages[id - 1] for id in some])
            begun.update(set(some) - gone)

    async def cancel() -> None:
        for _ in range(5):
            cancelled.update(await second.move(chance.sample(ids, 10), State.CANCELLED))

    ids = list(range(1, 401))
    batches = [ids[at : at + 4] for at in range(0, 400, 4)]
    # Both have opened connections and prepared statements by now.
    await cancel()
    await begin(batches[-1:])
    async with asyncio.timeout(30):
        await asyncio.gather(begin(batches[:50]), begin(batches[50:-1]), cancel(), cancel())
    assert not begun & cancelled
    assert begun | cancelled == set(ids)
    assert begun
    assert cancelled


async def test_of_simultaneous_repeats_at_two_nodes_one_is_accepted(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()

    def accept(store: PostgresStore, id: int, n: int) -> asyncio.Future[object]:
        prints = (Fingerprint(b"%d" % n, id, NOW + 60),)
        return store.accept(Acceptance((message(id),), prints))  # type: ignore[return-value]

    async with asyncio.timeout(30):
        answers = await asyncio.gather(
            *(accept(first, 1000 + n, n) for n in range(50)),
            *(accept(second, 2000 + 49 - n, 49 - n) for n in range(50)),
        )
    assert sum(not answer for answer in answers) == 50
    assert await first.backlog() == 50


async def test_parts_that_reach_two_nodes_at_once_are_joined_by_one(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    groups = [PartGroup("crm", "Shop", "+380501234567", n, 2) for n in range(40)]

    def add(store: PostgresStore, number: int, n: int) -> asyncio.Future[Gathered]:
        part = Part(number * 100 + n, groups[n], number, b"%d" % number, 0, NOW)
        return store.add_part(part, 0)

    async with asyncio.timeout(30):
        one, other = await asyncio.gather(
            asyncio.gather(*(add(first, 1, n) for n in range(40))),
            asyncio.gather(*(add(second, 2, 39 - n) for n in range(40))),
        )
    pairs = zip(one, reversed(other), strict=True)
    assert all(len(a.parts) + len(b.parts) == 2 for a, b in pairs)


async def test_an_attempt_that_ends_while_interrupted_ones_are_looked_for_is_not_one(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await nodes.open()
    await store.accept(Acceptance((message(1), message(2))))
    await store.begin(9, [message(1), message(2)])
    fetch = asyncpg.Connection.fetch

    async def finishing(self: asyncpg.Connection, query: str, *args: object, **kwargs: Any) -> Any:
        rows = await fetch(self, query, *args, **kwargs)
        if query.startswith("SELECT id, message_ids FROM attempt"):
            # The batch was refused and split: its attempt ended, and half of it begins.
            await store.finish(9, [])
            assert await store.begin(10, [message(1)]) == set()
        return rows

    monkeypatch.setattr(asyncpg.Connection, "fetch", finishing)
    assert await store.interrupted() == {}


async def test_the_sending_node_signals_the_accepting_node(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    told: list[int] = []
    event = asyncio.Event()

    def settled(ids: Sequence[int]) -> None:
        told.extend(ids)
        event.set()

    first.signals.settled.listen(settled)
    second.signals.settled.listen(lambda ids: told.append(-1))
    ids = Ids(first.node, first.last_id, lambda: NOW)
    mine = [message(ids.next()) for _ in range(3)]
    await first.accept(Acceptance(tuple(mine), claimed=False))
    for one in await second.waiting(LANE, NOW, 10):
        await second.begin(one.id + 100, [one])
        await second.finish(one.id + 100, [Change(one.id, State.SENT, f"up-{one.id}")])
        await signalled(event)
    assert told == [one.id for one in mine]
    assert [one.state for one in await first.messages(told)] == [State.SENT] * 3
