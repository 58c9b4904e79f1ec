"""Parts of concatenated messages: gathered, joined once, each answered (with a real store)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, Receipts, State, Submission
from bridge.model.notice import Notice, receivers_of
from bridge.relay.concatenation import Gathering, Segment
from bridge.sandbox import Sandbox
from bridge.store import Acceptance, Repeats, StoreFull
from tests.relaying import Relaying, relaying, taking_no, without
from tests.samples import submission

TEXTS = ("one ", "two ", "three")


class Clock:
    def __init__(self, now: float) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


class Gatherer:
    """Adds parts whose content is their text."""

    def __init__(self, bridge: Relaying, timeout: float = 300) -> None:
        self.bridge = bridge
        self.clock = Clock(bridge.relay._clock())
        relay, store = bridge.relay, bridge.store
        self.gathering = Gathering(store, relay, relay.next_id, timeout, self.clock)
        self.joins = 0

    def add(
        self,
        number: int,
        *,
        text: str | None = None,
        reference: int = 7,
        total: int = 3,
        name: str = "crm",
        short_id: bool = False,
        phone: str = "+380501234567",
        **fields: Any,
    ) -> asyncio.Future[Outcome]:
        text = TEXTS[number - 1] if text is None else text
        part = submission(phone, text=text, **fields)
        segment = Segment(reference, total, number, part, text.encode())

        def join(contents: Sequence[bytes]) -> Submission:
            self.joins += 1
            return part._replace(text=b"".join(contents).decode())

        return self.gathering.add(self.bridge.account(name), segment, join, short_id=short_id)

    async def taken(self, *arguments: Any, **keywords: Any) -> Accepted:
        async with asyncio.timeout(30):
            outcome = await self.add(*arguments, **keywords)
        assert isinstance(outcome, Accepted), outcome
        return outcome

    async def refused(self, *arguments: Any, **keywords: Any) -> Failure:
        async with asyncio.timeout(30):
            outcome = await self.add(*arguments, **keywords)
        assert isinstance(outcome, Failure), outcome
        return outcome


@asynccontextmanager
async def gatherer(
    folder: Path, sandbox: Sandbox, timeout: float = 300, **account: Any
) -> AsyncIterator[Gatherer]:
    accounts = {"crm": account, "other": {}}
    async with relaying(folder, sandbox, accounts=accounts) as bridge:
        gathering = Gatherer(bridge, timeout)
        running = asyncio.create_task(gathering.gathering.run())
        await asyncio.sleep(0)
        try:
            yield gathering
        finally:
            running.cancel()
            await asyncio.wait({running})


@pytest.mark.parametrize("order", [(1, 2, 3), (3, 1, 2), (2, 3, 1)])
async def test_parts_in_any_order_are_one_message(
    order: tuple[int, ...], tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        taken = [await parts.taken(number) for number in order]
        assert len({outcome.id for outcome in taken}) == 3
        assert [outcome.queued for outcome in taken] == [True, True, False]
        [received] = sandbox.messages
        assert received.text == "one two three"
        relay, account = parts.bridge.relay, parts.bridge.account()
        for outcome in taken:
            [stored] = await relay.query(account, outcome.id)
            assert str(stored.message.id) == received.id
            assert stored.state is State.SENT


async def test_receipts_go_out_under_the_ids_of_parts(tmp_path: Path, sandbox: Sandbox) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        wish = Receipts.SUCCESS | Receipts.FAILURE
        await parts.taken(1)
        await parts.taken(2, receipts=wish)
        last = await parts.taken(3)
        [stored] = await parts.bridge.relay.query(parts.bridge.account(), last.id)
        assert stored.message.receipts == Receipts.ALIASES


async def test_a_part_is_checked_before_it_is_stored(tmp_path: Path, sandbox: Sandbox) -> None:
    async with gatherer(tmp_path, sandbox, max_parts=3) as parts:
        assert (await parts.refused(1, phone="+3805")).reason is Reason.WRONG_PHONE
        assert (await parts.refused(1, sender="Other")).reason is Reason.SENDER_NOT_ALLOWED
        assert (await parts.refused(1, total=4)).reason is Reason.TEXT_TOO_LONG
        assert await parts.bridge.store.expired_parts(2**40, 100) == []


async def test_each_part_takes_a_token_of_the_rate_and_the_message_none_besides(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox, rate=0.001, burst=4) as parts:
        for number in (1, 2, 3):
            await parts.taken(number)
        assert [m.text for m in sandbox.messages] == ["one two three"]
        await parts.taken(1, reference=8)
        assert (await parts.refused(2, reference=8)).reason is Reason.TOO_FAST


async def test_parts_that_wait_have_places_in_the_backlog(tmp_path: Path, sandbox: Sandbox) -> None:
    limit = {"backlog_limit": 3}
    async with relaying(tmp_path, sandbox, store=limit) as bridge:
        parts = Gatherer(bridge)
        running = asyncio.create_task(parts.gathering.run())
        for reference in range(3):
            await parts.taken(1, total=2, reference=reference)
        assert (await parts.refused(1, total=2, reference=3)).reason is Reason.BRIDGE_FULL
        # They expire, and make room.
        parts.clock.now += 301
        await parts.gathering._sweep()
        parts.clock.now -= 301
        await parts.taken(1, total=2, reference=3)
        await parts.taken(2, total=2, reference=3)
        assert len(sandbox.messages) == 1
        running.cancel()


async def test_parts_do_not_expire_before_a_step_of_the_clock_is_followed(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        parts = Gatherer(bridge)

        async def follow_clock() -> None:
            parts.clock.now -= 3600

        parts.gathering = Gathering(
            bridge.store,
            bridge.relay,
            bridge.relay.next_id,
            300,
            parts.clock,
            follow_clock,
        )
        running = asyncio.create_task(parts.gathering.run())
        await parts.taken(1, total=2)
        parts.clock.now += 3600
        await parts.gathering._sweep()
        await parts.taken(2, total=2)
        assert len(sandbox.messages) == 1
        running.cancel()


async def test_parts_that_another_node_completed_give_their_places_back(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox, store={"backlog_limit": 3}) as bridge:
        here, there = Gatherer(bridge), Gatherer(bridge)
        running = asyncio.create_task(there.gathering.run())
        for reference in range(3):
            await here.taken(1, total=2, reference=reference)
            await there.taken(2, total=2, reference=reference)
        await bridge.drained()
        assert (await here.refused(1, total=2, reference=3)).reason is Reason.BRIDGE_FULL
        here.clock.now += 301
        await here.gathering._sweep()
        await here.taken(1, total=2, reference=3)
        running.cancel()


async def test_a_part_that_comes_again_gives_back_its_own_place_alone(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: Acceptance) -> asyncio.Future[Repeats]:
        raise StoreFull("no room")

    async with relaying(tmp_path, sandbox, store={"backlog_limit": 3}) as bridge:
        parts = Gatherer(bridge)
        for reference in range(2):
            await parts.taken(1, total=2, reference=reference)
        with monkeypatch.context() as disk:
            disk.setattr(bridge.store, "accept", full)
            for _ in range(3):
                await parts.refused(2, total=2, reference=0)
        await parts.taken(1, total=2, reference=2)
        await parts.taken(1, total=2, reference=3)
        assert (await parts.refused(1, total=2, reference=4)).reason is Reason.BRIDGE_FULL


async def test_more_parts_than_allowed_may_be_cut_instead(tmp_path: Path, sandbox: Sandbox) -> None:
    async with gatherer(tmp_path, sandbox, max_parts=1, long_text="truncate") as parts:
        await parts.taken(1, total=2, text="a" * 150)
        await parts.taken(2, total=2, text="b" * 150)
        [received] = sandbox.messages
        assert received.text == "a" * 150 + "b" * 10


async def test_a_part_of_blanks_counts_if_another_has_more_to_say(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        await parts.taken(1, text="  \n", total=2)
        await parts.taken(2, text="text", total=2)
        assert [m.text for m in sandbox.messages] == ["  \ntext"]
        await parts.taken(1, text=" ", total=2, reference=8)
        assert (await parts.refused(2, text="", total=2, reference=8)).reason is Reason.NO_TEXT


async def test_the_last_part_carries_what_the_api_says(tmp_path: Path, sandbox: Sandbox) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        sandbox.fault("400")
        await parts.taken(1)
        await parts.taken(2)
        refused = await parts.refused(3)
        # So does each repeated part: nothing of the message was sent.
        again = await parts.refused(3)
        assert again.reason is refused.reason
        assert (await parts.refused(1)).reason is refused.reason
        assert parts.joins == 1


async def owed(parts: Gatherer, count: int) -> list[Notice]:
    """The account's owed receipts, once there are this many."""
    found: list[Notice] = []
    async with asyncio.timeout(30):
        while len(found) < count:
            claimed = await parts.bridge.store.claim_notices(receivers_of("crm"), 2**40, 10)
            found += [one.notice for one in claimed]
            await asyncio.sleep(0.01)
    return found


