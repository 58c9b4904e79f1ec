"""A session: what ends it, and the log of its refusals."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

import pytest
from structlog.testing import capture_logs

from tests.smtp.client import ENVELOPE, MAIL, connected
from tests.smtp.standins import NAME, PASSWORD, StandInAccounts, running

PLAIN = b64encode(f"\0{NAME}\0{PASSWORD}".encode()).decode()
MAIL_FROM = b"MAIL FROM:<a@example.com>"
RCPT = b"RCPT TO:<380501234567@sms.example.com>"


def b64(text: str) -> bytes:
    return b64encode(text.encode())


# --- its end


async def test_a_login_too_many_for_its_account_ends_the_session() -> None:
    limits: dict[str, Any] = {"max_connections_per_account": 1}
    async with (
        running(accounts=StandInAccounts(), **limits) as part,
        connected(part.port) as first,
        connected(part.port) as second,
    ):
        assert (await first.ask("AUTH PLAIN " + PLAIN)).startswith("235")
        assert (await second.ask("AUTH PLAIN " + PLAIN)).startswith("421 4.7.0 ERROR = 9")
        assert await second.reply() == ""


async def test_wrong_logins_end_the_session() -> None:
    wrong = "AUTH PLAIN " + b64encode(b"\0crm\0wrong").decode()
    async with running(accounts=StandInAccounts()) as part, connected(part.port) as client:
        for _ in range(3):
            assert await client.ask(wrong) == "535 5.7.8 ERROR = 2 (wrong login or password)"
        assert (await client.reply()).startswith("421 4.7.0 Too many failed logins")
        assert await client.reply() == ""


async def test_commands_without_a_mail_are_limited() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(b"NOOP\r\n" * 200)
        replies = await client.replies(100)
        assert replies[-1].startswith("421 4.7.0")
        assert await client.reply() == ""


async def test_a_mail_resets_that_limit() -> None:
    async with running() as part, connected(part.port) as client:
        for _ in range(3):
            client.send(b"NOOP\r\n" * 60 + ENVELOPE + MAIL)
            assert (await client.replies(64))[-1].startswith("250 2.0.0 OK - 1")


async def test_each_mechanism_may_be_tried_before_the_password_counts_as_wrong() -> None:
    accounts = StandInAccounts()
    mechanisms = ["PLAIN", "LOGIN", "CRAM-MD5"]
    async with (
        running(accounts=accounts, auth_mechanisms=mechanisms) as part,
        connected(part.port) as client,
    ):
        wrong = b64(f"\0{NAME}\0wrong").decode()
        await client.ask("AUTH CRAM-MD5")
        assert (await client.ask(b64(f"{NAME} 0123"))).startswith("535")
        await client.ask("AUTH LOGIN")
        await client.ask(b64(NAME))
        assert (await client.ask(b64("wrong"))).startswith("535")
        assert (await client.ask(f"AUTH PLAIN {wrong}")).startswith("535")
        assert (await client.ask(MAIL_FROM)).startswith("250")
        refused = await client.ask(RCPT)
        assert refused == "530 5.7.0 ERROR = 2 (login required: the login was refused)"


async def test_a_good_login_makes_up_for_a_refused_one() -> None:
    async with running(accounts=StandInAccounts()) as part, connected(part.port) as client:
        await client.ask(b"AUTH PLAIN " + b64(f"\0{NAME}\0wrong"))
        await client.ask(b"AUTH PLAIN " + b64(f"\0{NAME}\0{PASSWORD}"))
        await client.ask(MAIL_FROM)
        assert (await client.ask(RCPT)).startswith("250")


async def test_a_password_in_the_wrong_place_is_not_logged() -> None:
    with capture_logs() as logs:
        async with running(accounts=StandInAccounts()) as part, connected(part.port) as client:
            await client.ask("AUTH LOGIN")
            await client.ask("!")
            await client.ask(b64(PASSWORD))
    assert [event["event"] for event in logs] == ["command_refused"] * 2
    assert b64(PASSWORD).decode() not in str(logs)


# --- the log of its refusals


async def refusals_of(*lines: str, login: str = "", **settings: Any) -> list[Any]:
    """The logged refusals of a client that sends these lines and leaves."""
    accounts = StandInAccounts(trusted_network=login)
    with capture_logs() as logs:
        async with running(accounts=accounts, **settings) as part:
            async with connected(part.port) as client:
                client.send("".join(f"{line}\r\n" for line in lines).encode("latin-1"))
                client.writer.write_eof()
                while await client.reply():
                    pass
            async with connected(part.port):
                pass  # The first session has ended by now.
    return [event for event in logs if event["event"].endswith("_refused")]


async def test_refused_recipients_are_logged_once_and_counted() -> None:
    events = await refusals_of("MAIL FROM:<a@b>", *["RCPT TO:<1@x.y>"] * 50)
    assert [event.get("repeated") for event in events] == [None, 49]
    assert {event["event"] for event in events} == {"recipient_refused"}
    assert events[0]["recipient"] == "1"
    assert events[1]["reply"] == "530 5.7.0"


async def test_an_unknown_client_that_is_refused_on_and_on_is_cut_off() -> None:
    async with running(accounts=StandInAccounts()) as part, connected(part.port) as client:
        client.send(b"MAIL FROM:<a@b>\r\n" + b"RCPT TO:<1@x.y>\r\n" * 500)
        replies = 0
        while (reply := await client.reply())[:3] in ("250", "530"):
            replies += 1
    assert reply == "421 4.7.0 Too many commands without a mail"
    assert replies <= 101


async def test_a_logged_in_client_may_name_many_wrong_numbers() -> None:
    wrong = b"RCPT TO:<1@sms.example.com>\r\n" * 300
    async with running() as part, connected(part.port) as client:
        client.send(b"MAIL FROM:<a@b>\r\n" + wrong + b"RCPT TO:<380501234567@sms.example.com>\r\n")
        assert (await client.replies(302))[-1].startswith("250")


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("FOO", "unknown"),
        ("c2VjcmV0LXBhc3N3b3Jk", "unknown"),  # A password that came too late.
        ("DATA", "DATA"),
        ("vrfy", "VRFY"),
        ("MAIL FROM:<", "MAIL"),
        ("AUTH FOO", "AUTH"),
        ("BDAT x", "BDAT"),
        ("MAIL FROM:<\xff>", "MAIL"),
        ("x" * 300_000, "unknown"),
    ],
)
async def test_a_refused_command_is_logged_without_its_text(line: str, command: str) -> None:
    [event] = await refusals_of(line, login="127.0.0.0/8")
    assert event["event"] == "command_refused"
    assert event["command"] == command
    assert event["reply"][0] == "5"
    assert "c2Vj" not in str(event)


async def test_refused_commands_are_counted_when_repeated() -> None:
    events = await refusals_of(*["FOO"] * 3, *["DATA"] * 2, login="127.0.0.0/8")
    told = [(event.get("repeated"), event["reply"][:9]) for event in events]
    assert told == [(None, "500 5.5.2"), (None, "503 5.5.1"), (2, "500 5.5.2"), (1, "503 5.5.1")]


async def test_after_a_mail_the_first_refusal_is_logged_anew() -> None:
    mail = [*ENVELOPE.decode().splitlines(), *MAIL.decode().splitlines()]
    events = await refusals_of("FOO", *mail, "FOO", login="127.0.0.0/8")
    assert [event.get("repeated") for event in events] == [None, None]


async def test_refused_mails_without_a_login_are_counted_and_limited() -> None:
    send = ["MAIL FROM:<a@b>", "RCPT TO:<send@sms.example.com>", "DATA", "", "no line", "."]
    events = await refusals_of(*send * 150, smsc_address="send")
    assert [event["event"] for event in events] == ["mail_refused"] * 2
    assert events[1]["repeated"] < 110


async def test_a_check_that_breaks_is_no_wrong_login() -> None:
    accounts = StandInAccounts()
    accounts.broken = True
    async with running(accounts=accounts) as part, connected(part.port) as client:
        assert await client.ask("AUTH PLAIN " + PLAIN) == "451 4.3.0 ERROR = 5 (operation failed)"
