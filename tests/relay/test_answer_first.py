"""When a receipt may go: after the answer that tells the client its id."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.accounts.accounts import Accounts
from bridge.config.settings import settings_from
from bridge.model.ids import Ids
from bridge.model.message import Outcome, Protocol, State, Stored
from bridge.model.notice import Kind, Notice, Owed, receivers_of
from bridge.relay.answer_first import AGAIN, MARGIN, AnswerFirst
from bridge.relay.pending_answers import ANSWER_WITHIN, PendingAnswer, PendingAnswers
from bridge.sending.moves import Progress
from tests.samples import NOW, account, message, submission

HERE, ELSEWHERE = 3, 4
OURS, THEIRS = (Ids(node, 0, lambda: NOW).next() for node in (HERE, ELSEWHERE))


class Node:
    """A node with one account, and the clients that wait at it."""

    def __init__(self, **settings: Any) -> None:
        self.now = float(NOW)
        crm = {"password": "secret12", "sender": "Shop"} | settings
        self.accounts = Accounts(settings_from({"accounts": {"crm": crm}}))
        self.pending = PendingAnswers(lambda notices: pytest.fail("owes"), lambda: self.now)
        self.first = AnswerFirst(HERE, self.accounts, self.pending, lambda: self.now)


def owed(id: int, *, sent_at: int = 0, **fields: Any) -> Owed:
    stored = Stored(message(id, **fields), State.DELIVERED, "up", NOW + 2, "", "", sent_at=sent_at)
    queue = receivers_of("crm")
    notice = Notice(queue, "crm", Kind.STATE, id, id, NOW + 2, NOW + 2, State.DELIVERED, id=1)
    return Owed(notice, stored)


async def test_a_receipt_waits_while_its_client_waits_at_this_node() -> None:
    node = Node()
    [recipient] = (asked := submission()).recipients
    about = message(OURS)
    answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
    node.pending.add(
        PendingAnswer(OURS, account(), asked, [(recipient, about)], [], answer), within=60
    )
    assert node.first.not_before(owed(OURS)) == NOW + AGAIN
    node.now += AGAIN
    assert node.first.not_before(owed(OURS)) == node.now + AGAIN
    node.pending.report(Progress(about, State.SENT, None))
    await answer
    assert node.first.not_before(owed(OURS)) == 0


async def test_a_receipt_of_this_node_goes_at_once_if_nobody_waits() -> None:
    assert Node().first.not_before(owed(OURS)) == 0


@pytest.mark.parametrize("protocol", list(Protocol))
async def test_another_nodes_client_may_wait_as_long_as_its_protocol_allows(
    protocol: Protocol,
) -> None:
    later = owed(THEIRS, protocol=protocol, submission_id=THEIRS - 1)
    assert Node().first.not_before(later) == NOW + ANSWER_WITHIN[protocol] + MARGIN


async def test_another_nodes_client_may_wait_as_long_as_its_account_allows() -> None:
    later = owed(THEIRS, submission_id=THEIRS - 1)
    assert Node(answer_within="9s").first.not_before(later) == NOW + 9 + MARGIN
    # It was answered "queued" at once.
    assert Node(answer="queued").first.not_before(later) == NOW + MARGIN


@pytest.mark.parametrize(("sent_at", "latest"), [(NOW + 1, NOW + 1), (0, NOW + 2)])
async def test_a_single_message_was_answered_when_its_outcome_was_known(
    sent_at: int, latest: int
) -> None:
    alone = owed(THEIRS, sent_at=sent_at)
    assert Node().first.not_before(alone) == latest + MARGIN


async def test_nobody_waits_for_what_is_gone() -> None:
    node = Node()
    assert node.first.not_before(owed(THEIRS)._replace(stored=None)) == 0
    assert node.first.not_before(owed(THEIRS, account="removed")) == 0


async def test_a_receipt_does_not_wait_until_a_clock_that_was_set_back_has_caught_up() -> None:
    node = Node()
    node.now = NOW - 3600
    assert node.first.not_before(owed(THEIRS, submission_id=7)) == 0
