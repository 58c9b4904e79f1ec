"""Messages from their acceptance to their last attempt, against a sandbox API with faults."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.model.failure import Failure
from bridge.model.measures import STORE_COMMIT_SECONDS
from bridge.model.message import (
    Accepted,
    Receipts,
    State,
)
from bridge.model.notice import receivers_of
from bridge.model.state_names import err_of
from bridge.sandbox import Sandbox
from bridge.store import Acceptance, Repeats, StoreFull
from tests.relaying import relaying
from tests.samples import numbered, submission

QUEUED: dict[str, dict[str, Any]] = {"crm": {"answer": "queued"}}


async def test_an_api_that_answers_too_late_costs_repeats_of_what_was_in_flight(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("hang-after")
    async with relaying(
        tmp_path, sandbox, accounts=QUEUED, timeout="1s", max_batch=50, requests_per_second=1000
    ) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        await bridge.submit(submission(*(f"+38050{n:07}" for n in range(600))))
        await bridge.dispatcher.set_hold("upstream", "cascade", False)
        # Four batches were in flight; then single messages probe.
        await sandbox.wait_for(202, timeout=30)
        sizes = [seen.size for seen in sandbox.requests]
        assert sizes[:4] == [50] * 4
        assert set(sizes[4:]) == {1}
        sandbox.clear_faults()
        await bridge.drained()
        assert len(sandbox.duplicates) <= 200 + len(sizes[4:])


async def test_an_unknown_outcome_whose_validity_ends_is_not_told_as_never_sent(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("hang-up-after", count=1)
    sandbox.fault("503")
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission(ttl=5, receipts=Receipts.FAILURE))
        assert isinstance(outcome, Accepted), "the API has it"
        assert outcome.queued
        [stored] = await bridge.relay.query(bridge.account(), outcome.id)
        assert stored.state is State.EXPIRED
        assert err_of(stored) == 245
        assert stored.message.unknown == 1
        [owed] = await bridge.store.claim_notices(receivers_of("crm"), 2**40, 10)
        assert owed.notice.state is State.EXPIRED


async def test_an_interrupted_message_that_is_held_raises_the_alarm(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox, accounts=QUEUED) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        [stored] = await bridge.relay.query(bridge.account(), outcome.id)
        # The bridge dies while it posts.
        await bridge.store.begin(outcome.id + 1, [stored.message])
    with capture_logs() as logs:
        async with relaying(tmp_path, sandbox, unknown_outcome="hold") as bridge:
            [stored] = await bridge.relay.query(bridge.account(), outcome.id)
            assert stored.state is State.HELD
            assert bridge.dispatcher.backlog == 0
    [held] = [entry for entry in logs if entry["event"] == "message_held"]
    assert (held["id"], held["log_level"]) == (outcome.id, "error")


async def test_a_message_of_an_idle_bridge_needs_two_transactions(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        await bridge.submit(submission())
        before = STORE_COMMIT_SECONDS.count
        outcome = await bridge.submit(submission(text="second"))
        assert isinstance(outcome, Accepted)
        assert STORE_COMMIT_SECONDS.count - before == 2
        story = await bridge.store.story(outcome.id)
        assert story is not None
        assert (story.stored.state, story.attempt_at) == (State.SENT, 0)
        assert bridge.dispatcher.backlog == 0


async def test_messages_that_come_in_one_turn_go_in_one_request(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        outcomes = await asyncio.gather(
            *(bridge.submit(submission(f"+38050{n:07}")) for n in range(100))
        )
        assert all(isinstance(outcome, Accepted) and not outcome.queued for outcome in outcomes)
        assert len(sandbox.messages) == 100
        assert not sandbox.duplicates
        assert [seen.size for seen in sandbox.requests] == [100]


async def test_a_message_that_cannot_be_stored_is_not_posted_and_stops_no_other(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        with monkeypatch.context() as patched:

            def refuse(_: Acceptance) -> asyncio.Future[Repeats]:
                refused: asyncio.Future[Repeats] = asyncio.get_running_loop().create_future()
                refused.set_exception(StoreFull("no room"))
                return refused

            patched.setattr(bridge.store, "accept", refuse)
            refusal = await bridge.submit(submission(text="first"))
            assert isinstance(refusal, Failure)
        assert isinstance(await bridge.submit(submission(text="second")), Accepted)
        assert [m.text for m in sandbox.messages] == ["second"]


async def test_a_message_whose_validity_ends_while_it_is_stored_is_not_posted(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(tmp_path, sandbox, requests_per_second=0.01, burst=1) as bridge:
        accept = bridge.store.accept

        async def slowly(acceptance: Acceptance) -> Repeats:
            await asyncio.sleep(2.1)
            return await accept(acceptance)

        monkeypatch.setattr(
            bridge.store, "accept", lambda acceptance: asyncio.ensure_future(slowly(acceptance))
        )
        refusal = await bridge.submit(submission(ttl=1))
        assert isinstance(refusal, Failure)
        assert not sandbox.messages
        assert bridge.dispatcher.backlog == 0
        assert bridge.lines[""].pace.wait(time.monotonic()) == 0, "no request was made"


async def test_the_backlog_of_a_removed_account_is_held(tmp_path: Path, sandbox: Sandbox) -> None:
    bank = {"bank": {"answer": "queued", "cascade": {"authorization_key": "own"}}}
    async with relaying(tmp_path, sandbox, accounts=QUEUED | bank) as bridge:
        await bridge.dispatcher.set_hold("account", "bank", True)
        await bridge.submit(submission(text="private"), "bank")
    with capture_logs() as logs:
        async with relaying(tmp_path, sandbox) as bridge:
            await bridge.dispatcher.set_hold("account", "bank", False)
            await bridge.submit(submission(text="mine"))
            assert bridge.dispatcher.backlog == 1
    assert [m.text for m in sandbox.messages] == ["mine"]
    [told] = [entry for entry in logs if entry["event"] == "account_unknown"]
    assert told["account"] == "bank"
    async with relaying(tmp_path, sandbox, accounts=QUEUED | bank) as bridge:
        await bridge.drained()
    assert [m.text for m in sandbox.messages] == ["mine", "private"]


async def test_waiting_messages_go_in_one_request(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        outcomes = await asyncio.gather(*(bridge.submit(numbered(n)) for n in range(300)))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert sandbox.message_count == 300
        assert len(sandbox.requests) <= 5
        assert not sandbox.duplicates


async def test_a_broken_api_is_asked_again_later(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("502", count=1)
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission())
        assert await bridge.states(outcome) == [State.SENT]
        assert len(sandbox.requests) == 2
        assert not sandbox.duplicates


async def test_an_unknown_outcome_is_sent_again_with_the_same_id(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("hang-up-after", count=1)
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        assert sandbox.duplicates == {str(outcome.id): 1}


async def test_an_unknown_outcome_can_be_held(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("hang-up-after", count=1)
    async with relaying(tmp_path, sandbox, unknown_outcome="hold") as bridge:
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        assert outcome.queued
        assert await bridge.states(outcome) == [State.HELD]
        assert not sandbox.duplicates


async def test_a_message_the_answer_does_not_name_is_unknown(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("missing", count=1)
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission("+380500000001", "+380500000002"))
        assert await bridge.states(outcome) == [State.SENT, State.SENT]
        assert len(sandbox.duplicates) == 1


@pytest.mark.parametrize("fault", ["wrong-order", "duplicate-answers", "tracking-id"])
async def test_answers_are_matched_by_id(tmp_path: Path, sandbox: Sandbox, fault: str) -> None:
    sandbox.fault(fault, count=1)
    async with relaying(tmp_path, sandbox) as bridge:
        outcomes = await asyncio.gather(*(bridge.submit(numbered(n)) for n in range(5)))
        received = {m.id: m.message_id for m in sandbox.messages}
        for outcome in outcomes:
            assert isinstance(outcome, Accepted)
            [stored] = await bridge.relay.query(bridge.account(), outcome.id)
            assert stored.upstream_id == received[str(outcome.id)]


async def test_too_many_requests_lose_nothing(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("429", count=1, retry_after=1)
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission())
        assert await bridge.states(outcome) == [State.SENT]
        assert len(sandbox.requests) == 2


async def test_what_waits_is_sent_after_a_restart(tmp_path: Path, sandbox: Sandbox) -> None:
    accounts = {"crm": {"answer": "queued"}}
    sandbox.fault("401")
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        phones = [f"+38050{n:07}" for n in range(250)]
        outcome = await bridge.submit(submission(*phones))
    sandbox.clear_faults()
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        assert bridge.dispatcher.backlog == 250
        await bridge.drained()
        assert set(await bridge.states(outcome)) == {State.SENT}
        assert sandbox.message_count == 250
        assert not sandbox.duplicates


async def test_more_than_memory_holds_is_loaded_from_the_store(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.sending.working_set.LANE_IN_MEMORY", 100)
    monkeypatch.setattr("bridge.sending.working_set.ALL_IN_MEMORY", 150)
    accounts = {"crm": {"answer": "queued"}, "bank": {"answer": "queued"}}
    async with relaying(tmp_path, sandbox, accounts=accounts, max_batch=20) as bridge:
        for n in range(0, 2000, 100):
            phones = [f"+38050{m:07}" for m in range(n, n + 100)]
            await bridge.submit(submission(*phones), ("crm", "bank")[n // 100 % 2])
        await bridge.drained()
        assert len({m.phone for m in sandbox.messages}) == sandbox.message_count == 2000
        assert not sandbox.duplicates


async def test_a_hold_stays_over_a_restart(tmp_path: Path, sandbox: Sandbox) -> None:
    accounts = {"crm": {"answer": "queued"}, "bank": {"answer": "queued"}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        await bridge.dispatcher.set_hold("account", "crm", True)
        await bridge.submit(submission())
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        await bridge.submit(submission(text="bank"), "bank")
        assert [m.text for m in await sandbox.wait_for(1)] == ["bank"]
        await bridge.dispatcher.set_hold("account", "crm", False)
        await bridge.drained()
        assert sandbox.message_count == 2


async def test_an_outcome_that_stays_unknown_is_sent_twice_more_and_then_held(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("hang-up-after")
    async with relaying(tmp_path, sandbox, accounts={"crm": {"answer": "queued"}}) as bridge:
        outcome = await bridge.submit(submission())
        await bridge.drained()
        assert await bridge.states(outcome) == [State.HELD]
        assert sandbox.message_count == 3
