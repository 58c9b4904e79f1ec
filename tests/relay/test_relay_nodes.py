"""Two nodes on one PostgreSQL: one accepts, the other sends."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Message, State
from bridge.sandbox import Sandbox
from bridge.store import Lane
from tests.relaying import Relaying, relaying
from tests.samples import submission
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures


@pytest.fixture
async def nodes(tmp_path: Path, database: str) -> AsyncIterator[list[Relaying]]:  # noqa: F811
    async with Sandbox() as sandbox, AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                relaying(tmp_path, sandbox, store={"url": database, "lease": "3s"})
            )
            for _ in range(2)
        ]


async def test_what_another_node_sends_is_answered_here(
    nodes: list[Relaying], monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = nodes

    async def busy(lane: Lane, now: int, limit: int, after: tuple[int, int]) -> list[Message]:
        return []

    # The lane exceeds this node's memory, and the node does not load the rest.
    monkeypatch.setattr(here.store, "waiting", busy)
    here.dispatcher._working_set._spilled.add(Lane("crm", 4, "async"))
    began = asyncio.get_running_loop().time()
    outcome = await here.submit(submission())
    assert isinstance(outcome, Accepted)
    assert not outcome.queued
    assert asyncio.get_running_loop().time() - began < 5, "before the time limit of SMPP"
    [stored] = await here.relay.query(here.account(), outcome.id)
    assert stored.state is State.SENT
    assert there.sandbox.message_count == 1


async def test_a_daily_limit_counts_over_all_nodes(tmp_path: Path, database: str) -> None:  # noqa: F811
    accounts = {"crm": {"daily_limit": 10}}
    async with Sandbox() as sandbox, AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                relaying(tmp_path, sandbox, accounts=accounts, store={"url": database})
            )
            for _ in range(2)
        ]
        outcomes = await asyncio.gather(
            *(nodes[n % 2].submit(submission(text=f"text {n}")) for n in range(40))
        )
        refused = [one for one in outcomes if isinstance(one, Failure)]
        assert len(outcomes) - len(refused) == 10
        assert {one.reason for one in refused} == {Reason.TOO_FAST}
        assert len(sandbox.messages) == 10
        for node in nodes:
            assert await node.relay.used_today(node.account()) == 10
