"""Short ids of submissions."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

import pytest

from bridge.model.contact import Contact
from bridge.model.failure import Failure, Reason
from bridge.model.message import FINAL, Accepted, Outcome, Receipts, Recipient, State
from bridge.model.notice import receivers_of
from bridge.relay.group_recipients import AT_ONCE
from bridge.relay.short_ids import pass_on, submit_short
from bridge.sandbox import Sandbox
from bridge.store import Acceptance, Alias, Status
from bridge.store.directory.importing import Entry, import_contacts
from tests.relaying import Relaying, relaying
from tests.samples import message, submission
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures


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


async def receipts(bridge: Relaying, count: int) -> list[int]:
    """The ids in the owed receipts, once there are this many."""
    found: list[int] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            claimed = await bridge.store.claim_notices(receivers_of("crm"), 2**40, 1000)
            found += [one.notice.known_as for one in claimed]
            await asyncio.sleep(0.01)
    return found


async def delivered(bridge: Relaying, id: int, count: int) -> None:
    """Has all messages with the id delivered, as soon as there are this many."""
    async with asyncio.timeout(30):
        found = await bridge.store.submission(id)
        while len(found) < count or any(one.state is not State.SENT for one in found):
            await asyncio.sleep(0.01)
            found = await bridge.store.submission(id)
    at = int(time.time())
    said = [Status(one.upstream_id, "delivered", State.DELIVERED, at) for one in found]
    await bridge.store.note_statuses(said)
    for one in await bridge.relay.query(bridge.account(), id):
        assert one.state in FINAL


async def test_the_short_id_of_several_messages_leads_to_all_of_them(
    tmp_path: Path, store: dict[str, Any] | None
) -> None:
    wish = submission("+380501234567", "+380671112233", receipts=Receipts.SUCCESS)
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox, store=store) as bridge:
        outcome = await submit_short(bridge.relay, bridge.account(), wish)
        assert isinstance(outcome, Accepted)
        assert outcome.id < 2**32
        await delivered(bridge, outcome.id, 2)
        assert await receipts(bridge, 2) == [outcome.id] * 2


@pytest.mark.parametrize("size", [2, AT_ONCE + 1], ids=["small", "large"])
async def test_the_short_id_of_a_text_to_a_group_leads_to_its_messages(
    tmp_path: Path, store: dict[str, Any] | None, size: int
) -> None:
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox, store=store) as bridge:
        entries = [
            Entry(n, Contact(0, (f"+38050{n:07}",)), ("Everybody",))
            for n in range(1000, 1000 + size)
        ]
        await bridge.directory.change(import_contacts, "crm", entries, dry_run=False)
        wish = submission(receipts=Receipts.SUCCESS)._replace(recipients=(Recipient("everybody"),))
        outcome = await submit_short(bridge.relay, bridge.account(), wish)
        assert isinstance(outcome, Accepted)
        assert outcome.id < 2**32
        await delivered(bridge, outcome.id, size)
        assert await receipts(bridge, size) == [outcome.id] * size


async def test_a_send_out_is_cancelled_by_its_short_id(
    tmp_path: Path, store: dict[str, Any] | None
) -> None:
    async with Sandbox() as sandbox, relaying(tmp_path, sandbox, store=store) as bridge:
        await bridge.dispatcher.set_hold("account", "crm", True)
        wish = submission("+380501234567", "+380671112233")
        outcome = await submit_short(bridge.relay, bridge.account(), wish)
        assert isinstance(outcome, Accepted)
        await bridge.relay.cancel(bridge.account(), outcome.id)
        found = await bridge.relay.query(bridge.account(), outcome.id)
        assert [one.state for one in found] == [State.CANCELLED] * 2


async def test_the_short_id_of_several_repeated_messages_leads_to_the_first_ones(
    tmp_path: Path, store: dict[str, Any] | None
) -> None:
    accounts = {"crm": {"duplicate_window": "1h"}}
    both = submission("+380501234567", "+380671112233")
    async with (
        Sandbox() as sandbox,
        relaying(tmp_path, sandbox, store=store, accounts=accounts) as bridge,
    ):
        told = [await submit_short(bridge.relay, bridge.account(), both) for _ in range(2)]
        more = submission("+380501234567", "+380631112233")
        told.append(await submit_short(bridge.relay, bridge.account(), more))
        assert sandbox.message_count == 3
        found = []
        for outcome in told:
            assert isinstance(outcome, Accepted)
            assert outcome.id < 2**32
            stored = await bridge.relay.query(bridge.account(), outcome.id)
            found.append({one.message.phone for one in stored})
        # The repeated one of the last is not its own.
        assert found == [{"+380501234567", "+380671112233"}] * 2 + [{"+380631112233"}]
