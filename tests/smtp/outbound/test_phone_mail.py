"""A message from a phone as a mail: its header, its thread, its reply address."""

from __future__ import annotations

import email
import email.policy
from email.message import EmailMessage
from typing import Any

import pytest

from bridge.config.settings import AccountSettings
from bridge.model.notice import MAIL, Incoming, Kind, Notice, Owed
from bridge.smtp.outbound.mime import Letter
from bridge.smtp.outbound.phone_mail import compose
from bridge.smtp.outbound.report import MailIdentity, NoMail
from bridge.smtp.reply_address import ReplyAddresses
from tests.samples import NOW, account

IDENTITY = MailIdentity(
    "bridge.test", "bridge@sms.example.com", "sms.example.com", frozenset({"sms.example.com"})
)
SHOP = account(incoming_to="office@shop.example").settings
REPLIES = ReplyAddresses("secret", "sms.example.com", 3600, {"crm": SHOP})
PHONE = "+380501234567"


def owed(text: str = "Так, о шостій", **fields: Any) -> Owed:
    sent = Incoming(7, "uid", "crm", PHONE, "Shop", text, NOW, NOW + 5)._replace(**fields)
    return Owed(Notice(MAIL, "crm", Kind.INCOMING, 7, 7, NOW, NOW, id=1), incoming=sent)


def mail(
    one: Owed, settings: AccountSettings = SHOP, replies: ReplyAddresses | None = REPLIES
) -> EmailMessage:
    letter = compose(one, settings, IDENTITY, replies)
    assert isinstance(letter, Letter)
    assert letter.recipients == ("office@shop.example",)
    return email.message_from_bytes(letter.octets, policy=email.policy.default)


def test_the_phone_is_named_and_the_text_is_whole() -> None:
    found = mail(owed())
    assert (found["From"], found["To"]) == (
        f"{PHONE} <bridge@sms.example.com>",
        "office@shop.example",
    )
    assert found["Subject"] == f"Message from {PHONE} to Shop"
    assert found["Date"].datetime.timestamp() == NOW
    assert found.get_content().strip() == "Так, о шостій"
    assert found["Auto-Submitted"] == "auto-generated"


def test_what_the_provider_does_not_say_is_taken_from_what_is_known() -> None:
    found = mail(owed(to="", at=0))
    assert found["Subject"] == f"Message from {PHONE} to crm"
    assert found["Date"].datetime.timestamp() == NOW + 5


def test_a_reply_goes_back_to_the_phone_for_some_time() -> None:
    local = str(mail(owed())["Reply-To"]).rpartition("<")[2].partition("@")[0]
    target = REPLIES.read(local, NOW + 10)
    assert target is not None
    assert (target.account, target.phone, target.sender) == ("crm", PHONE, "Shop")
    # The time runs from the reception.
    assert target.expires_at == (NOW + 5 + 3600) // 3600 * 3600


def test_messages_of_a_phone_to_a_sender_are_one_thread() -> None:
    first, second = mail(owed()), mail(owed("And again"))
    assert first["References"] == second["References"] == first["In-Reply-To"]
    assert first["References"] != mail(owed(phone="+380671234567"))["References"]
    assert first["References"] != mail(owed(to="Shop UA"))["References"]


def test_without_reply_addresses_the_mail_has_none() -> None:
    found = mail(owed(), replies=None)
    assert [found[name] for name in ("Reply-To", "In-Reply-To", "References")] == [None] * 3


def test_the_same_message_is_the_same_mail() -> None:
    assert compose(owed(), SHOP, IDENTITY, REPLIES) == compose(owed(), SHOP, IDENTITY, REPLIES)


@pytest.mark.parametrize(
    ("one", "settings", "cause"),
    [
        (owed()._replace(incoming=None), SHOP, "the message was deleted"),
        (owed(), account().settings, "the account has no incoming_to"),
        (owed(), None, "the account has no incoming_to"),
    ],
)
def test_without_a_message_or_an_address_there_is_no_mail(
    one: Owed, settings: AccountSettings | None, cause: str
) -> None:
    assert compose(one, settings, IDENTITY, REPLIES) == NoMail(cause)
