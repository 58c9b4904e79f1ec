"""What comes again: duplicates of what lives and of what died, mails whose answer got lost."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Envelope, Outcome, Protocol, State, Stored, Submission
from bridge.model.notice import MAIL, Kind
from bridge.sandbox import Sandbox
from bridge.store import Acceptance, Repeats, StoreError, StoreFull, Story
from tests.relaying import Relaying, relaying
from tests.samples import submission
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures

WINDOW: dict[str, dict[str, Any]] = {"crm": {"duplicate_window": "1h", "schedule": "bridge"}}


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox() as sandbox:
        yield sandbox


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> dict[str, Any] | None:
    """Keys of the store's table; the rules hold on both engines."""
    if request.param == "sqlite":
        return None
    return {"url": request.getfixturevalue("database")}


def later() -> Submission:
    return submission(scheduled_at=int(time.time()) + 3600)


def mail(*phones: str) -> Submission:
    return submission(
        *phones,
        protocol=Protocol.SMTP,
        repeat_key=b"<1@shop.example>",
        envelope=Envelope(return_path="erp@shop.example"),
    )


def id_of(outcome: Outcome) -> int:
    assert isinstance(outcome, Accepted), outcome
    return outcome.id


async def state(bridge: Relaying, outcome: Outcome) -> State:
    [stored] = await bridge.relay.query(bridge.account(), id_of(outcome))
    return stored.state


async def waiting(bridge: Relaying) -> list[Stored]:
    return await bridge.store.waiting_for("crm", "+380501234567")


async def refusals(bridge: Relaying) -> int:
    """Reports of refused recipients that are owed."""
    owed = await bridge.store.claim_notices(MAIL, 2**40, 100)
    return sum(one.notice.kind is Kind.REFUSED for one in owed)


async def test_a_duplicate_of_what_was_cancelled_is_sent(
    tmp_path: Path, sandbox: Sandbox, store: dict[str, Any] | None
) -> None:
    async with relaying(tmp_path, sandbox, accounts=WINDOW, store=store) as bridge:
        first = await bridge.submit(later())
        await bridge.relay.cancel(bridge.account(), id_of(first))
        second = await bridge.submit(submission())
        assert id_of(second) != id_of(first)
        assert await state(bridge, second) is State.SENT
        third = await bridge.submit(submission())
        assert id_of(third) == id_of(second), "the second lives"
        assert sandbox.message_count == 1


async def test_a_duplicate_of_what_was_rejected_held_or_expired_is_sent(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox, accounts=WINDOW, unknown_outcome="hold") as bridge:
        sandbox.fault("400", count=1)
        assert isinstance(await bridge.submit(submission(text="rejected")), Failure)
        assert await state(bridge, await bridge.submit(submission(text="rejected"))) is State.SENT
        sandbox.fault("hang-up-after", count=1)
        assert await state(bridge, await bridge.submit(submission(text="held"))) is State.HELD
        assert await state(bridge, await bridge.submit(submission(text="held"))) is State.SENT
        sandbox.fault("503", count=1)
        assert isinstance(await bridge.submit(submission(text="expired", ttl=1)), Failure)
        assert await state(bridge, await bridge.submit(submission(text="expired"))) is State.SENT


async def test_of_two_duplicates_at_once_of_what_died_one_is_sent(
    tmp_path: Path, sandbox: Sandbox, store: dict[str, Any] | None
) -> None:
    async with relaying(tmp_path, sandbox, accounts=WINDOW, store=store) as bridge:
        first = await bridge.submit(later())
        await bridge.relay.cancel(bridge.account(), id_of(first))
        outcomes = await asyncio.gather(*(bridge.submit(submission()) for _ in range(5)))
        assert len({id_of(outcome) for outcome in outcomes}) == 1
        assert sandbox.message_count == 1


async def test_several_of_which_some_came_before_and_died(tmp_path: Path, sandbox: Sandbox) -> None:
    async with relaying(tmp_path, sandbox, accounts=WINDOW) as bridge:
        dead = await bridge.submit(later())
        await bridge.relay.cancel(bridge.account(), id_of(dead))
        alive = await bridge.submit(submission("+380501234568"))
        both = await bridge.submit(submission("+380501234567", "+380501234568", "+380501234569"))
        assert isinstance(both, Accepted)
        assert both.parts == 3
        assert id_of(both) != id_of(alive)
        assert len(await bridge.relay.query(bridge.account(), both.id)) == 2
        assert sandbox.message_count == 3


