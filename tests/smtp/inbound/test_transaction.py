"""Parameters of MAIL and RCPT: their meaning, and the RFC's code for a wrong one."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.accounts.accounts import Account
from bridge.config.settings import AccountSettings
from bridge.model.message import Envelope, Receipts, Recipient
from bridge.smtp.address import Path
from bridge.smtp.inbound.target import Target, ToPhone, ToSmscLine
from bridge.smtp.inbound.transaction import (
    MAIL_PARAMETERS,
    MAX_HOLD,
    RCPT_PARAMETERS,
    DeliverBy,
    Known,
    Transaction,
    parse_parameters,
)
from bridge.smtp.reply import REPLY_ALONE, SMSC_LINE_ALONE, Refused
from bridge.smtp.reply_address import ReplyAddress
from tests.samples import NOW
from tests.smtp.client import MAIL, connected
from tests.smtp.standins import running

SENDER = Path("ERP", "b.cd")
ONE, OTHER = Recipient("380501234567"), Recipient("380671234567")


def transaction(line: str) -> Transaction:
    return Transaction(SENDER, parse_parameters(line, MAIL_PARAMETERS), NOW)


def refusal(line: str, known: Known = MAIL_PARAMETERS) -> str:
    with pytest.raises(Refused) as refused:
        Transaction(SENDER, parse_parameters(line, known), NOW)
    return refused.value.reply[:9]


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("size=100 BODY=8bitmime SMTPUTF8", {"SIZE": 100, "BODY": "8bitmime", "SMTPUTF8": ""}),
        ("AUTH=<> RET=hdrs", {"AUTH": "<>", "RET": "HDRS"}),
        ("ENVID=QQ+2B3+3D14", {"ENVID": "QQ+3=14"}),
        ("ENVID=a+0D+0Ab", {"ENVID": "ab"}),
        ("BY=120;R", {"BY": DeliverBy(120, True, False)}),
        ("by=+120;nt", {"BY": DeliverBy(120, False, True)}),
        ("BY=-3600;N", {"BY": DeliverBy(-3600, False, False)}),
        ("BY=999999999;RT", {"BY": DeliverBy(999999999, True, True)}),
        ("HOLDFOR=1", {"HOLDFOR": 1}),
        ("HOLDUNTIL=2026-01-01T00:00:10Z", {"HOLDUNTIL": NOW + 10}),
        ("HOLDUNTIL=2026-01-01t02:00:10+02:00", {"HOLDUNTIL": NOW + 10}),
        ("HOLDUNTIL=2026-01-01T00:00:10.25Z", {"HOLDUNTIL": NOW + 10}),
    ],
)
def test_parameters_of_mail(line: str, values: dict[str, Any]) -> None:
    assert parse_parameters(line, MAIL_PARAMETERS) == values


@pytest.mark.parametrize(
    ("line", "values"),
    [
        ("NOTIFY=NEVER", {"NOTIFY": Receipts.NONE}),
        ("notify=success", {"NOTIFY": Receipts.SUCCESS}),
        ("NOTIFY=FAILURE,delay", {"NOTIFY": Receipts.FAILURE | Receipts.DELAY}),
        ("ORCPT=rfc822;a+2Bb@c.d", {"ORCPT": "rfc822;a+b@c.d"}),
        ("ORCPT=utf-8;ж@c.d", {"ORCPT": "utf-8;ж@c.d"}),
        ("ORCPT=x-phone;+2B380501234567", {"ORCPT": "x-phone;+380501234567"}),
    ],
)
def test_parameters_of_rcpt(line: str, values: dict[str, Any]) -> None:
    assert parse_parameters(line, RCPT_PARAMETERS) == values


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("SIZE=x", "501 5.5.4"),
        ("SIZE", "501 5.5.4"),
        ("SIZE=1 SIZE=2", "501 5.5.4"),
        ("SIZE=" + "9" * 5000, "501 5.5.4"),
        ("BODY=BINARYMIME", "501 5.5.4"),
        ("SMTPUTF8=1", "501 5.5.4"),
        ("FOO=1", "555 5.5.4"),
        ("NOTIFY=NEVER", "555 5.5.4"),
        ("=", "555 5.5.4"),
        # RFC 2852 §4
        ("BY=", "501 5.5.4"),
        ("BY=120", "501 5.5.4"),
        ("BY=120;X", "501 5.5.4"),
        ("BY=120;RX", "501 5.5.4"),
        ("BY=;R", "501 5.5.4"),
        ("BY=1.5;R", "501 5.5.4"),
        ("BY=1234567890;R", "501 5.5.4"),
        ("BY=0;R", "501 5.5.4"),
        ("BY=-1;R", "501 5.5.4"),
        # RFC 4865 §4
        ("HOLDFOR=0", "501 5.5.4"),
        ("HOLDFOR=01", "501 5.5.4"),
        ("HOLDFOR=-1", "501 5.5.4"),
        ("HOLDFOR=1234567890", "501 5.5.4"),
        (f"HOLDFOR={MAX_HOLD + 1}", "501 5.5.4"),
        ("HOLDUNTIL=tomorrow", "501 5.5.4"),
        ("HOLDUNTIL=2026-01-01", "501 5.5.4"),
        ("HOLDUNTIL=2026-01-01T00:00:10", "501 5.5.4"),
        ("HOLDUNTIL=2026-13-01T00:00:10Z", "501 5.5.4"),
        ("HOLDUNTIL=2025-12-31T23:59:59Z", "501 5.5.4"),
        ("HOLDUNTIL=2026-02-01T00:00:00Z", "501 5.5.4"),
        ("HOLDFOR=10 HOLDUNTIL=2026-01-01T00:00:10Z", "501 5.5.4"),
        ("HOLDFOR=60 BY=60;R", "501 5.5.4"),
    ],
)
def test_a_wrong_parameter_of_mail_has_the_code_of_its_rfc(line: str, code: str) -> None:
    assert refusal(line) == code


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("RET=FULL", "555 5.5.4"),
        ("a@b.cd", "555 5.5.4"),
    ],
)
def test_a_wrong_parameter_of_rcpt_has_the_code_of_its_rfc(line: str, code: str) -> None:
    assert refusal(line, RCPT_PARAMETERS) == code


@pytest.mark.parametrize(
    ("line", "value"),
    [
        # Clients' deviations from xtext: an unescaped plus, lower-case hex.
        ("ORCPT=rfc822;380501234567+promo@b.cd", "rfc822;380501234567+promo@b.cd"),
        ("ORCPT=rfc822;a+2bb@c.d", "rfc822;a+b@c.d"),
        ("ORCPT=rfc822;a+ad@c.d", "rfc822;a+ad@c.d"),
        ("ORCPT=rfc822;a=b@c.d", "rfc822;a=b@c.d"),
        ("ORCPT=rfc822;a+0D+0Ab@c.d", "rfc822;ab@c.d"),
        ("ORCPT=a@b.cd", "rfc822;a@b.cd"),
        ("ORCPT=rfc822; a@b.cd", "rfc822;a@b.cd"),
        ("ORCPT=rfc822;", ""),
        ("ORCPT", ""),
        ("RET", ""),
        ("NOTIFY=NEVER NOTIFY=SUCCESS", Receipts.NONE),
        ("ORCPT=;a@b.cd", ""),
        ("ORCPT=", ""),
        ("ORCPT=rfc822;" + "x" * 500, ""),
        ("NOTIFY=", None),
        ("NOTIFY=ALWAYS", None),
        ("NOTIFY=SUCCESS,,DELAY", Receipts.SUCCESS | Receipts.DELAY),
        ("NOTIFY=NEVER,SUCCESS", Receipts.SUCCESS),
        ("RET=BODY", ""),
        ("ENVID=", ""),
        ("ENVID=" + "x" * 101, ""),
        ("ENVID=a+2", "a+2"),
        ("ENVID=a+2b", "a+"),
        ("ENVID=a=b", "a=b"),
        ("ENVID=ж", ""),
    ],
)
def test_a_mistake_in_what_only_reports_need_refuses_no_mail(line: str, value: object) -> None:
    known = RCPT_PARAMETERS if line[:5] in ("ORCPT", "NOTIF") else MAIL_PARAMETERS
    assert parse_parameters(line, known) == {line.partition("=")[0]: value}


@pytest.mark.parametrize(
    ("line", "wishes"),
    [
        ("", {}),
        ("BY=120;R", {"ttl": 120}),
        ("BY=120;N", {}),
        ("HOLDFOR=60", {"scheduled_at": NOW + 60}),
        (f"HOLDFOR={MAX_HOLD}", {"scheduled_at": NOW + MAX_HOLD}),
        ("HOLDUNTIL=2026-01-01T01:00:00Z", {"scheduled_at": NOW + 3600}),
        # BY counts from now, a validity from the release.
        ("HOLDFOR=60 BY=100;R", {"scheduled_at": NOW + 60, "ttl": 40}),
    ],
)
def test_what_an_envelope_asks_for(line: str, wishes: dict[str, int]) -> None:
    assert transaction(line).wishes == wishes


def test_the_envelope_keeps_the_fields_of_a_report() -> None:
    assert transaction("").envelope == Envelope("ERP@b.cd")
    envelope = transaction("RET=FULL ENVID=7 BY=60;NT").envelope
    assert envelope == Envelope("ERP@b.cd", "FULL", "7", 60, True, NOW + 60)
    assert Transaction(Path("", ""), {}, NOW).envelope.return_path == ""


def test_time_parameters_are_kept_for_reports() -> None:
    envelope = transaction("HOLDFOR=30 BY=60;R").envelope
    assert (envelope.deliver_by, envelope.hold) == (NOW + 60, "for;30")
    envelope = transaction("HOLDUNTIL=2026-01-01T02:00:30+02:00").envelope
    assert (envelope.deliver_by, envelope.hold) == (0, "until;2026-01-01T00:00:30Z")


def test_a_recipient_keeps_what_was_said_of_it_first() -> None:
    mail = transaction("")
    crm = Account("crm", AccountSettings())
    mail.add(ToPhone(crm, ONE), "380501234567@x", {})
    never = parse_parameters("NOTIFY=NEVER ORCPT=rfc822;a@b", RCPT_PARAMETERS)
    mail.add(ToPhone(crm, OTHER), "+380 67 123-45-67@x", never)
    mail.add(ToPhone(crm, OTHER), "+380671234567@x", {})
    assert list(mail.recipients.values()) == [
        ONE._replace(written="380501234567@x"),
        OTHER._replace(notify=Receipts.NONE, orcpt="rfc822;a@b", written="+380 67 123-45-67@x"),
    ]
    assert mail.accepted == [ONE, OTHER, OTHER]


ANSWER = ReplyAddress("crm", "+380501234567", "Shop", NOW + 60)


@pytest.mark.parametrize(
    ("first", "second", "reply"),
    [
        (ToSmscLine(), ToPhone(Account("crm", AccountSettings()), ONE), SMSC_LINE_ALONE),
        (ToPhone(Account("crm", AccountSettings()), ONE), ToSmscLine(), SMSC_LINE_ALONE),
        (ToPhone(Account("crm", AccountSettings()), ONE), ANSWER, REPLY_ALONE),
        (ANSWER, ToSmscLine(), REPLY_ALONE),
        (ANSWER, ANSWER._replace(phone="+380671234567"), REPLY_ALONE),
    ],
)
def test_the_smsc_line_and_a_reply_address_are_alone_in_a_mail(
    first: Target, second: Target, reply: str
) -> None:
    mail = transaction("")
    mail.add(first, "a@x", {})
    mail.add(first, "a@x", {})
    with pytest.raises(Refused) as refused:
        mail.add(second, "b@x", {})
    assert refused.value.reply == reply
    assert len(mail.accepted) == 2
    assert len(mail.recipients) <= 1


@given(st.text(max_size=60), st.sampled_from([MAIL_PARAMETERS, RCPT_PARAMETERS]))
def test_any_line_is_parameters_or_a_refusal(line: str, known: Known) -> None:
    for key in ("", "ORCPT=", "ENVID=", "BY=", "HOLDUNTIL=", "NOTIFY="):
        with contextlib.suppress(Refused):
            parse_parameters(key + line, known)


async def test_header_fields_stand_above_the_envelope() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(
            b"MAIL FROM:<a@b> BY=60;R\r\nRCPT TO:<380501234567@sms.example.com>\r\nDATA\r\n"
        )
        client.send(b"X-Cascade-TTL: 90\r\n" + MAIL)
        await client.replies(4)
        client.send(
            b"MAIL FROM:<a@b> BY=60;R\r\nRCPT TO:<380501234567@sms.example.com>\r\nDATA\r\n"
        )
        client.send(MAIL)
        await client.replies(4)
    assert [submission.ttl for submission in part.relay.submitted] == [90, 60]
