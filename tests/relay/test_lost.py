"""The database does what it is asked, and its answer gets lost on the way to the relay."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from bridge.model.failure import Failure
from bridge.model.message import Accepted
from bridge.sandbox import Sandbox
from bridge.store.directory.staging import abandoned_imports, list_send_outs
from tests.relaying import Relaying, relaying
from tests.samples import submission
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures
from tests.store.postgres.server import Server, Wire

PHONES = ("+380501234567", "+380671112233")


@pytest.fixture
async def wire(postgres: Server) -> AsyncIterator[Wire]:  # noqa: F811
    wire = Wire(postgres)
    await wire.open()
    yield wire
    await wire.close()


@pytest.fixture
async def bridge(tmp_path: Path, wire: Wire, database: str) -> AsyncIterator[Relaying]:  # noqa: F811
    async with (
        Sandbox() as sandbox,
        relaying(
            tmp_path,
            sandbox,
            accounts={"crm": {"daily_limit": 3}},
            store={"url": wire.url(database)},
        ) as bridge,
    ):
        yield bridge


async def refused(
    bridge: Relaying, wire: Wire, monkeypatch: pytest.MonkeyPatch, repeat_key: bytes = b""
) -> None:
    """Submits a send-out of two that is committed, and refused all the same: the database is away
    for too long."""
    wire.lose(b"COMMIT", after=b"INSERT INTO send_out")
    named = submission(*PHONES, name="Black Friday", repeat_key=repeat_key)
    submitting = asyncio.create_task(bridge.submit(named))
    async with asyncio.timeout(30):
        while not wire.losing:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.01)
    with monkeypatch.context() as patched:
        patched.setattr("bridge.store.postgres.connection.PATIENCE", 0.2)
        wire.closed = True
        wire.cut()
        assert isinstance(await submitting, Failure)
    wire.mend()


async def test_a_send_out_is_accepted_though_the_answer_to_its_commit_got_lost(
    bridge: Relaying, wire: Wire
) -> None:
    wire.lose(b"COMMIT", after=b"INSERT INTO send_out")
    submitting = asyncio.create_task(bridge.submit(submission(*PHONES, name="Black Friday")))
    async with asyncio.timeout(30):
        while not wire.losing:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.01)
        wire.mend()
        assert isinstance(await submitting, Accepted)
        while len(bridge.sandbox.messages) < 2:  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.01)
    assert await bridge.relay.used_today(bridge.account()) == 2


async def test_a_send_out_that_was_refused_though_committed_is_not_sent(
    bridge: Relaying, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    await refused(bridge, wire, monkeypatch)
    async with asyncio.timeout(30):
        while await bridge.store.look_up(list_send_outs, "crm"):  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.01)
    assert await bridge.relay.used_today(bridge.account()) == 0
    for n in range(3):
        assert isinstance(await bridge.submit(submission(text=f"text {n}")), Accepted)
    assert len(bridge.sandbox.messages) == 3


async def test_a_send_out_that_others_may_know_is_sent_though_it_was_refused(
    bridge: Relaying, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    await refused(bridge, wire, monkeypatch, repeat_key=b"<1@example.com>")
    async with asyncio.timeout(30):
        while len(bridge.sandbox.messages) < 2:  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.01)
    assert await bridge.relay.used_today(bridge.account()) == 2
    async with asyncio.timeout(30):
        while await bridge.store.change(abandoned_imports, ["send_out"], 2**40, 0):  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def test_messages_of_a_send_out_that_were_refused_though_committed_are_sent(
    bridge: Relaying, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The commit that makes messages of the numbers is lost, and the database is away for too long.
    wire.lose(b"COMMIT", after=b"DELETE FROM import_line")
    assert isinstance(await bridge.submit(submission(*PHONES, name="Black Friday")), Accepted)
    async with asyncio.timeout(30):
        while not wire.losing:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.01)
    with monkeypatch.context() as patched, capture_logs() as logs:
        patched.setattr("bridge.store.postgres.writer.UNSURE_WITHIN", 0.2)
        wire.closed = True
        wire.cut()
        async with asyncio.timeout(30):
            while "send_out_delayed" not in [line["event"] for line in logs]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
    wire.mend()
    async with asyncio.timeout(30):
        while len(bridge.sandbox.messages) < 2:  # noqa: ASYNC110 - a row
            await asyncio.sleep(0.01)
    assert {one.phone for one in bridge.sandbox.messages} == set(PHONES)
    assert await bridge.relay.used_today(bridge.account()) == 2
