"""Statuses and messages from phones that come to several nodes."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest

from bridge.model.message import State
from bridge.store import Acceptance, Noted
from tests.samples import NOW
from tests.store.postgres.nodes import Nodes, claimed, delivered, sent
from tests.store.samples import asking


async def test_a_status_that_comes_while_another_node_writes_the_upstream_id_is_not_lost(
    nodes: Nodes,
) -> None:
    first, second = await nodes.open(), await nodes.open()
    await first.accept(Acceptance((asking(1),)))
    connection = await asyncpg.connect(nodes.url)
    try:
        async with connection.transaction():
            await connection.execute(
                "UPDATE message SET state = 'sent', owner = -1, upstream_id = 'up-1'"
            )
            assert list(await second.note_statuses([delivered(1)])) == [Noted.EARLY]
    finally:
        await connection.close()
    # It is noted once, even with several readers.
    await asyncio.gather(*(store.match_early(NOW, 0) for store in (first, second) * 3))
    stored = await first.message(1)
    assert stored is not None
    assert stored.state is State.DELIVERED
    assert await claimed(second) == [1]
    assert await claimed(first) == []


async def test_early_statuses_are_matched_in_pages(
    nodes: Nodes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.postgres.statuses._STEP", 10)
    store = await nodes.open()
    await store.note_statuses([delivered(id) for id in range(1, 41)])
    await sent(store, 1, 15, 39)
    for _ in range(5):
        assert await store.match_early(NOW, NOW) == 0
    assert sorted(await claimed(store)) == [1, 15, 39]
    assert [await store.match_early(NOW, NOW + 1) for _ in range(5)] == [10, 10, 10, 7, 0]


async def test_a_message_is_polled_by_one_node(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    ids = list(range(1, 201))
    await sent(first, *ids)
    found = await asyncio.gather(*(s.to_poll(NOW, 20) for s in (first, second) * 5))
    asked = [one.message.id for some in found for one in some]
    asked += [one.message.id for one in await first.to_poll(NOW, 1000)]
    assert sorted(asked) == ids
    assert await second.to_poll(NOW, 10) == []
