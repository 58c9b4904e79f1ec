"""Short ids of submissions."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, Receipts
from bridge.relay.short_ids import pass_on, submit_short
from bridge.sandbox import Sandbox
from bridge.store import Acceptance, Alias
from tests.relaying import relaying
from tests.samples import message, submission


async def test_a_short_id_is_durable_and_leads_to_the_message(tmp_path: Path) -> None:
    async with Sandbox() as sandbox:
        ids = []
        for _ in range(2):  # a restart gives no id twice
            async with relaying(tmp_path, sandbox) as bridge:
                outcome = await submit_short(
                    bridge.relay, bridge.account(), submission(receipts=Receipts.SUCCESS)
                )
                assert isinstance(outcome, Accepted)
                assert 0 < outcome.id < 2**32
                [stored] = await bridge.relay.query(bridge.account(), outcome.id)
                assert stored.message.receipts == Receipts.ALIASES
                ids.append(outcome.id)
        assert len(set(ids)) == 2


async def test_a_failure_is_passed_on_as_it_is(tmp_path: Path) -> None:
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox) as bridge:
        outcome = await submit_short(bridge.relay, bridge.account(), submission("12"))
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.WRONG_PHONE


async def test_what_goes_wrong_with_the_outcome_goes_wrong_with_the_answer() -> None:
    loop = asyncio.get_running_loop()
    answers: list[asyncio.Future[Outcome]] = [loop.create_future() for _ in range(3)]
    outcomes: list[asyncio.Future[Outcome]] = [loop.create_future() for _ in range(3)]
    outcomes[0].cancel()
    outcomes[1].set_exception(RuntimeError("bug"))
    outcomes[2].set_result(Accepted(1, 1))
    answers[2].cancel()  # no client waits any more
    for answer, outcome in zip(answers, outcomes, strict=True):
        pass_on(7, answer, outcome)
    assert isinstance(answers[0].result(), Failure)
    with pytest.raises(RuntimeError):
        answers[1].result()


async def test_the_id_told_of_a_repeat_leads_to_the_first(tmp_path: Path) -> None:
    accounts = {"crm": {"duplicate_window": "1h", "schedule": "bridge"}}
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        wish = submission(receipts=Receipts.SUCCESS)
        first = await bridge.submit(submission())
        assert isinstance(first, Accepted)
        told = [await submit_short(bridge.relay, bridge.account(), wish) for _ in range(2)]
        await sandbox.wait_for(1)
        for outcome in told:
            assert isinstance(outcome, Accepted)
            assert outcome.id < 2**32
            [stored] = await bridge.relay.query(bridge.account(), outcome.id)
            assert stored.message.id == first.id
        assert sandbox.message_count == 1


async def test_short_ids_begin_again_at_their_end_and_go_on_there_after_a_restart(
    tmp_path: Path,
) -> None:
    async with Sandbox() as sandbox:
        told: list[int] = []
        for _ in range(2):
            async with relaying(tmp_path, sandbox) as bridge:
                if not told:
                    near_the_end = Alias((1 << 26) - 4099 << 6, 1)
                    early = message(1, phone="+380670000000")
                    await bridge.store.accept(Acceptance((early,), aliases=(near_the_end,)))
            async with relaying(tmp_path, sandbox) as bridge:
                for _ in range(5):
                    outcome = await submit_short(bridge.relay, bridge.account(), submission())
                    assert isinstance(outcome, Accepted)
                    told.append(outcome.id >> 6)
        last = (1 << 26) - 1
        assert told[:5] == [last - 1, last, 1, 2, 3]
        assert len(set(told)) == len(told)
        assert all(1 <= id <= last for id in told)
