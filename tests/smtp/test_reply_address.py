"""Reply addresses: answers to a phone by mail, their sender, and their expiry."""

from __future__ import annotations

import string
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.config.settings import AccountSettings, settings_from
from bridge.model.failure import Failure, Reason
from bridge.model.message import Envelope
from bridge.smtp.reply_address import ReplyAddresses, reply_addresses_of
from tests.samples import NOW
from tests.smtp.client import Client, connected
from tests.smtp.standins import NAME, StandInAccounts, StandInRelay, running

SECRET = "long-enough-for-a-path"
DOMAIN = "sms.example.com"
PHONE = "+380501234567"
DAY = 86400


def settings(**more: Any) -> AccountSettings:
    return AccountSettings.model_validate({"password": "x", **more})


ACCOUNTS = {
    NAME: settings(sender="Shop", senders=["Shop UA", "Магазин"]),
    "erp": settings(sender="ERP"),
}


def replies(
    secret: str = SECRET, accounts: dict[str, AccountSettings] = ACCOUNTS
) -> ReplyAddresses:
    return ReplyAddresses(secret, DOMAIN, 30 * DAY, accounts)


def local(to: str = "Shop", account: str = NAME, phone: str = PHONE, at: float = NOW) -> str:
    address = replies().address(account, phone, to, at)
    local, _, domain = address.partition("@")
    assert domain == DOMAIN
    return local


def why_not(local: str, now: float = NOW, by: ReplyAddresses | None = None) -> Failure:
    with pytest.raises(Failure) as caught:
        (by or replies()).read(local, now)
    return caught.value


@pytest.mark.parametrize(
    ("to", "sender"),
    [("Shop", "Shop"), ("shop ua", "Shop UA"), ("МАГАЗИН", "Магазин"), ("Other", ""), ("", "")],
)
def test_an_address_stands_for_a_phone_and_the_sender_that_it_wrote_to(
    to: str, sender: str
) -> None:
    made = local(to)
    assert len(made) <= 64
    reply = replies().read(made, NOW)
    assert reply is not None
    assert reply[:3] == (NAME, PHONE, sender)
    assert 30 * DAY - 3600 <= reply.expires_at - NOW <= 30 * DAY


def test_it_is_the_same_after_a_restart_and_on_every_node() -> None:
    assert local() == local()
    assert replies().thread(NAME, PHONE, "Shop") == replies().thread(NAME, PHONE, "Shop")
    assert replies().thread(NAME, PHONE, "Shop") != replies().thread("erp", PHONE, "Shop")
    assert PHONE.lstrip("+") not in local() + replies().thread(NAME, PHONE, "Shop")


def test_mails_may_change_the_case_of_its_letters() -> None:
    assert replies().read(local().upper(), NOW) == replies().read(local(), NOW)
    assert replies().read(local().title(), NOW) == replies().read(local(), NOW)


def test_a_reply_address_expires() -> None:
    made = local()
    assert replies().read(made, NOW + 30 * DAY - 3600) is not None
    failure = why_not(made, NOW + 30 * DAY)
    assert (failure.reason, failure.detail) == (
        Reason.PROHIBITED,
        "the reply address has expired",
    )


@pytest.mark.parametrize("at", range(45))
def test_no_character_of_it_can_be_changed(at: int) -> None:
    made = local()
    place = len("reply-") + at
    other = next(c for c in string.ascii_lowercase if c != made[place])
    forged = made[:place] + other + made[place + 1 :]
    assert why_not(forged).reason is Reason.NOT_FOUND


def test_another_secret_made_none_of_these() -> None:
    assert why_not(local(), by=replies("another-secret-for-it")).reason is Reason.NOT_FOUND


def test_a_reply_address_of_a_removed_account_does_not_exist() -> None:
    remaining = replies(accounts={"erp": ACCOUNTS["erp"]})
    assert why_not(local(), by=remaining).reason is Reason.NOT_FOUND


def test_a_sender_that_is_gone_is_the_default_now() -> None:
    remaining = replies(accounts={NAME: settings(sender="Shop")})
    reply = remaining.read(local("Shop UA"), NOW)
    assert reply is not None
    assert reply.sender == ""


