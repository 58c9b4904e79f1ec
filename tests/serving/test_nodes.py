"""Several nodes on one PostgreSQL: they share work and request rate, and see all changes."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import pytest

from bridge.model.failure import Failure
from bridge.model.message import Accepted
from bridge.sandbox import Sandbox
from tests.relaying import Relaying, relaying
from tests.samples import submission
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures

QUEUED: dict[str, dict[str, Any]] = {"crm": {"answer": "queued"}, "bank": {"answer": "queued"}}
#: Each node's key comes in a different header.
KEYS = ({"authorization_key": "first"}, {"viber_auth_token": "second"})


@pytest.fixture
async def nodes(
    tmp_path: Path,
    sandbox: Sandbox,
    database: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[list[Relaying]]:
    monkeypatch.setattr("bridge.sending.working_set.LANE_IN_MEMORY", 40)
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                relaying(
                    tmp_path,
                    sandbox,
                    accounts=QUEUED,
                    store={"url": database, "lease": "3s"},
                    keys=keys,
                    max_batch=10,
                    max_in_flight=1,
                    requests_per_second=40,
                    burst=1,
                )
            )
            for keys in KEYS
        ]


def phones(count: int) -> list[str]:
    return [f"+38050{n:07}" for n in range(count)]


def shares(sandbox: Sandbox) -> Counter[tuple[str, ...]]:
    return Counter(message.keys for message in sandbox.messages)


async def test_messages_beyond_one_nodes_memory_are_sent_by_both(
    nodes: list[Relaying], sandbox: Sandbox
) -> None:
    for n in range(0, 800, 100):
        await nodes[0].submit(submission(*phones(800)[n : n + 100]))
    await sandbox.wait_for(800, timeout=30)
    assert not sandbox.duplicates
    shared = shares(sandbox)
    assert len(shared) == 2
    assert min(shared.values()) >= 200


async def test_the_request_rate_holds_over_all_nodes(
    nodes: list[Relaying], sandbox: Sandbox
) -> None:
    async with asyncio.timeout(30):
        while any(node.lines[""].pace.rate != 20 for node in nodes):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    sandbox.clear()
    for node, name in zip(nodes, ("crm", "bank"), strict=True):
        for n in range(0, 400, 100):
            await node.submit(submission(*phones(400)[n : n + 100]), name)
    await sandbox.wait_for(800, timeout=30)
    at = [seen.at for seen in sandbox.requests]
    for first in at:
        # In each second at most the rate, plus the nodes' bursts.
        assert sum(first <= one < first + 1 for one in at) <= 40 + len(nodes)
    assert not sandbox.duplicates


async def test_a_hold_on_one_node_holds_on_the_other(
    nodes: list[Relaying], sandbox: Sandbox
) -> None:
    await nodes[0].dispatcher.set_hold("account", "crm", True)
    async with asyncio.timeout(30):
        while nodes[1].dispatcher.clear("crm", 5):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await nodes[1].submit(submission())
    await nodes[1].submit(submission(text="other"), "bank")
    await sandbox.wait_for(1)
    assert [m.text for m in sandbox.messages] == ["other"]
    await nodes[1].dispatcher.set_hold("account", "crm", False)
    await sandbox.wait_for(2)


async def test_a_message_is_cancelled_from_another_node(
    nodes: list[Relaying], sandbox: Sandbox
) -> None:
    # Unsent messages wait for the single request in flight of each node.
    sandbox.fault("slow", seconds=2)
    outcomes = [await nodes[0].submit(submission(phone)) for phone in phones(60)]
    ids = [outcome.id for outcome in outcomes if isinstance(outcome, Accepted)]
    cancelled: set[str] = set()
    for id in reversed(ids):
        try:
            await nodes[1].relay.cancel(nodes[1].account(), id)
        except Failure:
            continue
        cancelled.add(str(id))
    sandbox.clear_faults()
    async with asyncio.timeout(30):
        while await nodes[0].store.backlog():  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    sent = {message.id for message in sandbox.messages}
    assert cancelled
    assert cancelled.isdisjoint(sent)
    assert cancelled | sent == set(map(str, ids))
