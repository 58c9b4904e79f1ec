"""Waiting clients: what is durable before they get a success."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.mail_record import load_refused
from bridge.model.message import (
    Accepted,
    Envelope,
    Message,
    Outcome,
    Protocol,
    Receipts,
    Recipient,
    State,
    Submission,
)
from bridge.model.notice import MAIL, Kind, Notice
from bridge.relay.pending_answers import PendingAnswer, PendingAnswers
from bridge.sending.moves import Progress
from bridge.store import StoreFull
from tests.samples import NOW, account, message

ONE, OTHER, WRONG = Recipient("0501234567"), Recipient("0671234567"), Recipient("12")


class Owing:
    """Stores notices when a test allows it."""

    def __init__(self) -> None:
        self.notices: list[Notice] = []
        self.stored: list[asyncio.Future[None]] = []
        self.asked = asyncio.Event()

    def __call__(self, notices: Sequence[Notice]) -> asyncio.Future[None]:
        self.notices += notices
        self.asked.set()
        self.stored.append(asyncio.get_running_loop().create_future())
        return self.stored[-1]


class Some:
    """A mail to two recipients and a wrong one, with a waiting client."""

    def __init__(self, *wrong: Recipient, **envelope: Any) -> None:
        self.owing = Owing()
        self.clients = PendingAnswers(self.owing, lambda: NOW)
        asked = Submission(
            Protocol.SMTP,
            (ONE, OTHER, *(wrong or (WRONG,))),
            "text",
            envelope=Envelope(**({"return_path": "erp@shop.example"} | envelope)),
        )
        self.messages = [message(n, submission_id=10) for n in (11, 12)]
        prepared: list[tuple[Recipient, Message]] = list(
            zip((ONE, OTHER), self.messages, strict=True)
        )
        refused = [(one, Failure(Reason.WRONG_PHONE)) for one in wrong or (WRONG,)]
        self.answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.waiting = PendingAnswer(10, account(), asked, prepared, refused, self.answer)
        self.clients.add(self.waiting, 20)

    async def comes(self, number: int, state: State, failure: Failure | None = None) -> None:
        self.clients.report(Progress(self.messages[number], state, failure))
        await asyncio.sleep(0)


async def test_the_report_of_refused_recipients_is_stored_before_the_answer() -> None:
    some = Some()
    await some.comes(0, State.SENT)
    await some.comes(1, State.REJECTED, Failure(Reason.PROHIBITED, "country"))
    [notice] = some.owing.notices
    assert not some.answer.done()
    assert (notice.queue, notice.kind, notice.known_as) == (MAIL, Kind.REFUSED, 10)
    assert [(o.to, f.reason, f.detail) for o, f in load_refused(notice.content)] == [
        ("12", Reason.WRONG_PHONE, ""),
        ("0671234567", Reason.PROHIBITED, "country"),
    ]
    some.owing.stored[0].set_result(None)
    outcome = await some.answer
    assert isinstance(outcome, Accepted)
    assert len(outcome.refused) == 2


async def test_a_report_is_owed_once_even_if_the_time_is_over_meanwhile() -> None:
    some = Some()
    await some.comes(0, State.SENT)
    some.clients.give_up(some.waiting)
    some.clients.give_up(some.waiting)
    await some.comes(1, State.SENT)
    assert len(some.owing.notices) == 1
    some.owing.stored[0].set_result(None)
    outcome = await some.answer
    assert isinstance(outcome, Accepted)
    assert outcome.queued


async def test_if_every_message_is_refused_the_answer_says_so_and_no_report_is_owed() -> None:
    some = Some()
    for number in range(2):
        await some.comes(number, State.REJECTED, Failure(Reason.REFUSED))
    assert some.answer.done()
    assert some.owing.notices == []


async def test_a_notice_that_cannot_be_stored_does_not_make_the_others_go_again() -> None:
    some = Some()
    for number in range(2):
        await some.comes(number, State.SENT)
    some.owing.stored[0].set_exception(OSError("no room"))
    outcome = await some.answer
    assert isinstance(outcome, Accepted)
    assert len(outcome.refused) == 1


async def test_a_notice_is_stored_later_where_the_store_is_away(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.relay.pending_answers._OWE_AGAIN", 0.0)
    some = Some()
    for number in range(2):
        await some.comes(number, State.SENT)
    some.owing.stored[0].set_exception(StoreFull("no room"))
    some.owing.asked.clear()
    async with asyncio.timeout(30):
        await some.owing.asked.wait()
    assert not some.answer.done()
    some.owing.stored[1].set_result(None)
    assert isinstance(await some.answer, Accepted)


async def test_no_client_waits_for_a_notice_when_the_daemon_stops() -> None:
    some = Some()
    for number in range(2):
        await some.comes(number, State.SENT)
    some.clients.give_up_all()
    some.owing.stored[0].set_exception(StoreFull("no room"))
    assert isinstance(await some.answer, Accepted)


async def test_no_client_begins_to_wait_while_the_daemon_stops() -> None:
    some = Some(WRONG._replace(notify=Receipts.NONE))
    some.clients.give_up_all()
    late: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    prepared = [(ONE, message(21, submission_id=20))]
    asked = Submission(Protocol.SMTP, (ONE,), "text")
    some.clients.add(PendingAnswer(20, account(), asked, prepared, [], late), 3600)
    outcome = late.result()
    assert isinstance(outcome, Accepted)
    assert outcome.queued


async def test_a_mail_that_requests_no_reports_is_owed_none() -> None:
    for some in (
        Some(WRONG._replace(notify=Receipts.NONE)),
        Some(WRONG._replace(notify=Receipts.SUCCESS)),
        Some(return_path=""),
    ):
        for number in range(2):
            await some.comes(number, State.SENT)
        assert some.answer.done()
        assert some.owing.notices == []
