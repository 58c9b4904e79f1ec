"""The one door, with a real store and the sandbox API behind it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import (
    Accepted,
    MessageType,
    Outcome,
    Receipts,
    Recipient,
    State,
    Submission,
)
from bridge.sandbox import Sandbox
from bridge.store import Acceptance, Repeats, StoreFull
from tests.relaying import Relaying, relaying
from tests.samples import submission


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


def numbered(n: int, **fields: Any) -> Submission:
    return submission(f"+38050{n:07}", text=f"text {n}", **fields)


def reason(outcome: Outcome) -> Reason:
    assert isinstance(outcome, Failure), outcome
    return outcome.reason


async def states(bridge: Relaying, outcome: Outcome) -> list[State]:
    assert isinstance(outcome, Accepted)
    stored = await bridge.relay.query(bridge.account(), outcome.id)
    return [one.state for one in stored]


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


async def test_what_waits_together_goes_together(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        outcomes = await asyncio.gather(*(bridge.submit(numbered(n)) for n in range(300)))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert sandbox.message_count == 300
        assert len(sandbox.requests) <= 5
        assert not sandbox.duplicates


async def test_only_the_bad_one_of_fifty_fails(tmp_path: Path, sandbox: Sandbox) -> None:
    bad = "+380500000033"
    sandbox.fault("400", phones=[bad])
    async with relaying(tmp_path, sandbox) as bridge:
        outcomes = await asyncio.gather(*(bridge.submit(numbered(n)) for n in range(50)))
        assert reason(outcomes[33]) is Reason.WRONG_PHONE
        assert "INVALID_PHONE" in str(outcomes[33])
        others = [outcome for n, outcome in enumerate(outcomes) if n != 33]
        assert all(isinstance(one, Accepted) and not one.queued for one in others)
        assert sorted(m.phone for m in sandbox.messages) == [
            f"+38050{n:07}" for n in range(50) if n != 33
        ]
        assert not sandbox.duplicates


async def test_one_bad_message_of_a_thousand_costs_few_requests(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("400", phones=["+380500000777"])
    async with relaying(tmp_path, sandbox, requests_per_second=1000, burst=1000) as bridge:
        phones = [f"+38050{n:07}" for n in range(1000)]
        outcome = await bridge.submit(submission(*phones))
        assert isinstance(outcome, Accepted)
        assert [r.address for r, _ in outcome.refused] == ["+380500000777"]
        assert outcome.parts == 999
        assert len(sandbox.requests) <= 25
        assert not sandbox.duplicates


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
        assert await states(bridge, outcome) == [State.SENT]


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
            assert await states(bridge, outcome) == [State.SENT]


async def test_nobody_waits_for_an_upstream_that_is_held(tmp_path: Path, sandbox: Sandbox) -> None:
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
        assert await states(bridge, first) == await states(bridge, second) == [State.SENT]


async def test_who_waits_hears_queued_when_the_next_request_comes_too_late_for_that(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {"crm": {"answer_within": "50s"}}
    sandbox.fault("429", retry_after=60)
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        outcome = await bridge.submit(numbered(1))
        assert isinstance(outcome, Accepted)
        assert outcome.queued


async def test_a_broken_api_is_asked_again_later(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("502", count=1)
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission())
        assert await states(bridge, outcome) == [State.SENT]
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
        assert await states(bridge, outcome) == [State.HELD]
        assert not sandbox.duplicates


async def test_a_message_the_answer_does_not_name_is_unknown(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("missing", count=1)
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission("+380500000001", "+380500000002"))
        assert await states(bridge, outcome) == [State.SENT, State.SENT]
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
        assert await states(bridge, outcome) == [State.SENT]
        assert len(sandbox.requests) == 2


async def test_some_refused_recipients_are_named(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission("0501234567", "12", "0671234567"))
        assert isinstance(outcome, Accepted)
        assert outcome.parts == 2
        assert [(r.address, f.reason) for r, f in outcome.refused] == [("12", Reason.WRONG_PHONE)]
        assert len(sandbox.requests) == 1
        assert await states(bridge, outcome) == [State.SENT, State.SENT]


async def test_what_was_refused_was_neither_stored_nor_sent(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        assert reason(await bridge.submit(submission("12"))) is Reason.WRONG_PHONE
        assert reason(await bridge.submit(submission(text=" "))) is Reason.NO_TEXT
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


async def test_an_account_sees_only_its_own_messages(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox, accounts={"crm": {}, "bank": {}}) as bridge:
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        with pytest.raises(Failure) as caught:
            await bridge.relay.query(bridge.account("bank"), outcome.id)
        assert caught.value.reason is Reason.NOT_FOUND


async def test_a_rate_lets_a_burst_within_the_average_pass(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox, accounts={"crm": {"rate": 10, "burst": 5}}) as bridge:
        outcomes = await asyncio.gather(*(bridge.submit(numbered(n)) for n in range(7)))
        assert [isinstance(one, Accepted) for one in outcomes] == [True] * 5 + [False] * 2
        assert reason(outcomes[-1]) is Reason.TOO_FAST


async def test_a_daily_limit_counts_over_a_restart(tmp_path: Path, sandbox: Sandbox) -> None:
    accounts = {"crm": {"daily_limit": 3}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        for n in range(2):
            assert isinstance(await bridge.submit(numbered(n)), Accepted)
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        assert isinstance(await bridge.submit(numbered(3)), Accepted)
        assert reason(await bridge.submit(numbered(4))) is Reason.TOO_FAST


async def test_a_daily_limit_counts_what_was_accepted_alone(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = {"crm": {"daily_limit": 2}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:

        def full(acceptance: Acceptance) -> asyncio.Future[Repeats]:
            refused: asyncio.Future[Repeats] = asyncio.get_running_loop().create_future()
            refused.set_exception(StoreFull("no room"))
            return refused

        with monkeypatch.context() as disk:
            disk.setattr(bridge.store, "accept", full)
            for n in range(3):
                assert reason(await bridge.submit(numbered(n))) is Reason.BRIDGE_FULL
        mail = numbered(1, repeat_key=b"1")
        for _ in range(3):
            assert isinstance(await bridge.submit(mail), Accepted)
        assert isinstance(await bridge.submit(numbered(2)), Accepted)
        assert reason(await bridge.submit(numbered(3))) is Reason.TOO_FAST


@pytest.mark.parametrize("verb", ["query", "unjoined", "cancel", "cancel_matching", "replace"])
async def test_a_store_that_is_away_is_a_failure_of_the_request(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, verb: str
) -> None:
    async def away(*asked: object) -> None:
        raise StoreFull("the database is away")

    async with relaying(tmp_path, sandbox) as bridge:
        for name in ("submission", "unjoined", "waiting_for"):
            monkeypatch.setattr(bridge.store, name, away)
        asked = ("Shop", "0501234567") if verb == "cancel_matching" else (1,)
        more = {"text": "text"} if verb == "replace" else {}
        with pytest.raises(Failure) as caught:
            await getattr(bridge.relay, verb)(bridge.account(), *asked, **more)
        assert caught.value.reason is Reason.BRIDGE_FULL


async def test_a_submission_to_a_closed_store_is_refused(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        await bridge.store.close()
        assert reason(await bridge.submit(numbered(1))) is Reason.OPERATION_FAILED


async def test_a_full_bridge_says_so_and_recovers(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("401")
    accounts = {"crm": {"answer": "queued"}}
    limit = {"backlog_limit": 2}
    async with relaying(tmp_path, sandbox, accounts=accounts, store=limit) as bridge:
        for n in range(2):
            assert isinstance(await bridge.submit(numbered(n)), Accepted)
        assert reason(await bridge.submit(numbered(2))) is Reason.BRIDGE_FULL
        sandbox.clear_faults()
        await bridge.drained()
        assert isinstance(await bridge.submit(numbered(3)), Accepted)


async def test_a_mail_that_comes_again_gets_the_first_answer(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    mail = submission("0501234567", "0671234567", repeat_key=b"message-id")
    async with relaying(tmp_path, sandbox) as bridge:
        first = await bridge.submit(mail)
        again = await bridge.submit(mail)
        assert first == again
    async with relaying(tmp_path, sandbox) as bridge:
        assert await bridge.submit(mail) == first
        assert sandbox.message_count == 2
        more = submission("0501234567", "0631234567", repeat_key=b"message-id")
        outcome = await bridge.submit(more)
        assert isinstance(outcome, Accepted)
        assert (outcome.parts, sandbox.message_count) == (2, 3)


async def test_a_refusal_is_remembered_for_a_mail_that_comes_again(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("400", count=1)
    mail = submission(repeat_key=b"message-id")
    async with relaying(tmp_path, sandbox) as bridge:
        assert reason(await bridge.submit(mail)) is Reason.WRONG_PHONE
        assert reason(await bridge.submit(mail)) is Reason.WRONG_PHONE
        assert sandbox.message_count == 0


async def test_duplicates_within_the_window_get_the_same_answer_or_no(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {
        "crm": {"duplicate_window": "1m"},
        "bank": {"duplicate_window": "1m", "duplicates": "refuse"},
    }
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        assert await bridge.submit(submission()) == await bridge.submit(submission())
        assert isinstance(await bridge.submit(submission(), "bank"), Accepted)
        assert reason(await bridge.submit(submission(), "bank")) is Reason.DUPLICATE
        assert isinstance(await bridge.submit(submission(text="other"), "bank"), Accepted)
        assert sandbox.message_count == 3


async def test_a_mail_may_come_again_but_not_another_with_its_text(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {"crm": {"duplicate_window": "1m", "duplicates": "refuse"}}
    mail = submission(repeat_key=b"first")
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        first = await bridge.submit(mail)
        assert isinstance(first, Accepted)
        assert await bridge.submit(mail) == first
        other = await bridge.submit(submission(repeat_key=b"second"))
        assert reason(other) is Reason.DUPLICATE
        assert sandbox.message_count == 1


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
        assert await states(bridge, outcome) == [State.SENT]


async def test_a_message_whose_validity_ended_is_not_sent(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("503", count=1)
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission(ttl=1))
        assert reason(outcome) is Reason.REFUSED
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


async def test_what_waits_is_sent_after_a_restart(tmp_path: Path, sandbox: Sandbox) -> None:
    accounts = {"crm": {"answer": "queued"}}
    sandbox.fault("401")
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        phones = [f"+38050{n:07}" for n in range(500)]
        outcome = await bridge.submit(submission(*phones))
    sandbox.clear_faults()
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        assert bridge.dispatcher.backlog == 500
        await bridge.drained()
        assert set(await states(bridge, outcome)) == {State.SENT}
        assert sandbox.message_count == 500
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


async def test_a_dry_run_is_answered_like_the_real_thing_and_does_nothing(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        good = await bridge.submit(numbered(1, dry_run=True))
        assert isinstance(good, Accepted)
        assert (good.parts, good.queued, good.refused) == (1, False, ())
        assert reason(await bridge.submit(submission(text="", dry_run=True))) is Reason.NO_TEXT
        with pytest.raises(Failure):
            await bridge.relay.query(bridge.account(), good.id)
        await bridge.drained()
    assert sandbox.message_count == 0


async def test_a_waiting_message_can_be_cancelled_and_is_never_sent(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox, accounts={"crm": {"answer": "queued"}}) as bridge:
        await bridge.dispatcher.set_hold("account", "crm", True)
        outcomes = [await bridge.submit(numbered(n)) for n in range(3)]
        ids = [outcome.id for outcome in outcomes if isinstance(outcome, Accepted)]
        await bridge.relay.cancel(bridge.account(), ids[1])
        with pytest.raises(Failure):
            await bridge.relay.cancel(bridge.account(), ids[1])
        await bridge.dispatcher.set_hold("account", "crm", False)
        await bridge.drained()
        assert [m.id for m in sandbox.messages] == [str(ids[0]), str(ids[2])]
        assert await states(bridge, outcomes[1]) == [State.CANCELLED]


async def test_a_sent_message_cannot_be_cancelled(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        with pytest.raises(Failure) as caught:
            await bridge.relay.cancel(bridge.account(), outcome.id)
        assert caught.value.reason is Reason.NOT_FOUND
        assert await states(bridge, outcome) == [State.SENT]


async def test_a_message_in_flight_is_not_cancelled(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("slow", seconds=0.5)
    async with relaying(tmp_path, sandbox, accounts={"crm": {"answer": "queued"}}) as bridge:
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        await sandbox.wait_for(1)
        with pytest.raises(Failure):
            await bridge.relay.cancel(bridge.account(), outcome.id)
        await bridge.drained()
        assert await states(bridge, outcome) == [State.SENT]


async def test_cancelling_against_a_busy_dispatcher_is_all_or_nothing(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """What is reported as cancelled was not sent; what was sent was not reported as cancelled."""
    accounts = {"crm": {"answer": "queued"}}
    async with relaying(tmp_path, sandbox, accounts=accounts, max_batch=10) as bridge:
        outcomes = await asyncio.gather(*(bridge.submit(numbered(n)) for n in range(300)))
        ids = [outcome.id for outcome in outcomes if isinstance(outcome, Accepted)]

        async def cancel(id: int) -> bool:
            try:
                await bridge.relay.cancel(bridge.account(), id)
            except Failure:
                return False
            return True

        done = await asyncio.gather(*map(cancel, reversed(ids)))
        cancelled = {str(id) for id, yes in zip(reversed(ids), done, strict=True) if yes}
        await bridge.drained()
        sent = {m.id for m in sandbox.messages}
        assert cancelled.isdisjoint(sent)
        assert cancelled | sent == set(map(str, ids))


async def test_messages_are_cancelled_by_sender_number_and_type(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {"crm": {"answer": "queued", "senders": ["Shop", "Other"]}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        await bridge.dispatcher.set_hold("account", "crm", True)
        for n, sender in enumerate(("", "Other", "Shop", "Shop")):
            await bridge.submit(submission(f"+38050000000{n // 3}", sender=sender))
        assert await bridge.relay.cancel_matching(bridge.account(), "", "0500000000") == 2
        with pytest.raises(Failure):
            await bridge.relay.cancel_matching(bridge.account(), "", "0500000000")
        await bridge.dispatcher.set_hold("account", "crm", False)
        await bridge.drained()
        assert sorted(m.item["fromName"] for m in sandbox.messages) == ["Other", "Shop"]


async def test_a_waiting_message_can_be_replaced(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox, accounts={"crm": {"answer": "queued"}}) as bridge:
        await bridge.dispatcher.set_hold("account", "crm", True)
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        await bridge.relay.replace(bridge.account(), outcome.id, text="new text")
        with pytest.raises(Failure) as caught:
            await bridge.relay.replace(bridge.account(), outcome.id, text="x" * 9999)
        assert caught.value.reason is Reason.TEXT_TOO_LONG
        await bridge.dispatcher.set_hold("account", "crm", False)
        await bridge.drained()
        assert [(m.id, m.text) for m in sandbox.messages] == [(str(outcome.id), "new text")]
        with pytest.raises(Failure):
            await bridge.relay.replace(bridge.account(), outcome.id, text="too late")


async def test_replacing_a_message_takes_no_report_from_its_account(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {"crm": {"answer": "queued", "receipts_to": "ops@shop.example"}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        await bridge.dispatcher.set_hold("account", "crm", True)
        outcome = await bridge.submit(submission(receipts=Receipts.SUCCESS))
        assert isinstance(outcome, Accepted)
        relay, crm = bridge.relay, bridge.account()
        await relay.replace(crm, outcome.id, text="new text", receipts=Receipts.FAILURE)
        [stored] = await relay.query(crm, outcome.id)
        assert stored.message.receipts == Receipts.FAILURE | Receipts.REPORT


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


async def test_one_message_can_be_held_and_released(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox, accounts={"crm": {"answer": "queued"}}) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        stored = await bridge.relay.query(bridge.account(), outcome.id)
        assert await bridge.dispatcher.move(stored, State.HELD) == [outcome.id]
        await bridge.dispatcher.set_hold("upstream", "cascade", False)
        await bridge.submit(numbered(1))
        await bridge.drained()
        assert sandbox.message_count == 1
        stored = await bridge.relay.query(bridge.account(), outcome.id)
        assert await bridge.dispatcher.move(stored, State.ACCEPTED) == [outcome.id]
        await bridge.drained()
        assert sandbox.message_count == 2


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
    bad = "+380500000777"
    sandbox.fault("400", phones=[bad])
    async with relaying(tmp_path, sandbox) as bridge:
        await bridge.submit(submission(*(f"+38050{n:07}" for n in range(1000))))
        assert sandbox.message_count == 999
        # One batch, and the two halves of what is refused, again and again.
        assert len(sandbox.requests) <= 1 + 2 * math.ceil(math.log2(1000))


async def test_an_outcome_that_stays_unknown_is_sent_twice_more_and_then_held(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    sandbox.fault("hang-up-after")
    async with relaying(tmp_path, sandbox, accounts={"crm": {"answer": "queued"}}) as bridge:
        outcome = await bridge.submit(submission())
        await bridge.drained()
        assert await states(bridge, outcome) == [State.HELD]
        assert sandbox.message_count == 3


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
        # Those in flight have begun before it, and each may have been followed by one.
        assert mine.request <= begun + 2 * 4 + 1
        assert sandbox.message_count < 3000
        bridge.dispatcher.stop()


async def test_promos_get_their_tenth_of_every_batch(tmp_path: Path, sandbox: Sandbox) -> None:
    accounts = {"shop": {"answer": "queued"}, "bank": {"answer": "queued"}}
    one_at_a_time: dict[str, Any] = {"max_batch": 100, "max_in_flight": 1}
    async with relaying(tmp_path, sandbox, accounts=accounts, **one_at_a_time) as bridge:
        await bridge.dispatcher.set_hold("upstream", "cascade", True)
        phones = [f"+38050{n:07}" for n in range(400)]
        await bridge.submit(submission(*phones, message_type=MessageType.PROMO), "shop")
        await bridge.submit(submission(*phones), "bank")
        await bridge.dispatcher.set_hold("upstream", "cascade", False)
        await bridge.drained()
        types = [m.item["messageType"] for m in sandbox.messages]
        for batch in (types[:100], types[100:200], types[200:300], types[300:400]):
            assert batch.count("promo") == 10
