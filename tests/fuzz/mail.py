"""The whole way of a mail before it is stored, and its report.

Faults are: an unexpected exception, a text that is not clean or too long.
"""

from __future__ import annotations

import contextlib
import itertools
from pathlib import Path

from bridge.accounts.accounts import Account
from bridge.config.settings import AccountSettings, Smtp
from bridge.model.failure import Failure
from bridge.model.message import Message, Recipient, Route, State, Stored, Submission
from bridge.model.notice import MAIL, Kind, Notice, Owed
from bridge.relay import rules
from bridge.smtp.address import Path as MailPath
from bridge.smtp.address import parse_path, parse_recipient
from bridge.smtp.inbound.target import ToPhone
from bridge.smtp.inbound.transaction import (
    MAIL_PARAMETERS,
    RCPT_PARAMETERS,
    Transaction,
    parse_parameters,
)
from bridge.smtp.outbound import report
from bridge.smtp.outbound.mime import Letter
from bridge.smtp.reading.mail import MAX_TEXT, read_line, read_mail, read_reply
from bridge.smtp.reply import Refused

NOW = 1_795_262_400.0
_CORPUS = Path(__file__).parents[1] / "smtp" / "corpus"
_SMTP = Smtp()
_ACCOUNTS = [
    Account("crm", AccountSettings.model_validate({"password": "x", "sender": "Shop"} | more))
    for more in (
        {},
        {"text": "{subject}: {body}", "cut_quotes": False, "long_text": "truncate"},
        {"receipts_to": "sender", "stop_line": "--", "allow_variables": True, "max_parts": 255},
        {"receipts_to": "ops@shop.example", "reply_fmt": 3},
    )
]
_HOUSE = report.MailIdentity("bridge.test", "bridge@shop.example", "sms.example.com", frozenset())
_LINES = (
    "crm:secret12:17:0101271200,2:1,0,Shop,0:380501234567,380671234567:text: more",
    "crm:secret12:::,::380501234567:one\n380671234567;two",
    ":key:0:0,0:0,0,,1:G7:\nline",
)


#: Each account (see :func:`one_input`).
FIRST_OCTETS = range(len(_ACCOUNTS))


def seeds() -> list[bytes]:
    """The corpus, SMSC lines, and envelopes before them (see :func:`one_input`)."""
    mails = [path.read_bytes() for path in sorted(_CORPUS.glob("*.eml"))]
    lines = [b"Subject: x\n\n" + line.encode("koi8-r") for line in _LINES]
    envelope = b"<a@b.cd> RET=FULL ENVID=7+2B BY=60;NT\x00<+380501234567@x> NOTIFY=DELAY ORCPT=a;b"
    return [envelope + b"\0" + mail for mail in (*mails, *lines)]


def one_input(data: bytes) -> None:
    """Reads ``data``: the account (first octet), the values of FROM and TO, each followed by NUL,
    and the mail."""
    if not data:
        return
    account = _ACCOUNTS[data[0] % len(_ACCOUNTS)]
    sender, _, rest = data[1:].partition(b"\0")
    to, _, mail = rest.partition(b"\0")
    transaction = _transaction(sender, to)
    recipients = tuple(transaction.recipients.values()) or (Recipient("380501234567"),)
    envelope, wishes = transaction.envelope, transaction.wishes
    with contextlib.suppress(Failure):
        asked = read_mail(
            mail,
            recipients,
            smtp=_SMTP,
            account=account.settings,
            envelope=envelope,
            wishes=wishes,
        )
        _relayed(account, asked)
    with contextlib.suppress(Failure):
        asked = read_reply(
            mail, recipients[0], smtp=_SMTP, account=account.settings, envelope=envelope
        )
        _relayed(account, asked)
    with contextlib.suppress(Failure):
        _, asked = read_line(
            mail, now=NOW, max_recipients=100, envelope=envelope._replace(ret="FULL")
        )
        assert asked.envelope is not None
        assert asked.envelope.ret == "HDRS"
        assert not asked.envelope.subject
        _relayed(account, asked)


def _transaction(sender: bytes, to: bytes) -> Transaction:
    """The envelope, or None for an invalid one."""
    with contextlib.suppress(Refused, Failure, UnicodeDecodeError):
        parsed, given = parse_path(sender.decode()), parse_path(to.decode())
        if parsed is not None and given is not None:
            path, rest = parsed
            transaction = Transaction(path, parse_parameters(rest, MAIL_PARAMETERS), NOW)
            path, rest = given
            parameters = parse_parameters(rest, RCPT_PARAMETERS)
            target = ToPhone(_ACCOUNTS[0], parse_recipient(path.local))
            transaction.add(target, str(path), parameters)
            return transaction
    return Transaction(MailPath("a", "b.cd"), {}, NOW)


def _relayed(account: Account, asked: Submission) -> None:
    assert len(asked.text) <= MAX_TEXT
    assert asked.text == asked.text.strip()
    assert not any(char in asked.text for char in "\0\r\t\x1b\u200b\ufeff")
    asked.text.encode()
    prepared, _ = rules.prepare(
        account, asked, route=Route.ASYNC, now=NOW, next_id=itertools.count(1).__next__
    )
    messages = [message for _, message in prepared]
    rules.delays(asked, messages, 3600)
    for message in messages[:3]:
        _reported(account, message)


def _reported(account: Account, message: Message) -> None:
    stored = Stored(message, State.REJECTED, "", int(NOW), "WRONG_PHONE", "cause")
    notice = Notice(MAIL, "crm", Kind.STATE, 1, 1, int(NOW), 0, State.REJECTED, id=7)
    made = report.compose(Owed(notice, stored), account.settings, _HOUSE)
    if isinstance(made, Letter):
        assert b"\r" not in made.octets.replace(b"\r\n", b"")
        assert b"\n" not in made.octets.replace(b"\r\n", b"")
        assert max(map(len, made.octets.split(b"\r\n"))) <= 998