async def test_the_same_text_takes_the_place_of_one_that_waits_and_is_sent_once(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox, accounts=WINDOW) as bridge:
        first = await bridge.submit(later())
        replacing = submission(replace_if_present=True)
        second = await bridge.submit(replacing._replace(scheduled_at=int(time.time()) + 3600))
        # The one that waits is the same: it stays, and is what the client is told of.
        assert id_of(second) == id_of(first)
        assert await state(bridge, first) is State.ACCEPTED


async def test_what_waits_stays_where_its_replacement_is_refused(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    accounts = {"crm": {"schedule": "bridge"}}
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        first = await bridge.submit(later())

        def full(acceptance: Acceptance) -> asyncio.Future[Repeats]:
            raise StoreFull("no room")

        with monkeypatch.context() as disk:
            disk.setattr(bridge.store, "accept", full)
            newer = submission(text="newer", replace_if_present=True)
            refused = await bridge.submit(newer)
            assert isinstance(refused, Failure)
            assert refused.reason is Reason.BRIDGE_FULL
        assert await state(bridge, first) is State.ACCEPTED
        assert await state(bridge, await bridge.submit(newer)) is State.SENT
        assert await state(bridge, first) is State.CANCELLED


async def test_a_bridge_that_dies_has_replaced_what_it_stored_and_nothing_else(
    tmp_path: Path,
    sandbox: Sandbox,
    store: dict[str, Any] | None,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    accounts = {"crm": {"schedule": "bridge"}}
    async with relaying(tmp_path, sandbox, accounts=accounts, store=store) as bridge:
        first = await bridge.submit(later())
        newer = later()._replace(text="newer", replace_if_present=True)
        with monkeypatch.context() as crash:
            # Nothing comes after the commit.
            dies, checked = asyncio.Event(), asyncio.Event()
            accept = bridge.store.accept

            async def commit(acceptance: Acceptance) -> Repeats:
                repeats = await accept(acceptance)
                dies.set()
                await checked.wait()
                return repeats

            crash.setattr(bridge.store, "accept", commit)
            lost = asyncio.ensure_future(bridge.submit(newer))
            await dies.wait()
            states = {one.message.text: one.state for one in await waiting(bridge)}
            assert states == {"newer": State.ACCEPTED}
            assert await state(bridge, first) is State.CANCELLED
            checked.set()
            await lost


async def test_of_several_that_replace_each_other_at_once_the_last_waits(
    tmp_path: Path, sandbox: Sandbox, store: dict[str, Any] | None
) -> None:
    accounts = {"crm": {"schedule": "bridge"}}
    async with relaying(tmp_path, sandbox, accounts=accounts, store=store) as bridge:
        newer = [later()._replace(text=f"{n}", replace_if_present=True) for n in range(5)]
        outcomes = await asyncio.gather(*map(bridge.submit, newer))
        assert [await state(bridge, one) for one in outcomes] == [
            *[State.CANCELLED] * 4,
            State.ACCEPTED,
        ]


async def test_what_may_have_been_delivered_is_not_replaced(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox, unknown_outcome="hold") as bridge:
        sandbox.fault("hang-up-after", count=1)
        first = await bridge.submit(submission())
        assert await state(bridge, first) is State.HELD
        newer = await bridge.submit(submission(text="newer", replace_if_present=True))
        assert await state(bridge, newer) is State.SENT
        assert await state(bridge, first) is State.HELD


async def test_a_mail_that_comes_again_gets_no_second_report_of_refused_recipients(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        first = await bridge.submit(mail("0501234567", "12"))
        assert id_of(await bridge.submit(mail("0501234567", "12"))) == id_of(first)
        assert await refusals(bridge) == 1


async def test_a_mail_that_comes_again_reports_what_was_never_reported(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        with monkeypatch.context() as crash:
            # The messages are stored, and the bridge dies before it owes the report.
            died = asyncio.Event()
            crash.setattr(bridge.pending, "_owe_notice", lambda *_: died.set())
            lost = asyncio.ensure_future(bridge.submit(mail("0501234567", "12")))
            await died.wait()
            lost.cancel()
        again = await bridge.submit(mail("0501234567", "12"))
        assert isinstance(again, Accepted)
        [owed] = await bridge.store.claim_notices(MAIL, 2**40, 100)
        assert owed.stored is not None, "it is about a message that there is"


async def test_a_repeat_whose_first_cannot_be_looked_up_is_told_no_id(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        first = await bridge.submit(mail("0501234567"))

        async def away(id: int) -> Story | None:
            raise StoreError("the database is away")

        with monkeypatch.context() as database:
            database.setattr(bridge.store, "story", away)
            refused = await bridge.submit(mail("0501234567"))
            assert isinstance(refused, Failure)
            assert refused.reason is Reason.OPERATION_FAILED
        assert await bridge.submit(mail("0501234567")) == first