@pytest.mark.parametrize(
    "other", ["380501234567", "vip", "reply-", "reply-vip", "reply-" + "a" * 44]
)
def test_other_local_parts_are_none(other: str) -> None:
    assert replies().read(other, NOW) is None


@given(st.text(alphabet="abcdefghijklmnopqrstuvwxyz234567", min_size=45, max_size=45))
def test_a_reply_address_cannot_be_guessed(guess: str) -> None:
    assert why_not(f"reply-{guess}").reason is Reason.NOT_FOUND


@given(st.integers(10**6, 10**15 - 1))
def test_every_phone_has_one(number: int) -> None:
    reply = replies().read(local(phone=f"+{number}"), NOW)
    assert reply is not None
    assert reply.phone == f"+{number}"


def test_without_a_secret_there_are_none() -> None:
    assert reply_addresses_of(settings_from({})) is None
    made = reply_addresses_of(
        settings_from({"hooks": {"secret": SECRET}, "smtp": {"domains": ["a.b"]}})
    )
    assert made is not None
    assert made.address("crm", PHONE, "", NOW).endswith("@a.b")


# --- by SMTP -------------------------------------------------------------------------------------

TEXT = (
    b"From: Anna <anna@shop.example>\r\nSubject: Re: Message from +380501234567 to Shop\r\n"
    b"Message-ID: <r1@shop.example>\r\nX-Cascade-Sender: ERP\r\nX-Cascade-Type: promo\r\n\r\n"
    b"Come at ten.\r\n\r\nOn Mon, 5 Jan 2026 at 10:00, +380501234567 wrote:\r\n> When?\r\n.\r\n"
)


async def sent(client: Client, recipient: str, mail: bytes = TEXT) -> str:
    """The reply to DATA."""
    assert (await client.ask("MAIL FROM:<anna@shop.example>")).startswith("250")
    assert await client.ask(f"RCPT TO:<{recipient}>") == "250 2.1.5 OK"
    assert (await client.ask("DATA")).startswith("354")
    client.send(mail)
    return await client.reply()


def answering(relay: StandInRelay | None = None, **more: Any) -> Any:
    """A listener without trusted networks."""
    accounts = StandInAccounts(sender="Shop", senders=["Shop UA"], **more)
    made = ReplyAddresses(SECRET, DOMAIN, 30 * DAY, {NAME: accounts.account.settings})
    return running(relay=relay, accounts=accounts, reply_addresses=made)


def address(to: str = "Shop UA", at: float | None = None, phone: str = PHONE) -> str:
    made = ReplyAddresses(
        SECRET, DOMAIN, 30 * DAY, {NAME: settings(sender="Shop", senders=["Shop UA"])}
    )
    return made.address(NAME, phone, to, time.time() if at is None else at)


async def test_a_mail_to_it_is_a_message_of_the_account_without_a_login() -> None:
    async with answering() as part, connected(part.port) as client:
        assert (await sent(client, address().upper())).startswith("250 2.0.0 OK")
    [submission] = part.relay.submitted
    assert submission.text == "Come at ten."
    assert submission.sender == "Shop UA"
    assert submission.message_type is None
    assert submission.envelope == Envelope(
        "anna@shop.example",
        message_id="<r1@shop.example>",
        subject="Re: Message from +380501234567 to Shop",
    )
    cut = "cut: quotation under an attribution (59 characters)"
    assert submission.reading == f"text/plain; utf-8; {cut}"
    [recipient] = submission.recipients
    assert recipient.address == PHONE
    assert submission.repeat_key == b"<r1@shop.example>"


async def test_the_accounts_template_is_not_for_answers() -> None:
    settings: dict[str, Any] = {"text": "{subject}: {body}", "cut_quotes": False}
    async with answering(**settings) as part, connected(part.port) as client:
        await sent(client, address())
        empty = await sent(client, address(), b"Subject: Re: x\r\n\r\n\r\n.\r\n")
    assert part.relay.texts == ["Come at ten."]
    assert empty == "554 5.6.0 ERROR = 1 (no text)"


