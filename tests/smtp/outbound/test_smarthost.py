"""The bridge's own mails: the meaning of each reply of the smarthost."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from bridge.config.settings import AccountSettings, Reports
from bridge.model.message import Receipts, State
from bridge.model.notice import MAIL, Incoming, Kind, Notice, Owed
from bridge.notices.subscribers import TakerAnswer
from bridge.smtp.outbound.smarthost import NO_SMARTHOST, Mailing
from bridge.smtp.reply_address import ReplyAddresses
from tests.samples import NOW
from tests.smtp.conftest import Certificate
from tests.smtp.outbound.test_report import IDENTITY, ORIGINAL, account, owed, stored
from tests.smtp.smarthost import Smarthost, smarthost
from tests.support import free_port

KEEP = 5 * 86400


@asynccontextmanager
async def mailing(
    host: Smarthost | str, *, now: float = NOW, own: AccountSettings | None = None, **settings: Any
) -> AsyncIterator[Mailing]:
    name = host if isinstance(host, str) else host.name
    reports = Reports.model_validate({"smarthost": name, **settings})
    made = Mailing(
        reports,
        IDENTITY,
        {"crm": own or account()}.get,
        ReplyAddresses(
            "long-enough-for-a-path", "sms.example.com", 86400, {"crm": own or account()}
        ),
        clock=lambda: now,
    )
    try:
        yield made
    finally:
        await made.close()


async def told(to: Mailing, one: Owed | None = None) -> TakerAnswer:
    async with asyncio.timeout(30):
        return await to.tell(one or owed(stored()))


async def test_a_report_goes_out_with_the_null_return_path() -> None:
    async with smarthost() as host, mailing(host) as to:
        answer = await told(to)
        assert answer == TakerAnswer(True, f"{host.name}: 250 2.0.0 queued as 77")
        [taken] = await host.mails()
    assert taken.return_path == ""
    assert taken.recipients == ["erp@shop.example"]
    assert taken.status["Action"] == "failed"


async def test_one_connection_is_kept_for_all() -> None:
    async with smarthost() as host, mailing(host) as to:
        async with asyncio.timeout(30):
            answers = await asyncio.gather(*(to.tell(owed(stored())) for _ in range(30)))
        assert all(answer.ended for answer in answers)
        assert len(await host.mails(30)) == 30
        assert host.connections == 1
        assert to.room() > 0


async def test_a_kept_connection_that_was_closed_meanwhile_is_made_again() -> None:
    async with smarthost(timeout=0.5) as host, mailing(host) as to:
        assert (await told(to)).ended
        await asyncio.sleep(1.0)  # It closes connections that are silent for more than 0.5 s.
        assert (await told(to)).ended
        assert len(await host.mails(2)) == 2
        assert host.connections == 2


@pytest.mark.parametrize(
    ("command", "reply", "ended"),
    [
        ("MAIL", "451 4.3.0 later", False),
        ("MAIL", "550 5.7.1 not you", True),
        ("MAIL", "530 5.7.0 authentication required", False),
        ("RCPT", "450 4.2.1 later", False),
        ("RCPT", "550 5.1.1 unknown", True),
        ("DATA", "452 4.3.1 full", False),
        ("DATA", "554 5.6.0 spam", True),
        ("MAIL", "421 4.3.2 closing", False),
        ("RCPT", "421 4.3.2 closing", False),
    ],
)
async def test_4xx_is_tried_again_and_5xx_is_the_end(command: str, reply: str, ended: bool) -> None:
    async with smarthost() as host, mailing(host) as to:
        host.says[command] = reply
        assert await told(to) == TakerAnswer(ended, f"{host.name}: {reply}")
        host.says.clear()
        assert (await told(to)).ended
        assert len(await host.mails()) == 1


async def test_while_nobody_listens_it_is_tried_again() -> None:
    port = free_port()
    async with mailing(f"127.0.0.1:{port}") as to:
        answer = await told(to)
        assert not answer.ended
        assert "421 4.4.1" in answer.outcome
        async with smarthost(port=port) as host:
            assert (await told(to)).ended
            assert len(await host.mails()) == 1


async def test_a_report_is_given_up_after_five_days() -> None:
    async with mailing(f"127.0.0.1:{free_port()}", now=NOW + KEEP + 10) as to:
        answer = await told(to)
    assert answer.ended
    assert answer.outcome.startswith("given up: ")


async def test_without_a_smarthost_the_trace_says_so() -> None:
    async with mailing("") as to:
        assert await told(to) == NO_SMARTHOST
        assert to.room() > 0


async def test_a_notice_that_need_not_be_told_ends_with_the_reason() -> None:
    async with smarthost() as host, mailing(host) as to:
        late = owed(stored(State.DELIVERED), kind=Kind.DELAY)
        assert await told(to, late) == TakerAnswer(True, "not needed: the message is delivered")
        assert host.taken == []


async def test_a_reader_who_has_the_mail_does_not_get_it_again_with_anothers_retry() -> None:
    known = owed(stored(receipts=Receipts.FAILURE | Receipts.REPORT))
    own = account(receipts_to="ops@shop.example")
    async with smarthost() as host, mailing(host, own=own) as to:
        host.says["ops@shop.example"] = "450 4.2.1 later"
        answer = await told(to, known)
        assert not answer.ended
        assert "250 2.0.0 queued as 77, 450 4.2.1 later" in answer.outcome
        host.says.clear()
        assert (await told(to, known)).ended
        first, second = await host.mails(2)
    assert [first.recipients, second.recipients] == [["erp@shop.example"], ["ops@shop.example"]]
    assert first.octets == second.octets


async def test_a_mail_that_cannot_be_written_does_not_end_the_others() -> None:
    async with smarthost() as host, mailing(host) as to:
        broken = owed(stored(), kind=Kind.REFUSED, content="no JSON")
        assert await told(to, broken) == TakerAnswer(False, "operation failed")
        assert (await told(to)).ended


async def test_an_address_in_utf_8_needs_a_smarthost_that_knows_it() -> None:
    known = owed(stored(original=ORIGINAL._replace(return_path="ящик@пошта.укр")))
    async with smarthost() as host, mailing(host) as to:
        assert (await told(to, known)).ended
        [taken] = await host.mails()
        assert taken.recipients == ["ящик@пошта.укр"]
        host.says["EHLO"] = "250 PIPELINING"
    async with smarthost() as host:
        host.says["EHLO"] = "250 PIPELINING"
        async with mailing(host) as to:
            answer = await told(to, known)
    assert answer == TakerAnswer(True, f"{host.name}: 553 5.6.7 it does not know SMTPUTF8")


# --- TLS and logins ------------------------------------------------------------------------------


async def test_starttls_is_used_where_it_is_offered(certificate: Certificate) -> None:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate.certificate, certificate.private_key)
    async with smarthost(tls_context=context, require_starttls=True) as host:
        async with mailing(host) as to:
            assert (await told(to)).ended
        assert len(await host.mails()) == 1
        async with mailing(host, smarthost_tls="required") as to:
            answer = await told(to)
            assert not answer.ended
            assert "certificate" in answer.outcome
        async with mailing(host, smarthost_tls="off") as to:
            assert "530" in (await told(to)).outcome
    async with smarthost() as host, mailing(host, smarthost_tls="required") as to:
        answer = await told(to)
        assert not answer.ended
        assert "it offers no STARTTLS" in answer.outcome


async def test_a_login_where_one_is_set_and_a_wrong_one_is_no_reports_fault() -> None:
    def options(host: Smarthost) -> dict[str, Any]:
        return {"authenticator": host.authenticate, "auth_require_tls": False}

    host = Smarthost()
    login: dict[str, Any] = {"smarthost_user": "bridge"}
    async with smarthost(host, **options(host)):
        async with mailing(host, smarthost_password="right", **login) as to:
            assert (await told(to)).ended
        async with mailing(host, smarthost_password="wrong", **login) as to:
            answer = await told(to)
            assert not answer.ended
            assert "535" in answer.outcome
    assert host.logins[0] == "bridge:right"


# --- messages from phones ------------------------------------------------------------------------


def from_phone(text: str = "Коли?\nо 10", id: int = 9) -> Owed:
    come = Incoming(id, f"u{id}", "crm", "+380501234567", "Магазин", text, NOW, NOW + 1)
    notice = Notice(MAIL, "crm", Kind.INCOMING, id, id, NOW + 1, NOW + 1, id=100 + id)
    return Owed(notice, None, come)


async def test_a_message_from_a_phone_is_a_mail_that_can_be_answered() -> None:
    own = account(incoming_to="desk@shop.example", sender="Shop", senders=["Магазин"])
    async with smarthost() as host, mailing(host, own=own) as to:
        assert (await told(to, from_phone())).ended
        assert (await told(to, from_phone("again", 10))).ended
        first, second = await host.mails(2)
    mail = first.mail
    assert first.return_path == ""
    assert first.recipients == ["desk@shop.example"]
    assert b'\r\nFrom: "+380501234567" <bridge@sms.example.com>\r\n' in first.octets
    assert mail["to"] == "desk@shop.example"
    assert mail["subject"] == "Message from +380501234567 to Магазин"
    assert mail["auto-submitted"] == "auto-generated"
    assert mail["date"] == "Thu, 01 Jan 2026 00:00:00 +0000"
    assert mail.get_content().replace("\r\n", "\n") == "Коли?\nо 10\n"
    # One thread; each mail has its own Message-ID.
    assert mail["references"] == mail["in-reply-to"] == second.mail["references"]
    assert mail["message-id"] != second.mail["message-id"]
    local, _, domain = str(mail["reply-to"]).partition("@")
    assert domain == "sms.example.com"
    reply = ReplyAddresses("long-enough-for-a-path", domain, 86400, {"crm": own}).read(local, NOW)
    assert reply is not None
    assert reply[:3] == ("crm", "+380501234567", "Магазин")


async def test_a_message_from_a_phone_without_a_mailbox_ends() -> None:
    async with smarthost() as host, mailing(host) as to:
        assert await told(to, from_phone()) == TakerAnswer(True, "the account has no incoming_to")
        gone = from_phone()._replace(incoming=None)
        assert await told(to, gone) == TakerAnswer(True, "the message was deleted")
