"""Query, cancel and replace, with a real store and the sandbox API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import (
    Accepted,
    Receipts,
    State,
)
from bridge.sandbox import Sandbox
from tests.relaying import id_of, relaying, without
from tests.samples import numbered, submission


async def test_an_account_sees_only_its_own_messages(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox, accounts={"crm": {}, "bank": {}}) as bridge:
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        with pytest.raises(Failure) as caught:
            await bridge.relay.query(bridge.account("bank"), outcome.id)
        assert caught.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize("verb", ["query", "unjoined", "cancel", "cancel_matching", "replace"])
async def test_a_store_that_cannot_be_read_is_a_failure_of_the_request(
    tmp_path: Path, sandbox: Sandbox, verb: str
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        asked = ("Shop", "0501234567") if verb == "cancel_matching" else (1,)
        more = {"text": "text"} if verb == "replace" else {}
        with without(tmp_path, "message", "part"), pytest.raises(Failure) as caught:
            await getattr(bridge.relay, verb)(bridge.account(), *asked, **more)
        assert caught.value.reason is Reason.OPERATION_FAILED


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
        assert await bridge.states(outcomes[1]) == [State.CANCELLED]


async def test_a_sent_message_cannot_be_cancelled(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        with pytest.raises(Failure) as caught:
            await bridge.relay.cancel(bridge.account(), outcome.id)
        assert caught.value.reason is Reason.NOT_FOUND
        assert await bridge.states(outcome) == [State.SENT]


@pytest.mark.parametrize("outcome", ["retry", "hold"])
async def test_a_message_that_may_have_been_delivered_is_neither_cancelled_nor_replaced(
    tmp_path: Path, sandbox: Sandbox, outcome: str
) -> None:
    sandbox.fault("hang-up-after")
    accounts = {"crm": {"answer": "queued"}}
    async with relaying(tmp_path, sandbox, accounts=accounts, unknown_outcome=outcome) as bridge:
        id = id_of(await bridge.submit(submission()))
        async with asyncio.timeout(30):
            while not (  # noqa: ASYNC110 - a stored number
                await bridge.relay.query(bridge.account(), id)
            )[0].message.unknown:
                await asyncio.sleep(0.01)
        with pytest.raises(Failure) as refused:
            await bridge.relay.cancel(bridge.account(), id)
        assert refused.value.reason is Reason.NOT_FOUND
        with pytest.raises(Failure) as refused:
            await bridge.relay.replace(bridge.account(), id, text="other")
        assert refused.value.reason is Reason.NOT_FOUND
        [stored] = await bridge.relay.query(bridge.account(), id)
        assert (stored.message.text, stored.state is State.CANCELLED) == (
            "Your code is 1234",
            False,
        )


async def test_a_message_in_flight_is_not_cancelled(tmp_path: Path, sandbox: Sandbox) -> None:
    sandbox.fault("slow", seconds=0.5)
    async with relaying(tmp_path, sandbox, accounts={"crm": {"answer": "queued"}}) as bridge:
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        await sandbox.wait_for(1)
        with pytest.raises(Failure):
            await bridge.relay.cancel(bridge.account(), outcome.id)
        await bridge.drained()
        assert await bridge.states(outcome) == [State.SENT]


async def test_cancelling_against_a_busy_dispatcher_is_all_or_nothing(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    """A message is either reported as cancelled or sent, never both."""
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
        assert await bridge.relay.cancel_matching(bridge.account(), "OTHER", "0500000000") == 1
        assert await bridge.relay.cancel_matching(bridge.account(), "", "0500000000") == 2
        with pytest.raises(Failure):
            await bridge.relay.cancel_matching(bridge.account(), "", "0500000000")
        await bridge.dispatcher.set_hold("account", "crm", False)
        await bridge.drained()
        assert [m.item["fromName"] for m in sandbox.messages] == ["Shop"]


async def test_a_waiting_message_can_be_replaced(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox, accounts={"crm": {"answer": "queued"}}) as bridge:
        await bridge.dispatcher.set_hold("account", "crm", True)
        outcome = await bridge.submit(submission())
        assert isinstance(outcome, Accepted)
        await bridge.relay.replace(bridge.account(), outcome.id, sender="SHOP", text="new text")
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