async def test_forged_and_ended_addresses_are_refused_with_their_codes() -> None:
    forged = "reply-" + "a" * 45 + "@" + DOMAIN
    async with answering() as part, connected(part.port) as client:
        await client.ask("MAIL FROM:<anna@shop.example>")
        answer = await client.ask(f"RCPT TO:<{forged}>")
        assert answer == "550 5.1.1 ERROR = 3 (nothing found: no such reply address)"
        answer = await client.ask(f"RCPT TO:<{address(at=NOW - 60 * DAY)}>")
        assert answer == ("550 5.7.1 ERROR = 6 (message prohibited: the reply address has expired)")
        other = address().replace(DOMAIN, "other.example")
        assert (await client.ask(f"RCPT TO:<{other}>")).startswith("530 ")
    assert part.relay.submitted == []


async def test_a_reply_address_is_the_only_recipient_of_a_mail() -> None:
    alone = "452 4.5.3 A reply address must be the only recipient"
    async with answering() as part, connected(part.port) as client:
        await client.ask("MAIL FROM:<anna@shop.example>")
        assert (await client.ask(f"RCPT TO:<{address()}>")).startswith("250")
        for other in (f"380671234567@{DOMAIN}", f"{PHONE}@{DOMAIN}"):
            assert (await client.ask(f"RCPT TO:<{other}>")).startswith("530 ")
        assert await client.ask(f"RCPT TO:<{address(phone='+380671234567')}>") == alone
        assert (await client.ask(f"RCPT TO:<{address()}>")).startswith("250")  # the same again
        await client.ask("DATA")
        client.send(TEXT)
        assert (await client.reply()).startswith("250")
    [submission] = part.relay.submitted
    assert [recipient.address for recipient in submission.recipients] == [PHONE]


async def test_beside_a_usual_recipient_it_comes_in_a_mail_of_its_own() -> None:
    accounts = StandInAccounts(trusted_network="127.0.0.0/8", sender="Shop", senders=["Shop UA"])
    made = ReplyAddresses(SECRET, DOMAIN, 30 * DAY, {NAME: accounts.account.settings})
    async with (
        running(accounts=accounts, reply_addresses=made) as part,
        connected(part.port) as client,
    ):
        await client.ask("MAIL FROM:<anna@shop.example>")
        assert (await client.ask(f"RCPT TO:<380671234567@{DOMAIN}>")).startswith("250")
        assert (await client.ask(f"RCPT TO:<{address()}>")).startswith("452 4.5.3 A reply")
        await client.ask("RSET")
        await client.ask("MAIL FROM:<anna@shop.example>")
        assert (await client.ask(f"RCPT TO:<{address()}>")).startswith("250")
        assert (await client.ask(f"RCPT TO:<380671234567@{DOMAIN}>")).startswith("452 4.5.3 A")


AUTOMATIC = [
    b"Auto-Submitted: auto-replied",
    b"auto-submitted:\r\n auto-generated; owner=x",
    b"Precedence: bulk",
    b"Precedence: auto_reply",
    b"X-Autoreply: yes",
    b"List-Unsubscribe: <mailto:x@y>",
    b'Content-Type: multipart/report; boundary="x"',
]


@pytest.mark.parametrize("field", AUTOMATIC, ids=lambda field: field.decode().split("\r")[0])
async def test_automatic_answers_do_not_reach_a_phone(field: bytes) -> None:
    async with answering() as part, connected(part.port) as client:
        answer = await sent(client, address(), field + b"\r\n" + TEXT)
        assert answer == "550 5.7.1 ERROR = 6 (message prohibited: no automatic mails to a phone)"
        assert (await client.ask("MAIL FROM:<>")).startswith("250")
        answer = await client.ask(f"RCPT TO:<{address()}>")
        assert answer == "550 5.7.1 No automatic mails to a phone"
    assert part.relay.submitted == []


@pytest.mark.parametrize("field", [b"Auto-Submitted: no", b"Precedence: normal", b"Lists: x"])
async def test_a_persons_mail_reaches_the_phone(field: bytes) -> None:
    async with answering() as part, connected(part.port) as client:
        assert (await sent(client, address(), field + b"\r\n" + TEXT)).startswith("250")
    assert part.relay.texts == ["Come at ten."]


async def test_without_a_secret_such_an_address_is_a_groups_name() -> None:
    async with running() as part, connected(part.port) as client:
        await client.ask("MAIL FROM:<anna@shop.example>")
        answer = await client.ask(f"RCPT TO:<{address()}>")
        assert answer.startswith("550 5.1.1 ERROR = 3")
    assert part.relay.submitted == []
