"""Duplicates of messages that are alive or dead, and repeated mails after a lost answer."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path
from typing import Any

from structlog.testing import capture_logs

from bridge.model.failure import Failure, Reason
from bridge.model.message import (
    Accepted,
    Envelope,
    Outcome,
    Protocol,
    State,
    Submission,
)
from bridge.model.notice import MAIL, Kind
from bridge.sandbox import Sandbox
from bridge.store import Status
from tests.relay.waiting import WINDOW, later, state
from tests.relaying import Relaying, id_of, reason_of, relaying, repeated, taking_no, without
from tests.samples import submission
from tests.store.conftest import database, postgres  # noqa: F401 - fixtures


def mail(*phones: str) -> Submission:
    return submission(
        *phones,
        protocol=Protocol.SMTP,
        repeat_key=b"<1@shop.example>",
        envelope=Envelope(return_path="erp@shop.example"),
    )


async def refusals(bridge: Relaying, outcome: Outcome) -> int:
    """The number of owed reports of refused recipients. A claim returns only the first."""
    [stored] = await bridge.relay.query(bridge.account(), id_of(outcome))
    story = await bridge.store.story(stored.message.id)
    assert story is not None
    return sum(notice.kind is Kind.REFUSED for notice in story.notices)


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


async def test_a_duplicate_of_what_could_not_be_delivered_is_sent(
    tmp_path: Path, sandbox: Sandbox, store: dict[str, Any] | None
) -> None:
    async with relaying(tmp_path, sandbox, accounts=WINDOW, store=store) as bridge:
        first = await bridge.submit(submission())
        [stored] = await bridge.relay.query(bridge.account(), id_of(first))
        at = int(time.time())
        await bridge.store.note_statuses(
            [Status(stored.upstream_id, "undelivered", State.UNDELIVERABLE, at)]
        )
        assert id_of(await bridge.submit(submission())) != id_of(first)
        assert sandbox.message_count == 2


async def test_one_of_two_simultaneous_duplicates_of_a_failed_message_is_sent(
    tmp_path: Path, sandbox: Sandbox, store: dict[str, Any] | None
) -> None:
    async with relaying(tmp_path, sandbox, accounts=WINDOW, store=store) as bridge:
        first = await bridge.submit(later())
        await bridge.relay.cancel(bridge.account(), id_of(first))
        outcomes = await asyncio.gather(*(bridge.submit(submission()) for _ in range(5)))
        assert len({id_of(outcome) for outcome in outcomes}) == 1
        assert sandbox.message_count == 1


async def test_of_several_duplicates_only_those_of_dead_messages_are_sent(
    tmp_path: Path, sandbox: Sandbox
) -> None:
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


async def test_a_mail_that_comes_again_gets_no_second_report_of_refused_recipients(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        first = await bridge.submit(mail("0501234567", "12"))
        assert id_of(await bridge.submit(mail("0501234567", "12"))) == id_of(first)
        assert await refusals(bridge, first) == 1


async def test_a_mail_that_comes_again_reports_what_was_never_reported(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    # The messages are stored and sent, and the bridge ends before it can owe the report.
    async with relaying(tmp_path, sandbox) as bridge:
        with without(tmp_path, "notice"):
            lost = asyncio.ensure_future(bridge.submit(mail("0501234567", "12")))
            await sandbox.wait_for(1)
            await bridge.drained()
            bridge.relay.drain()
            assert isinstance(await lost, Accepted)
    async with relaying(tmp_path, sandbox) as bridge:
        assert await bridge.store.claim_notices(MAIL, 2**40, 100) == []
        again = await bridge.submit(mail("0501234567", "12"))
        assert isinstance(again, Accepted)
        [owed] = await bridge.store.claim_notices(MAIL, 2**40, 100)
        assert owed.stored is not None, "it is about a message that there is"


async def test_a_repeat_whose_first_cannot_be_looked_up_is_told_no_id(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox) as bridge:
        first = await bridge.submit(mail("0501234567"))
        with without(tmp_path, "event"):
            refused = await bridge.submit(mail("0501234567"))
            assert isinstance(refused, Failure)
            assert refused.reason is Reason.OPERATION_FAILED
        assert await bridge.submit(mail("0501234567")) == repeated(first)


async def test_a_duplicate_of_what_was_cancelled_that_cannot_be_stored_is_refused(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    async with relaying(tmp_path, sandbox, accounts=WINDOW) as bridge:
        first = await bridge.submit(later())
        await bridge.relay.cancel(bridge.account(), id_of(first))
        with taking_no(tmp_path, "message"), capture_logs() as logs:
            assert reason_of(await bridge.submit(submission())) is Reason.OPERATION_FAILED
        assert not [line for line in logs if line.get("exc_info")], "it is no fault of the program"
        assert await state(bridge, await bridge.submit(submission())) is State.SENT
        assert sandbox.message_count == 1


async def test_a_mail_that_comes_again_gets_the_first_answer(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    mail = submission("0501234567", "0671234567", repeat_key=b"message-id")
    async with relaying(tmp_path, sandbox) as bridge:
        first = await bridge.submit(mail)
        again = await bridge.submit(mail)
        assert again == repeated(first)
    async with relaying(tmp_path, sandbox) as bridge:
        assert await bridge.submit(mail) == repeated(first)
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
        assert reason_of(await bridge.submit(mail)) is Reason.WRONG_PHONE
        assert reason_of(await bridge.submit(mail)) is Reason.WRONG_PHONE
        assert sandbox.message_count == 0


async def test_duplicates_within_the_window_get_the_same_answer_or_no(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    accounts = {
        "crm": {"duplicate_window": "1m"},
        "bank": {"duplicate_window": "1m", "duplicates": "refuse"},
    }
    async with relaying(tmp_path, sandbox, accounts=accounts) as bridge:
        first = await bridge.submit(submission())
        assert await bridge.submit(submission()) == repeated(first)
        assert isinstance(await bridge.submit(submission(), "bank"), Accepted)
        assert reason_of(await bridge.submit(submission(), "bank")) is Reason.DUPLICATE
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
        assert await bridge.submit(mail) == repeated(first)
        other = await bridge.submit(submission(repeat_key=b"second"))
        assert reason_of(other) is Reason.DUPLICATE
        assert sandbox.message_count == 1
