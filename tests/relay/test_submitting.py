"""A submission from the listener to the answer, with a real store and the sandbox API."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import (
    Accepted,
    Recipient,
    State,
)
from bridge.sandbox import Sandbox
from tests.relaying import reason_of, relaying, written_to
from tests.samples import numbered, submission


async def test_a_message_reaches_the_api_and_its_answer_the_client(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission(text="Привіт"))
        assert isinstance(outcome, Accepted)
        assert (outcome.parts, outcome.queued) == (1, False)
        [received] = sandbox.messages
        assert (received.id, received.text) == (str(outcome.id), "Привіт")
        [stored] = await bridge.relay.query(bridge.account(), outcome.id)
        assert stored.state is State.SENT
        assert stored.upstream_id == received.message_id


async def test_some_refused_recipients_are_named(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission("0501234567", "12", "0671234567"))
        assert isinstance(outcome, Accepted)
        assert outcome.parts == 2
        assert [(r.address, f.reason) for r, f in outcome.refused] == [("12", Reason.WRONG_PHONE)]
        assert len(sandbox.requests) == 1
        assert await bridge.states(outcome) == [State.SENT, State.SENT]


async def test_what_was_refused_was_neither_stored_nor_sent(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        assert reason_of(await bridge.submit(submission("12"))) is Reason.WRONG_PHONE
        assert reason_of(await bridge.submit(submission(text=" "))) is Reason.NO_TEXT
        assert sandbox.message_count == 0
        assert await bridge.store.lanes() == []


async def test_a_recipient_is_judged_before_the_submission(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        bridge.relay.check_recipient(bridge.account(), Recipient("0501234567"))
        with pytest.raises(Failure) as caught:
            bridge.relay.check_recipient(bridge.account(), Recipient("12"))
        assert caught.value.reason is Reason.WRONG_PHONE


async def test_a_rate_lets_a_burst_within_the_average_pass(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox, accounts={"crm": {"rate": 10, "burst": 5}}) as bridge:
        outcomes = await asyncio.gather(*(bridge.submit(numbered(n)) for n in range(7)))
        assert [isinstance(one, Accepted) for one in outcomes] == [True] * 5 + [False] * 2
        assert reason_of(outcomes[-1]) is Reason.TOO_FAST


async def test_a_daily_limit_counts_over_a_restart(tmp_path: Path, sandbox: Sandbox) -> None:
    accounts = {"crm": {"daily_limit": 3}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        for n in range(2):
            assert isinstance(await bridge.submit(numbered(n)), Accepted)
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        assert isinstance(await bridge.submit(numbered(3)), Accepted)
        assert reason_of(await bridge.submit(numbered(4))) is Reason.TOO_FAST


async def test_a_daily_limit_counts_what_was_accepted_alone(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {"crm": {"daily_limit": 2}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        with written_to(tmp_path):
            for outcome in await asyncio.gather(*(bridge.submit(numbered(n)) for n in range(3))):
                assert reason_of(outcome) is Reason.BRIDGE_FULL
        mail = numbered(1, repeat_key=b"1")
        for _ in range(3):
            assert isinstance(await bridge.submit(mail), Accepted)
        assert isinstance(await bridge.submit(numbered(2)), Accepted)
        assert reason_of(await bridge.submit(numbered(3))) is Reason.TOO_FAST


async def test_a_submission_to_a_closed_store_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        await bridge.store.close()
        assert reason_of(await bridge.submit(numbered(1))) is Reason.OPERATION_FAILED


@pytest.mark.parametrize("answered_all", [False, True])
async def test_what_comes_during_a_stop_is_answered_at_once_and_sent_by_the_next_start(
    tmp_path: Path, sandbox: Sandbox, answered_all: bool
) -> None:
    accounts = {"crm": {"answer_within": "1h"}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        bridge.dispatcher.stop()
        if answered_all:
            bridge.relay.drain()
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        assert outcome.queued
    async with relaying(tmp_path, sandbox) as bridge:
        await bridge.drained()
        assert await bridge.states(outcome) == [State.SENT]
    assert sandbox.message_count == 1


async def test_a_full_bridge_says_so_and_recovers(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("401")
    accounts = {"crm": {"answer": "queued"}}
    limit = {"backlog_limit": 2}
    async with relaying(tmp_path, sandbox, accounts=accounts, store=limit) as bridge:
        for n in range(2):
            assert isinstance(await bridge.submit(numbered(n)), Accepted)
        assert reason_of(await bridge.submit(numbered(2))) is Reason.BRIDGE_FULL
        sandbox.clear_faults()
        await bridge.drained()
        assert isinstance(await bridge.submit(numbered(3)), Accepted)


async def test_a_scheduled_message_can_wait_in_the_bridge(tmp_path: Path, sandbox: Sandbox) -> None:
    import time

    due = int(time.time()) + 2
    async with relaying(tmp_path, sandbox, accounts={"crm": {"schedule": "bridge"}}) as bridge:
        outcome = await bridge.submit(submission(scheduled_at=due))
        assert isinstance(outcome, Accepted)
        assert outcome.queued
        assert sandbox.message_count == 0
        [received] = await sandbox.wait_for(1)
        assert received.at >= due
        await bridge.drained()
        assert await bridge.states(outcome) == [State.SENT]


async def test_a_message_whose_validity_ended_is_not_sent(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("503", count=1)
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission(ttl=1))
        assert reason_of(outcome) is Reason.REFUSED
        assert sandbox.message_count == 0


async def test_an_account_can_have_its_own_keys_and_route(tmp_path: Path) -> None:
    accounts: dict[str, dict[str, Any]] = {
        "crm": {},
        "bank": {"cascade": {"viber_auth_token": "bank-token", "route": "tg-viber"}},
    }
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        await bridge.submit(submission())
        await bridge.submit(submission(), "bank")
        first, second = sandbox.messages
        assert (first.route, first.keys) == ("async", ("X-Authorization-Key",))
        assert (second.route, second.keys) == ("tg-viber", ("X-Viber-Auth-Token",))


async def test_a_dry_run_is_answered_like_the_real_thing_and_does_nothing(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        good = await bridge.submit(numbered(1, dry_run=True))
        assert isinstance(good, Accepted)
        assert (good.parts, good.queued, good.refused) == (1, False, ())
        assert reason_of(await bridge.submit(submission(text="", dry_run=True))) is Reason.NO_TEXT
        with pytest.raises(Failure):
            await bridge.relay.query(bridge.account(), good.id)
        await bridge.drained()
    assert sandbox.message_count == 0
