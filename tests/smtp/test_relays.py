"""Mail servers that relay to the bridge: sent, queued and bounced mails."""

from __future__ import annotations

import asyncio
import smtplib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import Outcome, Receipts, Submission
from bridge.sandbox import Sandbox
from tests.smtp.relays import Exim, MailServer, exim, postfix
from tests.smtp.standins import DOMAIN, ID, StandInRelay, accepted, running
from tests.smtp.test_reporting import whole

MAIL = """\
Subject: x
Message-ID: <1@erp.example.com>
Content-Type: text/plain; charset=utf-8

Замовлення готове
""".encode()


@pytest.fixture(scope="module", params=[postfix, exim], ids=["postfix", "exim"])
def server(request: pytest.FixtureRequest) -> Iterator[MailServer]:
    start: Callable[[], AbstractContextManager[MailServer]] = request.param
    with start() as server:
        yield server


def settings(server: MailServer) -> dict[str, Any]:
    return {"listen": [f"127.0.0.1:{server.bridge_port}"], "dsn": True}


async def send(
    server: MailServer,
    *phones: str,
    options: tuple[str, ...] = (),
    rcpt_options: tuple[str, ...] = (),
    sender: str = "erp@example.com",
) -> None:
    def by_smtplib() -> None:
        with smtplib.SMTP("127.0.0.1", server.port, timeout=30) as client:
            to = [f"{phone}@{DOMAIN}" for phone in phones]
            client.sendmail(sender, to, MAIL, options, rcpt_options)

    await asyncio.to_thread(by_smtplib)


async def test_a_mail_is_relayed(server: MailServer) -> None:
    async with running(**settings(server)) as part:
        await send(server, "380501000001", "380501000002")
        await server.said("380501000001", "250 2.0.0 OK - 2 SMS, ID -", str(ID))
    assert part.relay.texts == ["Замовлення готове"]
    assert len(part.relay.submitted[0].recipients) == 2


async def test_exim_sends_in_chunks(server: MailServer) -> None:
    if not isinstance(server, Exim):
        pytest.skip("Postfix takes chunks and does not send them")
    async with running(**settings(server)) as part:
        await send(server, "380501000011")
        await server.said("380501000011", " K ", "250 2.0.0 OK - 1 SMS")
    assert part.relay.texts == ["Замовлення готове"]


async def test_what_is_refused_for_good_bounces_with_our_words(server: MailServer) -> None:
    async with running(**settings(server)) as part:
        await send(server, "12", "380501000003")
        words = "550 5.1.3 ERROR = 7 (wrong phone number)"
        await server.said(f"12@{DOMAIN}", server.bounced, words)
        await server.said("380501000003", "250 2.0.0 OK - 1 SMS")
    assert len(part.relay.submitted) == 1


async def test_what_is_refused_for_now_is_queued_and_comes_again(server: MailServer) -> None:
    outcomes: list[Outcome] = [Failure(Reason.TOO_FAST)]

    def answer(submission: Submission) -> Outcome:
        return outcomes.pop() if outcomes else accepted(submission)

    async with running(relay=StandInRelay(answer), **settings(server)) as part:
        await send(server, "380501000004")
        await server.said("380501000004", server.deferred, "451 4.7.1 ERROR = 9 (too fast)")
        await asyncio.to_thread(server.retry)
        await server.said("380501000004", "250 2.0.0 OK - 1 SMS")
    first, second = part.relay.submitted
    # The same Message-ID: after a lost answer the second gets the first one's answer.
    assert first.repeat_key == second.repeat_key != b""


async def test_requests_for_reports_come_through_a_relay(server: MailServer) -> None:
    async with running(**settings(server)) as part:
        await send(
            server,
            "380501000005",
            options=("RET=HDRS", "ENVID=order-17"),
            rcpt_options=("NOTIFY=SUCCESS,DELAY", f"ORCPT=rfc822;boss@{DOMAIN}"),
        )
        await server.said("380501000005", "250 2.0.0 OK")
    [submission] = part.relay.submitted
    assert submission.envelope is not None
    assert submission.envelope.return_path == "erp@example.com"
    assert (submission.envelope.ret, submission.envelope.envid) == ("HDRS", "order-17")
    [recipient] = submission.recipients
    assert recipient.notify == Receipts.SUCCESS | Receipts.DELAY
    assert recipient.orcpt == f"rfc822;boss@{DOMAIN}"


async def test_it_takes_our_reports_of_what_it_relayed(server: MailServer, tmp_path: Path) -> None:
    smtp = {"listen": [f"127.0.0.1:{server.bridge_port}"]}
    reports = {"smarthost": f"127.0.0.1:{server.port}"}
    async with Sandbox() as sandbox, whole(tmp_path, sandbox, smtp=smtp, reports=reports) as all:
        sender = "told@example.com"
        await send(server, "380501000006", rcpt_options=("NOTIFY=SUCCESS",), sender=sender)
        await server.said("380501000006", "250 2.0.0 OK")
        await all.status("delivered")
        await server.said(*server.taken, sender)
