"""What the connections of one listener share: extensions, limits, who may log in where."""

from __future__ import annotations

import ssl
from typing import Any

import pytest

from bridge.config.settings import Smtp
from bridge.model.failure import Failure, Reason
from bridge.model.message import Envelope, Receipts
from bridge.smtp.inbound.service import Service
from bridge.smtp.inbound.transaction import (
    MAIL_PARAMETERS,
    MAX_HOLD,
    parse_parameters,
)
from bridge.smtp.reply import SHUTTING_DOWN, Refused
from bridge.smtp.reply_address import ReplyAddress
from tests.smtp.client import MAIL, connected
from tests.smtp.standins import DOMAIN, NAME, StandInAccounts, StandInRelay, running

HERE, ELSEWHERE = "127.0.0.1", "192.0.2.7"


def smtp(**settings: Any) -> Smtp:
    return Smtp.model_validate({"domains": [DOMAIN], **settings})


class Shared:
    """The shared state of a listener; tests give the time."""

    def __init__(self, *, tls: bool = False, **settings: Any) -> None:
        self.now = 1_767_225_600.0  # 2026-01-01
        self.accounts = StandInAccounts()
        self.tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER) if tls else None
        self.service = Service(
            smtp(**settings),
            self.accounts,
            StandInRelay(),
            hostname="bridge.test",
            tls_context=self.tls,
            dsn=False,
            clock=lambda: self.now,
            wall_clock=lambda: self.now,
        )

    def extensions(self, address: str = HERE, *, secure: bool = False) -> list[str]:
        lines = self.service.extensions(address, secure).decode().splitlines()
        return [line[4:] for line in lines]


def nothing() -> None:
    """What a connection does that loses its place."""


def reason_of(address: str, shared: Shared) -> Reason:
    with pytest.raises(Failure) as refused:
        shared.service.admit(address, nothing)
    return refused.value.reason


async def test_the_extensions_without_reports_and_tls() -> None:
    async with running() as part, connected(part.port, greet=False) as client:
        assert await client.reply() == "220 bridge.test ESMTP cascade-bridge"
        extensions = (await client.ask("EHLO x")).splitlines()
        assert [line[4:] for line in extensions] == [
            "bridge.test",
            "PIPELINING",
            "SIZE 10485760",
            "8BITMIME",
            "CHUNKING",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
            "DELIVERBY",
            next(line[4:] for line in extensions if "FUTURERELEASE" in line),
            "AUTH PLAIN LOGIN",
        ]


async def test_the_extensions_of_reports_and_times_are_offered() -> None:
    async with running(dsn=True) as part, connected(part.port) as client:
        lines = [line[4:] for line in (await client.ask("EHLO x")).splitlines()]
    assert "DSN" in lines
    assert "DELIVERBY" in lines
    # RFC 4865 §3: the interval and the moment.
    [release] = [line.split() for line in lines if line.startswith("FUTURERELEASE")]
    assert release[1] == str(MAX_HOLD)
    assert parse_parameters(f"HOLDUNTIL={release[2]}", MAIL_PARAMETERS)


async def test_dsn_is_offered_only_where_reports_are_sent_and_taken_always() -> None:
    async with running() as part, connected(part.port) as client:
        assert "DSN" not in await client.ask("EHLO x")
        assert (await client.ask("MAIL FROM:<a@b.cd> RET=HDRS ENVID=9")).startswith("250")
        rcpt = f"RCPT TO:<380501234567@{DOMAIN}> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;x@y"
        assert (await client.ask(rcpt)).startswith("250")
        await client.ask("DATA")
        client.send(MAIL)
        assert (await client.reply()).startswith("250")
    [submission] = part.relay.submitted
    assert submission.envelope == Envelope("a@b.cd", "HDRS", "9", subject="x")
    [recipient] = submission.recipients
    assert recipient.notify == Receipts.SUCCESS | Receipts.DELAY
    assert recipient.orcpt == "rfc822;x@y"


def test_starttls_is_offered_only_before_tls_and_with_a_certificate() -> None:
    assert "STARTTLS" not in Shared().extensions()
    assert "STARTTLS" not in Shared(tls=True, starttls="off").extensions()
    shared = Shared(tls=True)
    assert "STARTTLS" in shared.extensions()
    assert "STARTTLS" not in shared.extensions(secure=True)


@pytest.mark.parametrize(
    ("address", "secure", "settings", "may"),
    [
        (HERE, False, {}, True),
        ("::1", False, {}, True),
        ("::ffff:127.0.0.1", False, {}, True),
        (ELSEWHERE, False, {}, False),
        (ELSEWHERE, True, {}, True),
        (ELSEWHERE, False, {"clear_text_auth": True}, True),
        (HERE, False, {"starttls": "required"}, False),
        (ELSEWHERE, False, {"starttls": "required", "clear_text_auth": True}, False),
        (ELSEWHERE, True, {"starttls": "required"}, True),
    ],
)
def test_a_password_crosses_no_network_unencrypted(
    address: str, secure: bool, settings: dict[str, Any], may: bool
) -> None:
    shared = Shared(tls=True, **settings)
    assert shared.service.may_authenticate(address, secure) is may
    offered = [line for line in shared.extensions(address, secure=secure) if "AUTH" in line]
    assert offered == (["AUTH PLAIN LOGIN"] if may else [])


def test_the_latest_time_of_a_held_mail_moves_on() -> None:
    shared = Shared()

    def latest() -> str:
        return next(line for line in shared.extensions() if "FUTURERELEASE" in line)

    before = latest()
    shared.now += 0.5
    assert latest() == before
    shared.now += 1
    assert latest() > before


def test_new_settings_count_for_the_next_command() -> None:
    shared = Shared()
    assert "SIZE 10485760" in shared.extensions()
    shared.service.apply(smtp(max_size=5000, max_connections=1), None, dsn=True)
    assert "SIZE 5000" in shared.extensions()
    assert "DSN" in shared.extensions()
    shared.service.admit(HERE, nothing)
    shared.service.limits.keep(HERE, nothing)
    assert reason_of(HERE, shared) is Reason.TOO_MANY_SESSIONS


def test_an_account_has_so_many_sessions_and_no_more() -> None:
    shared = Shared(max_connections_per_account=2)
    account = shared.accounts.account
    for _ in range(2):
        shared.service.enter(account)
    with pytest.raises(Failure) as refused:
        shared.service.enter(account)
    assert refused.value.reason is Reason.TOO_MANY_SESSIONS
    shared.service.leave(account)
    shared.service.enter(account)


def test_a_connection_is_refused_with_its_reason() -> None:
    shared = Shared(max_connections_per_address=1)
    shared.service.admit(ELSEWHERE, nothing)
    shared.service.limits.keep(ELSEWHERE, nothing)
    with pytest.raises(Failure, match="from this address"):
        shared.service.admit(ELSEWHERE, nothing)
    shared.service.admit(HERE, nothing)
    shared.accounts.blocked = True
    assert reason_of("198.51.100.1", shared) is Reason.ADDRESS_BLOCKED
    shared.service.closing = True
    with pytest.raises(Refused) as closing:
        shared.service.admit(HERE, nothing)
    assert closing.value.reply == SHUTTING_DOWN


def test_a_reply_goes_to_an_account_that_is_there() -> None:
    service = Shared().service
    assert service.reply_address("r-x") is None
    to = ReplyAddress(NAME, "+380501234567", "Shop", 0)
    assert service.sender_of(to).name == NAME
    with pytest.raises(Failure) as refused:
        service.sender_of(to._replace(account="gone"))
    assert refused.value.reason is Reason.NOT_FOUND
