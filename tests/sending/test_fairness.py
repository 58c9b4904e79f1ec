"""Bad messages and campaigns cost other messages little."""

from __future__ import annotations

import asyncio
import math
from pathlib import Path
from typing import Any

from bridge.model.failure import Reason
from bridge.model.message import (
    Accepted,
    MessageType,
)
from bridge.relay.group_recipients import AT_ONCE
from bridge.sandbox import Sandbox
from tests.relaying import reason_of, relaying
from tests.samples import numbered, submission


async def test_only_the_bad_one_of_fifty_fails(tmp_path: Path, sandbox: Sandbox) -> None:
    bad = "+380500000033"
    sandbox.fault("400", phones=[bad])
    async with relaying(tmp_path, sandbox) as bridge:
        outcomes = await asyncio.gather(*(bridge.submit(numbered(n)) for n in range(50)))
        assert reason_of(outcomes[33]) is Reason.WRONG_PHONE
        assert "INVALID_PHONE" in str(outcomes[33])
        others = [outcome for n, outcome in enumerate(outcomes) if n != 33]
        assert all(isinstance(one, Accepted) and not one.queued for one in others)
        assert sorted(m.phone for m in sandbox.messages) == [
            f"+38050{n:07}" for n in range(50) if n != 33
        ]
        assert not sandbox.duplicates


async def test_one_bad_message_of_a_batch_costs_few_requests(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("400", phones=["+380500000177"])
    async with relaying(tmp_path, sandbox, requests_per_second=1000, burst=1000) as bridge:
        phones = [f"+38050{n:07}" for n in range(AT_ONCE)]
        outcome = await bridge.submit(submission(*phones))
        assert isinstance(outcome, Accepted)
        assert [r.address for r, _ in outcome.refused] == ["+380500000177"]
        assert outcome.parts == AT_ONCE - 1
        assert len(sandbox.requests) <= 20
        assert not sandbox.duplicates


async def test_a_thousand_bad_messages_cost_other_accounts_none(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    bad = [f"+38050{n:07}" for n in range(200)]
    sandbox.fault("400", phones=bad)
    accounts = {"crm": {"answer": "queued"}, "bank": {}}
    limits: dict[str, Any] = {"requests_per_second": 200, "burst": 20}
    async with relaying(tmp_path, sandbox, accounts=accounts, **limits) as bridge:
        await bridge.submit(submission(*bad))
        for n in range(20):
            outcome = await bridge.submit(submission(f"+38067{n:07}"), "bank")
            assert isinstance(outcome, Accepted)
            assert not outcome.queued
        await bridge.drained()
        assert sandbox.message_count == 20
        assert not sandbox.duplicates


async def test_a_neighbour_of_a_bad_message_is_delayed_by_a_few_requests(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    bad = "+380500000177"
    sandbox.fault("400", phones=[bad])
    async with relaying(tmp_path, sandbox) as bridge:
        await bridge.submit(submission(*(f"+38050{n:07}" for n in range(AT_ONCE))))
        assert sandbox.message_count == AT_ONCE - 1
        # One batch, and then repeatedly the two halves of the refused batch.
        assert len(sandbox.requests) <= 1 + 2 * math.ceil(math.log2(AT_ONCE))


async def test_a_campaign_delays_another_accounts_message_by_one_batch(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("slow", seconds=0.05)
    accounts = {"shop": {"answer": "queued", "message_type": "promo"}, "bank": {}}
    async with relaying(tmp_path, sandbox, accounts=accounts, max_batch=50) as bridge:
        await bridge.submit(submission(*(f"+38050{n:07}" for n in range(3000))), "shop")
        await sandbox.wait_for(200)
        begun = len(sandbox.requests)
        outcome = await bridge.submit(submission(text="password"), "bank")
        assert isinstance(outcome, Accepted)
        [mine] = [m for m in sandbox.messages if m.text == "password"]
        # Requests in flight began before it, and one may have followed each of them.
        assert mine.request <= begun + 2 * 4 + 1
        assert sandbox.message_count < 3000
        bridge.dispatcher.stop()


async def test_promos_get_their_tenth_of_every_batch(tmp_path: Path, sandbox: Sandbox) -> None:
    accounts = {"shop": {"answer": "queued"}, "bank": {"answer": "queued"}}
    one_at_a_time: dict[str, Any] = {"max_batch": 100, "max_in_flight": 1}
    async with relaying(tmp_path, sandbox, accounts=accounts, **one_at_a_time) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        phones = [f"+38050{n:07}" for n in range(400)]
        for some in (phones[:200], phones[200:]):
            await bridge.submit(submission(*some, message_type=MessageType.PROMO), "shop")
            await bridge.submit(submission(*some), "bank")
        await bridge.dispatcher.set_hold("upstream", "cascade", False)
        await bridge.drained()
        types = [m.item["messageType"] for m in sandbox.messages]
        for batch in (types[:100], types[100:200], types[200:300], types[300:400]):
            assert batch.count("promo") == 10
