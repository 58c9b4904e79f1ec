"""Messages from their acceptance to their last attempt, against a sandbox API with faults."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.model.message import Accepted, Receipts, State
from bridge.model.notice import receivers_of
from bridge.model.state_names import err_of
from bridge.sandbox import Sandbox
from bridge.store import StoreFull
from tests.relaying import relaying
from tests.samples import submission

QUEUED: dict[str, dict[str, Any]] = {"crm": {"answer": "queued"}}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


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
        # Four batches were in flight; from then on one message at a time asks.
        await sandbox.wait_for(202, timeout=15)
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
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission(ttl=1, receipts=Receipts.FAILURE))
        assert isinstance(outcome, Accepted), "the API has it"
        assert outcome.queued
        [stored] = await bridge.relay.query(bridge.account(), outcome.id)
        assert stored.state is State.EXPIRED
        assert err_of(stored) == 245
        assert (stored.message.attempts, stored.message.unknown) == (1, 1)
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


async def test_a_replacement_that_is_stored_is_said_though_the_store_is_away_right_after(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(tmp_path, sandbox, accounts=QUEUED) as bridge:
        await bridge.dispatcher.set_hold("account", "crm", True)
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)

        async def fail(*_: object) -> Any:
            raise StoreFull("the store is away")

        with monkeypatch.context() as broken:
            for question in ("lanes", "next_due"):
                broken.setattr(bridge.store, question, fail)
            await bridge.relay.replace(bridge.account(), outcome.id, text="another")
        await bridge.dispatcher.set_hold("account", "crm", False)
        await sandbox.wait_for(1)
        assert [one.text for one in sandbox.messages] == ["another"]
