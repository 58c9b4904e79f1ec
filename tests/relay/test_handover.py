"""When a client gets the result, and when "queued"."""

from __future__ import annotations

import asyncio
from pathlib import Path

from bridge.model.message import (
    Accepted,
    State,
)
from bridge.sandbox import Sandbox
from tests.relaying import relaying
from tests.samples import numbered, submission


async def test_queued_is_answered_where_the_account_says_so(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("slow", seconds=1)
    async with relaying(tmp_path, sandbox, accounts={"crm": {"answer": "queued"}}) as bridge:
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        assert outcome.queued
        assert sandbox.message_count == 0
        await bridge.drained()
        assert await bridge.states(outcome) == [State.SENT]


async def test_queued_is_answered_when_the_result_takes_too_long(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("slow", seconds=0.6)
    accounts = {"crm": {"answer_within": "100ms"}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        outcomes = await asyncio.gather(*(bridge.submit(numbered(n)) for n in range(20)))
        assert all(isinstance(one, Accepted) and one.queued for one in outcomes)
        await bridge.drained()
        assert sandbox.message_count == 20
        for outcome in outcomes:
            assert await bridge.states(outcome) == [State.SENT]


async def test_no_client_waits_for_a_held_upstream(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("401")
    accounts = {"crm": {"answer_within": "300ms"}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        first = await bridge.submit(numbered(1))
        assert isinstance(first, Accepted)
        assert first.queued
        began = asyncio.get_running_loop().time()
        second = await bridge.submit(numbered(2))
        assert asyncio.get_running_loop().time() - began < 0.25
        assert isinstance(second, Accepted)
        assert second.queued
        sandbox.clear_faults()
        await bridge.drained()
        assert await bridge.states(first) == await bridge.states(second) == [State.SENT]


async def test_a_waiting_client_is_answered_queued_if_the_next_request_is_too_late(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {"crm": {"answer_within": "50s"}}
    sandbox.fault("429", retry_after=60)
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        outcome = await bridge.submit(numbered(1))
        assert isinstance(outcome, Accepted)
        assert outcome.queued
