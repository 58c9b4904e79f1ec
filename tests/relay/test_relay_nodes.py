"""Two nodes on one PostgreSQL: one accepts, the other sends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path

import asyncpg
import pytest
from structlog.testing import capture_logs

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, State
from bridge.sandbox import Sandbox
from bridge.store.signals import Signal
from tests.relaying import relaying
from tests.samples import submission
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.store.postgres.server import Server, Wire

_WAITING_FOR_LOCKS = (
    "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock' "
    "AND datname = current_database()"
)


@pytest.fixture
async def wire(postgres: Server) -> AsyncIterator[Wire]:  # noqa: F811
    wire = Wire(postgres)
    await wire.open()
    yield wire
    await wire.close()


@pytest.mark.parametrize("signal", [True, False], ids=["signal", "no signal"])
async def test_a_message_sent_by_another_node_is_answered_here(
    tmp_path: Path,
    wire: Wire,
    database: str,  # noqa: F811
    monkeypatch: pytest.MonkeyPatch,
    signal: bool,
) -> None:
    if signal:
        monkeypatch.setattr("bridge.relay.handover._LOOK_ELSEWHERE", 60.0)
    direct, remote = ({"url": url, "lease": "3s"} for url in (database, wire.url(database)))
    async with Sandbox() as sandbox, AsyncExitStack() as stack:
        async with relaying(tmp_path, sandbox, store=direct) as before:
            await before.dispatcher.set_hold("account", "crm", True)
            await before.submit(submission(text="waits"))
        # This node has to read the lane of that message, and hears no answer.
        wire.lose(b"(due_at, id) > ")
        here = await stack.enter_async_context(relaying(tmp_path, sandbox, store=remote))
        if not signal:
            monkeypatch.setattr(here.store.signals, "settled", Signal())
        async with asyncio.timeout(30):
            while not wire.losing:  # noqa: ASYNC110 - a state, no event
                await asyncio.sleep(0.01)
        there = await stack.enter_async_context(relaying(tmp_path, sandbox, store=direct))
        await there.dispatcher.set_hold("account", "crm", False)
        async with asyncio.timeout(30):
            while not here.dispatcher.clear("crm", 5):  # noqa: ASYNC110 - a state, no event
                await asyncio.sleep(0.01)
        began = asyncio.get_running_loop().time()
        outcome = await here.submit(submission())
        assert isinstance(outcome, Accepted)
        assert not outcome.queued
        assert asyncio.get_running_loop().time() - began < 5, "before the time limit of SMPP"
        [stored] = await there.relay.query(there.account(), outcome.id)
        assert stored.state is State.SENT
        wire.mend()
        await here.drained()
        assert sandbox.message_count == 2


async def test_what_another_node_sent_while_the_database_was_away_is_answered_afterwards(
    tmp_path: Path,
    wire: Wire,
    database: str,  # noqa: F811
) -> None:
    accounts = {"crm": {"answer_within": "15s"}}
    direct, remote = ({"url": url, "lease": "10s"} for url in (database, wire.url(database)))
    async with Sandbox() as sandbox, AsyncExitStack() as stack:
        async with relaying(tmp_path, sandbox, store=direct) as before:
            await before.dispatcher.set_hold("account", "crm", True)
            await before.submit(submission(text="waits"))
        # This node has to read the lane of that message, and hears no answer.
        wire.lose(b"(due_at, id) > ")
        here = await stack.enter_async_context(
            relaying(tmp_path, sandbox, store=remote, accounts=accounts)
        )
        async with asyncio.timeout(30):
            while not wire.losing:  # noqa: ASYNC110 - a state, no event
                await asyncio.sleep(0.01)
        there = await stack.enter_async_context(relaying(tmp_path, sandbox, store=direct))
        await there.dispatcher.set_hold("account", "crm", False)
        await sandbox.wait_for(1)
        async with asyncio.timeout(30):
            while not here.dispatcher.clear("crm", 5):  # noqa: ASYNC110 - a state, no event
                await asyncio.sleep(0.01)
        sandbox.fault("slow", seconds=2.5)
        submitting = asyncio.create_task(here.submit(submission()))
        async with asyncio.timeout(30):
            while len(sandbox.requests) < 2:  # noqa: ASYNC110 - a number, no event
                await asyncio.sleep(0.01)
        with capture_logs() as logs:
            wire.closed = True
            wire.cut()
            await there.drained()
            events = [line["event"] for line in logs]
            assert events.count("answers_not_looked_up") == 1
            assert not [line for line in logs if line.get("exc_info")]
        wire.mend()
        outcome = await submitting
        assert isinstance(outcome, Accepted)
        assert not outcome.queued


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


async def test_two_nodes_that_replace_at_once_leave_one_message(
    tmp_path: Path,
    database: str,  # noqa: F811
) -> None:
    accounts = {"crm": {"schedule": "bridge"}}
    async with Sandbox() as sandbox, AsyncExitStack() as stack:
        nodes = [
            await stack.enter_async_context(
                relaying(tmp_path, sandbox, accounts=accounts, store={"url": database})
            )
            for _ in range(2)
        ]
        later = submission(scheduled_at=int(time.time()) + 600, replace_if_present=True)
        connection = await asyncpg.connect(database)
        stack.push_async_callback(connection.close)
        for turn in range(3):
            # Both have looked before either can store.
            await connection.execute("BEGIN; LOCK TABLE message IN SHARE MODE")
            submits = [
                asyncio.create_task(node.submit(later._replace(text=f"{turn} {n}")))
                for n, node in enumerate(nodes)
            ]
            async with asyncio.timeout(30):
                while await connection.fetchval(_WAITING_FOR_LOCKS) < len(nodes):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            await connection.execute("COMMIT")
            outcomes = await asyncio.gather(*submits)
            assert all(isinstance(outcome, Accepted) for outcome in outcomes)
            waiting = await nodes[0].store.waiting_for("crm", "+380501234567")
            assert [one.message.text[0] for one in waiting] == [str(turn)]
