"""The target of a path, in the order of the checks."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.model.message import Recipient
from bridge.smtp import reply
from bridge.smtp.address import Path
from bridge.smtp.inbound.target import ToPhone, ToSmscLine, target_of
from bridge.smtp.reply import Refused
from bridge.smtp.reply_address import ReplyAddress
from tests.samples import NOW, account

ANSWERED = ReplyAddress("crm", "+380501234567", "Shop", NOW)


def target(local: str, domain: str = "sms.example", sender: Account | None = None) -> Any:
    def check(_: Account, recipient: Recipient) -> None:
        if recipient.address == "12":
            raise Failure(Reason.WRONG_PHONE)

    return target_of(
        Path(local, domain),
        sender,
        domains=frozenset({"sms.example"}),
        smsc_address="smsc",
        check=check,
        reply_address=lambda local: ANSWERED if local == "r.abc" else None,
    )


def test_a_number_is_a_target_of_the_account_that_sends() -> None:
    crm = account()
    assert target("380501234567", sender=crm) == ToPhone(crm, Recipient("380501234567"))


def test_the_smsc_address_and_a_reply_address_need_no_login() -> None:
    assert target("SMSC") == ToSmscLine()
    assert target("r.abc") == ANSWERED


def test_other_targets_need_a_login_before_anything_else_is_said() -> None:
    for path in (("12", "sms.example"), ("380501234567", "other.example")):
        with pytest.raises(Failure) as caught:
            target(*path)
        assert caught.value.reason is Reason.LOGIN_REQUIRED


def test_only_our_domains_and_valid_numbers_are_targets() -> None:
    with pytest.raises(Refused) as refused:
        target("380501234567", "other.example", account())
    assert refused.value.reply == reply.UNKNOWN_DOMAIN
    with pytest.raises(Refused):
        target("380501234567", "", account())
    with pytest.raises(Failure) as failed:
        target("12", sender=account())
    assert failed.value.reason is Reason.WRONG_PHONE