async def test_the_other_parts_that_asked_are_owed_what_the_last_one_hears(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        sandbox.fault("400")
        first = await parts.taken(1, receipts=Receipts.FAILURE)
        await parts.taken(2, receipts=Receipts.SUCCESS)
        await parts.refused(3, receipts=Receipts.FAILURE)
        [notice] = await owed(parts, 1)
        assert (notice.known_as, notice.state) == (first.id, State.REJECTED)
        [stored] = await parts.bridge.relay.query(parts.bridge.account(), first.id)
        assert notice.about == stored.message.id


async def test_parts_of_a_duplicate_are_owed_that_it_was_refused(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    refusing: dict[str, Any] = {"duplicate_window": "1h", "duplicates": "refuse"}
    async with gatherer(tmp_path, sandbox, **refusing) as parts:
        for number in (1, 2, 3):
            await parts.taken(number)
        again = await parts.taken(1, reference=8, receipts=Receipts.FAILURE)
        unasked = await parts.taken(2, reference=8)
        assert (await parts.refused(3, reference=8)).reason is Reason.DUPLICATE
        [notice] = await owed(parts, 1)
        assert (notice.known_as, notice.state) == (again.id, State.REJECTED)
        # All ids give the same answer.
        for outcome in (again, unasked):
            part = await parts.bridge.relay.unjoined(parts.bridge.account(), outcome.id)
            assert part.state is State.REJECTED


async def test_the_refusal_of_a_duplicate_is_answered_though_its_notices_cannot_be_stored(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    refusing: dict[str, Any] = {"duplicate_window": "1h", "duplicates": "refuse"}
    async with gatherer(tmp_path, sandbox, **refusing) as parts:
        for number in (1, 2, 3):
            await parts.taken(number)
        others = [
            await parts.taken(number, reference=8, receipts=Receipts.FAILURE) for number in (1, 2)
        ]
        with taking_no(tmp_path, "notice"), capture_logs() as logs:
            assert (await parts.refused(3, reference=8)).reason is Reason.DUPLICATE
            async with asyncio.timeout(30):
                while "parts_receipts_failed" not in [line["event"] for line in logs]:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        assert not [line for line in logs if line.get("exc_info")], "it is no fault of the program"
        # Once there is room they are stored: each id that was told leads to the refusal.
        async with asyncio.timeout(30):
            while len(found := await owed(parts, 2)) < 2:  # noqa: ASYNC110 - a row, no event
                await asyncio.sleep(0.05)
        assert {(one.known_as, one.state) for one in found} == {
            (one.id, State.REJECTED) for one in others
        }


async def test_a_part_that_comes_again_while_its_message_cannot_be_looked_up_is_refused(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        taken = [await parts.taken(number) for number in (1, 2, 3)]
        with without(tmp_path, "alias"), capture_logs() as logs:
            failure = await parts.refused(2)
            assert failure.reason is Reason.OPERATION_FAILED
        assert not [line for line in logs if line.get("exc_info")], "it is no fault of the program"
        assert (await parts.taken(2)).id == taken[1].id
        assert sandbox.message_count == 1


async def test_the_ids_told_of_parts_of_a_repeat_lead_to_the_first_message(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox, duplicate_window="1h") as parts:
        first = [await parts.taken(number) for number in (1, 2, 3)]
        again = [
            await parts.taken(number, reference=8, receipts=Receipts.SUCCESS)
            for number in (1, 2, 3)
        ]
        assert len({outcome.id for outcome in first + again}) == 6
        assert sandbox.message_count == 1
        found = [
            await parts.bridge.relay.query(parts.bridge.account(), outcome.id)
            for outcome in first + again
        ]
        assert len({stored.message.id for [stored] in found}) == 1
        # The first part requested no receipt; the others get receipts under their own ids.
        [stored] = found[0]
        assert stored.message.receipts & Receipts.ALIASES


async def test_a_part_alone_is_known_to_its_own_account(tmp_path: Path, sandbox: Sandbox) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        taken = await parts.taken(2, receipts=Receipts.SUCCESS)
        relay = parts.bridge.relay
        part = await relay.unjoined(parts.bridge.account(), taken.id)
        assert (part.state, part.about.missing) == (State.ACCEPTED, (1, 3))
        for account, id in (("other", taken.id), ("crm", taken.id + 1)):
            with pytest.raises(Failure) as failure:
                await relay.unjoined(parts.bridge.account(account), id)
            assert failure.value.reason is Reason.NOT_FOUND


async def test_a_part_that_comes_again_is_answered_again_and_sent_once(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        first = [await parts.taken(number) for number in (1, 1, 2, 3)]
        assert first[0].id == first[1].id
        again = [await parts.taken(number) for number in (2, 3, 1)]
        assert [outcome.id for outcome in again] == [first[2].id, first[3].id, first[0].id]
        assert sandbox.message_count == 1


async def test_parts_that_come_twice_at_once_are_sent_once(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        outcomes = await asyncio.gather(*(parts.add(number) for number in (3, 2, 3, 1, 1, 2)))
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert parts.joins == 1
        assert [m.text for m in sandbox.messages] == ["one two three"]


async def test_a_message_that_two_nodes_complete_at_once_is_sent_once(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        other = Gatherer(parts.bridge)  # joins by itself, as another node does
        await parts.taken(1)
        await parts.taken(2)
        async with asyncio.timeout(30):
            outcomes = await asyncio.gather(parts.add(3), other.add(3))
        assert (parts.joins, other.joins) == (1, 1)
        first, second = outcomes
        assert isinstance(first, Accepted)
        assert isinstance(second, Accepted)
        assert first.id == second.id
        [received] = sandbox.messages
        again = await other.taken(2)
        [stored] = await parts.bridge.relay.query(parts.bridge.account(), again.id)
        assert str(stored.message.id) == received.id


async def test_references_that_interleave_do_not_mix(tmp_path: Path, sandbox: Sandbox) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        for number in (1, 2):
            await parts.taken(number)
            await parts.taken(number, reference=8, text=f"other {number} ")
            await parts.taken(number, phone="+380501234568", text=f"phone {number} ")
            await parts.taken(number, name="other", text=f"account {number} ")
        await parts.taken(3, reference=8, text="3")
        await parts.taken(3, phone="+380501234568", text="3")
        await parts.taken(3)
        await parts.taken(3, name="other", text="3")
        assert [m.text for m in sandbox.messages] == [
            "other 1 other 2 3",
            "phone 1 phone 2 3",
            "one two three",
            "account 1 account 2 3",
        ]


async def test_parts_to_a_group_are_refused_also_beside_a_number(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    # The ids of the parts could not lead to the messages of a group.
    async with gatherer(tmp_path, sandbox) as parts:
        part = submission("+380501234567", "everybody", text="one ")
        segment = Segment(7, 2, 1, part, b"one ")
        outcome = await parts.gathering.add(parts.bridge.account(), segment, lambda _: part)
        assert isinstance(outcome, Failure)
        assert outcome.reason is Reason.BAD_PARAMETER


async def test_the_parts_of_a_text_to_several_lead_to_all_messages(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        both = submission("+380501234567", "+380671112233", text="part", receipts=Receipts.SUCCESS)
        told = [
            await parts.gathering.add(
                parts.bridge.account(),
                Segment(7, 2, number, both, b"%d" % number),
                lambda _: both._replace(text="the whole text"),
            )
            for number in (1, 2)
        ]
        await sandbox.wait_for(2)
        for outcome in told:
            assert isinstance(outcome, Accepted)
            found = await parts.bridge.relay.query(parts.bridge.account(), outcome.id)
            assert [one.message.phone for one in found] == ["+380501234567", "+380671112233"]


async def test_one_number_is_one_destination_however_it_is_written(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        await parts.taken(1, phone="0501234567", total=2)
        await parts.taken(2, phone="380501234567", total=2)
        assert [m.text for m in sandbox.messages] == ["one two "]


async def test_a_reference_that_is_always_the_same_makes_a_message_after_the_other(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        texts = [(f"a{n} ", f"b{n} ", f"c{n}") for n in range(20)]
        outcomes = await asyncio.gather(
            *(
                parts.add(number, text=text)
                for message in texts
                for number, text in enumerate(message, 1)
            )
        )
        assert all(isinstance(outcome, Accepted) for outcome in outcomes)
        assert sorted(m.text for m in sandbox.messages) == sorted(map("".join, texts))
        assert await parts.bridge.store.expired_parts(2**40, 100) == []


async def test_a_message_that_begins_while_the_one_before_is_joined_is_another(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        first = [parts.add(number) for number in (1, 2, 3)]
        second = [parts.add(1, text="next ")]
        await asyncio.gather(*first)
        second += [parts.add(2, text="message "), parts.add(3, text="here")]
        assert all(isinstance(o, Accepted) for o in await asyncio.gather(*second))
        assert [m.text for m in sandbox.messages] == ["one two three", "next message here"]


async def test_parts_whose_message_was_refused_temporarily_are_joined_later(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox, rate=0.001, burst=3) as parts:
        await parts.taken(1, total=2)
        await parts.taken(2, total=2)
        await parts.taken(1, total=2, reference=8)
        assert (await parts.refused(2, total=2, reference=8)).reason is Reason.TOO_FAST
        parts.bridge.account()._bucket._tokens = 1.0
        await parts.taken(2, total=2, reference=8)
        assert sandbox.message_count == 2


async def test_parts_survive_a_restart(tmp_path: Path, sandbox: Sandbox) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        first = await parts.taken(1)
    async with gatherer(tmp_path, sandbox) as parts:
        assert (await parts.taken(1)).id == first.id
        await parts.taken(3)
    async with gatherer(tmp_path, sandbox) as parts:
        await parts.taken(2)
        assert [m.text for m in sandbox.messages] == ["one two three"]
    async with gatherer(tmp_path, sandbox) as parts:
        assert (await parts.taken(1)).id == first.id
        assert sandbox.message_count == 1


async def test_parts_that_wait_in_vain_expire(tmp_path: Path, sandbox: Sandbox) -> None:
    async with gatherer(tmp_path, sandbox, timeout=0.2) as parts:
        with capture_logs() as logs:
            await parts.taken(1)
            await parts.taken(2)
            parts.clock.now += 10
            async with asyncio.timeout(30):
                while not any(line["event"] == "parts_expired" for line in logs):  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
        [line] = [line for line in logs if line["event"] == "parts_expired"]
        assert (line["account"], line["parts"], line["total"]) == ("crm", 2, 3)
        assert line["to"] == "+3805******67"
        assert (await parts.taken(3)).queued  # the first of the next one
        assert sandbox.messages == []


async def test_a_short_id_leads_to_the_message(tmp_path: Path, sandbox: Sandbox) -> None:
    async with gatherer(tmp_path, sandbox) as parts:
        ids = [(await parts.taken(number, short_id=True)).id for number in (1, 2, 3)]
        assert all(0 < id < 2**32 for id in ids)
        [stored] = await parts.bridge.relay.query(parts.bridge.account(), ids[0])
        assert stored.message.text == "one two three"


@pytest.mark.parametrize("error", [Failure(Reason.UNDECODABLE_TEXT), RuntimeError("bug")])
async def test_what_cannot_be_joined_is_refused(
    error: Exception, tmp_path: Path, sandbox: Sandbox
) -> None:
    async with gatherer(tmp_path, sandbox) as parts:

        def join(_: Sequence[bytes]) -> Submission:
            raise error

        account, part = parts.bridge.account(), submission(text="x")
        await parts.gathering.add(account, Segment(1, 2, 1, part, b"1"), join)
        outcome = await parts.gathering.add(account, Segment(1, 2, 2, part, b"2"), join)
        assert isinstance(outcome, Failure)
        expected = error.reason if isinstance(error, Failure) else Reason.OPERATION_FAILED
        assert outcome.reason is expected
