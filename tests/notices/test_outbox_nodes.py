"""Several nodes on one PostgreSQL: a status at one node becomes a receipt at another."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bridge.model.message import Accepted, Receipts, State
from bridge.model.notice import receivers_of
from bridge.notices.subscribers import TakerAnswer
from bridge.sandbox import Sandbox
from bridge.store import Status
from tests.notices.test_outbox import Taker, until
from tests.relaying import Relaying, relaying
from tests.samples import submission
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures

QUEUE = receivers_of("crm")


@pytest.fixture
async def nodes(
    tmp_path: Path,
    database: str,  # noqa: F811
) -> AsyncIterator[list[Relaying]]:
    async with Sandbox() as sandbox, AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                relaying(
                    tmp_path,
                    sandbox,
                    store={"url": database, "lease": "3s"},
                    accounts={"crm": {"answer_within": "5s"}},
                )
            )
            for _ in range(2)
        ]


async def sent(node: Relaying, count: int, *phones: str) -> list[int]:
    """Messages with requested receipts, submitted at this node."""
    ids = []
    for _ in range(count):
        asked = submission(*phones, receipts=Receipts.SUCCESS, peer="10.0.0.1:1")
        outcome = await node.submit(asked)
        assert isinstance(outcome, Accepted)
        ids.append(outcome.id)
    return ids


async def delivered(node: Relaying, *ids: int) -> None:
    """The API posts the statuses to this node."""
    stored = [one for id in ids for one in await node.store.submission(id)]
    now = int(time.time())
    await node.store.note_statuses(
        [Status(one.upstream_id, "delivered", State.DELIVERED, now) for one in stored]
    )


@pytest.mark.parametrize(("submitted", "heard", "bound"), [(0, 0, 1), (0, 1, 0), (1, 0, 0)])
async def test_a_status_comes_out_where_the_receiver_is(
    submitted: int, heard: int, bound: int, nodes: list[Relaying]
) -> None:
    taker = Taker()
    nodes[bound].outbox.join(QUEUE, taker)
    ids = await sent(nodes[submitted], 20)
    await delivered(nodes[heard], *ids)
    await until(lambda: len(taker.told) >= 20)
    assert sorted(taker.abouts) == ids
    assert {owed.notice.state for owed in taker.told} == {State.DELIVERED}


async def test_the_node_that_took_the_message_has_a_second_to_tell_it(
    nodes: list[Relaying],
) -> None:
    own, other = Taker("10.0.0.1:1"), Taker("10.0.0.2:1")
    nodes[0].outbox.join(QUEUE, own)
    nodes[1].outbox.join(QUEUE, other)
    # A machine may need longer than the second now and then, but hardly each time.
    for _ in range(5):
        own.told.clear()
        other.told.clear()
        ids = await sent(nodes[0], 20)
        await delivered(nodes[1], *ids)
        await until(lambda: len(own.told) + len(other.told) == 20)
        if len(own.told) > len(other.told):
            return
    pytest.fail("the other node told most, five times")


async def test_each_receipt_is_told_at_one_node(nodes: list[Relaying]) -> None:
    takers = [Taker(f"10.0.1.{n}:1", window=3) for n in range(2)]
    for node, taker in zip(nodes, takers, strict=True):
        node.outbox.join(QUEUE, taker)
    ids = [id for node in nodes for id in await sent(node, 30)]
    await delivered(nodes[0], *ids)
    await until(lambda: sum(len(taker.told) for taker in takers) >= 60)
    await asyncio.sleep(1.5)  # time for a repetition
    assert sorted(about for taker in takers for about in taker.abouts) == sorted(ids)


async def test_many_at_once_are_told_elsewhere_when_their_answer_must_be_out(
    nodes: list[Relaying],
) -> None:
    taker = Taker()
    nodes[1].outbox.join(QUEUE, taker)
    began = time.time()
    [id] = await sent(nodes[0], 1, "+380501234567", "+380501234568")
    await delivered(nodes[0], id)
    await until(lambda: len(taker.told) == 2)
    # The other node does not know whether this one has answered by now: five seconds at most.
    accepted_at = taker.told[0].stored.message.accepted_at if taker.told[0].stored else 0
    assert time.time() >= accepted_at + 6 > began
    assert {owed.notice.known_as for owed in taker.told} == {id}


async def test_unanswered_notices_of_a_dead_node_are_told_elsewhere(
    nodes: list[Relaying],
) -> None:
    lost, other = Taker("10.0.0.1:1", answer=lambda owed: None), Taker("10.0.0.2:1")
    nodes[0].outbox.join(QUEUE, lost)
    [id] = await sent(nodes[0], 1)
    await delivered(nodes[0], id)
    await until(lambda: lost.told)
    nodes[1].outbox.join(QUEUE, other)
    nodes[0].outbox.leave(QUEUE, lost)
    lost.say(id, TakerAnswer(False, "went away", lost=True))
    await until(lambda: other.abouts == [id])
