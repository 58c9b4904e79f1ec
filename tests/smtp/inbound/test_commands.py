"""The reply to each command, on the wire."""

from __future__ import annotations

import asyncio
import hmac
from base64 import b64decode, b64encode
from typing import Any

import pytest

from bridge.model.message import MessageType, Recipient
from tests.smtp.client import ENVELOPE, MAIL, Client, connected
from tests.smtp.conftest import Certificate
from tests.smtp.standins import ID, NAME, PASSWORD, StandInAccounts, running

PLAIN = b64encode(f"\0{NAME}\0{PASSWORD}".encode()).decode()
LOGIN = [b64encode(word.encode()).decode() for word in (NAME, PASSWORD)]
RCPT = "RCPT TO:<380501234567@sms.example.com>"


async def test_a_mail_goes_through() -> None:
    async with running() as part, connected(part.port) as client:
        assert await client.ask("MAIL FROM:<a@b.cd> SIZE=100 BODY=8BITMIME") == "250 2.1.0 OK"
        assert await client.ask(RCPT) == "250 2.1.5 OK"
        assert await client.ask("RCPT TO:<+380671234567+promo@SMS.Example.COM>") == "250 2.1.5 OK"
        assert (await client.ask("DATA")).startswith("354 ")
        client.send(MAIL)
        assert await client.reply() == f"250 2.0.0 OK - 2 SMS, ID - {ID}"
        assert await client.ask("QUIT") == "221 2.0.0 Bye"
        assert await client.reply() == ""
    [submission] = part.relay.submitted
    assert submission.text == "text"
    assert submission.peer == "127.0.0.1"
    assert submission.recipients == (
        Recipient("380501234567", written="380501234567@sms.example.com"),
        Recipient(
            "+380671234567", MessageType.PROMO, written="+380671234567+promo@sms.example.com"
        ),
    )


async def test_the_same_recipient_twice_is_one() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE.replace(b"RCPT", RCPT.encode() + b"\r\nRCPT") + MAIL)
        await client.replies(5)
    assert len(part.relay.submitted[0].recipients) == 1


async def test_a_group_of_commands_is_answered_together() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE)
        async with asyncio.timeout(30):
            replies = b""
            while replies.count(b"\r\n") < 3:
                replies += await client.reader.read(1000)
        client.send(MAIL + ENVELOPE + MAIL + b"QUIT\r\n")
        codes = [reply[:3] for reply in await client.replies(6)]
    assert codes == ["250", "250", "250", "354", "250", "221"]
    assert part.relay.texts == ["text", "text"]


@pytest.mark.parametrize(
    ("commands", "reply"),
    [
        (["FOO"], "500 5.5.2"),
        ([""], "500 5.5.2"),
        (["\xff"], "500 5.5.2"),
        (["EHLO"], "250-bridge.test"),
        (["HELO "], "250 bridge.test"),
        (["EHLO\tx"], "250-bridge.test"),
        (["MAIL"], "501 5.5.4"),
        (["MAIL TO:<a@b>"], "501 5.5.4"),
        (["MAIL FROM:<a"], "553 5.1.7"),
        (["MAIL FROM:<a@b> FOO=1"], "555 5.5.4"),
        (["MAIL FROM:<a@b> SIZE=99999999999"], "552 5.3.4"),
        (["MAIL FROM:<é@b>"], "553 5.6.7"),
        (["MAIL FROM:<é@b> SMTPUTF8"], "250 2.1.0"),
        (["MAIL FROM:<> RET=HDRS ENVID=1 AUTH=<>"], "250 2.1.0"),
        (["mail from:<@a,@b:c@d>"], "250 2.1.0"),
        (["MAIL FROM:a@b"], "250 2.1.0"),
        (["MAIL FROM:<a@b>", "MAIL FROM:<a@b>"], "503 5.5.1"),
        ([RCPT], "503 5.5.1"),
        (["DATA"], "503 5.5.1"),
        (["MAIL FROM:<a@b>", "DATA"], "503 5.5.1"),
        (["MAIL FROM:<a@b>", "DATA now"], "501 5.5.4"),
        (["MAIL FROM:<a@b>", "RSET", "DATA"], "503 5.5.1"),
        (["MAIL FROM:<a@b>", "EHLO x", "DATA"], "503 5.5.1"),
        (["MAIL FROM:<a@b>", RCPT + " NOTIFY=NEVER ORCPT=rfc822;a"], "250 2.1.5"),
        (["MAIL FROM:<a@b>", RCPT + " FOO"], "555 5.5.4"),
        (["MAIL FROM:<a@b>", "RCPT TO:<>"], "553 5.1.3"),
        (["MAIL FROM:<a@b>", "RCPT TO:<380501234567>"], "553 5.1.3"),
        (["MAIL FROM:<a@b>", "RCPT TO:<@x:380501234567@sms.example.com>"], "250 2.1.5"),
        (["MAIL FROM:<a@b>", "RCPT TO:<@sms.example.com:a@x.com>"], "550 5.7.1"),
        (["MAIL FROM:<a@b>", "RCPT TO:<380501234567@example.com>"], "550 5.7.1"),
        (["MAIL FROM:<a@b>", "RCPT TO:<380501234567@[127.0.0.1]>"], "550 5.7.1"),
        (["MAIL FROM:<a@b>", "RCPT TO:<+380 (50) 123-45-67@sms.example.com>"], "250 2.1.5"),
        (["MAIL FROM:<a@b>", "RCPT TO:<12@sms.example.com>"], "550 5.1.3 ERROR = 7 (wrong"),
        (["MAIL FROM:<a@b>", "RCPT TO:<team@sms.example.com>"], "550 5.1.1 ERROR = 3 (nothing"),
        (["MAIL FROM:<a@b>", "RCPT TO:<380501234567+x@sms.example.com>"], "554 5.6.0 ERROR = 1"),
        (["MAIL FROM:<a@b>", "RCPT TO:<SEND@sms.example.com>"], "250 2.1.5"),
        (["MAIL FROM:<a@b> SIZE=200000", "RCPT TO:<send@sms.example.com>"], "552 5.3.4"),
        (["MAIL FROM:<a@b>", RCPT, "RCPT TO:<send@sms.example.com>"], "452 4.5.3"),
        (["MAIL FROM:<a@b>", "RCPT TO:<send@sms.example.com>", RCPT], "452 4.5.3"),
        (["VRFY <a@b>"], "252 2.5.2"),
        (["VRFY"], "501 5.5.4"),
        (["EXPN list"], "502 5.5.1"),
        (["HELP"], "214 2.0.0"),
        (["NOOP x"], "250 2.0.0"),
        (["STARTTLS"], "502 5.5.1"),
        (["AUTH"], "501 5.5.4"),
        (["AUTH CRAM-MD5"], "504 5.5.4"),
        (["LHLO x"], "500 5.5.2"),
        (["AUTH PLAIN ***"], "501 5.5.2"),
        (["AUTH PLAIN AA=="], "501 5.5.2"),
        (["AUTH LOGIN", "*"], "501 5.7.0"),
        (["AUTH LOGIN", "é"], "501 5.5.2"),
        (["NOOP " + "x" * 3000], "500 5.5.2"),
        (["NOOP " + "x" * 300_000], "500 5.5.2"),
    ],
)
async def test_a_command_and_its_answer(commands: list[str], reply: str) -> None:
    async with running(smsc_address="send") as part, connected(part.port) as client:
        for command in commands[:-1]:
            assert (await client.ask(command))[0] in "23"
        last = commands[-1]
        answer = await client.ask(last.encode("latin-1") if last == "\xff" else last)
        assert answer.startswith(reply)
        assert (await client.ask("NOOP")).startswith("250")


async def test_commands_before_ehlo() -> None:
    async with running() as part, connected(part.port, greet=False) as client:
        await client.reply()
        assert (await client.ask("MAIL FROM:<a@b>")).startswith("503")
        assert (await client.ask("AUTH PLAIN " + PLAIN)).startswith("503")
        assert await client.ask("HELO x") == "250 bridge.test"
        assert (await client.ask("MAIL FROM:<a@b>")).startswith("250")


async def test_a_line_ended_by_a_bare_line_feed_is_refused() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(b"NOOP\nNOOP\r\n")
        assert await client.replies(2) == ["500 5.5.2 Lines end in CR LF", "250 2.0.0 OK"]


# --- who may send


@pytest.mark.parametrize(
    ("header", "settings", "answer"),
    [
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n", {}, "538 5.7.11"),
        (b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n", {"clear_text_auth": True}, "250"),
        (b"PROXY TCP4 127.0.0.1 127.0.0.1 40000 25\r\n", {}, "250"),
    ],
)
async def test_an_smsc_line_with_its_password_needs_a_safe_connection_as_a_login_does(
    header: bytes, settings: dict[str, Any], answer: str
) -> None:
    async with (
        running(smsc_address="send", proxies=["127.0.0.0/8"], **settings) as part,
        connected(part.port, greet=False) as client,
    ):
        client.send(header + b"EHLO x\r\nMAIL FROM:<a@b>\r\n")
        await client.replies(3)
        assert (await client.ask("RCPT TO:<send@sms.example.com>")).startswith(answer)


async def test_under_tls_the_smsc_line_is_taken_from_anywhere(certificate: Certificate) -> None:
    both = certificate.settings(tls_listen=["127.0.0.1:0"], smsc_address="send")
    async with running(proxies=["127.0.0.0/8"], **both) as part:
        reader, writer = await asyncio.open_connection("127.0.0.1", part.tls_port)
        writer.write(b"PROXY TCP4 192.0.2.7 198.51.100.1 40000 25\r\n")
        client = Client(reader, writer)
        await client.start_tls(certificate.context())
        assert (await client.reply()).startswith("220")
        await client.ask("EHLO x")
        await client.ask("MAIL FROM:<a@b>")
        assert (await client.ask("RCPT TO:<send@sms.example.com>")).startswith("250")
        writer.close()


async def test_without_a_login_rcpt_asks_for_one() -> None:
    async with (
        running(accounts=StandInAccounts(), smsc_address="send") as part,
        connected(part.port) as client,
    ):
        await client.ask("MAIL FROM:<a@b>")
        assert await client.ask(RCPT) == "530 5.7.0 ERROR = 2 (login required)"
        assert (await client.ask("RCPT TO:<a@other.org>")).startswith("530 5.7.0")
        assert (await client.ask("RCPT TO:<send@sms.example.com>")).startswith("250 2.1.5")
        await client.ask("RSET")
        assert (await client.ask("DATA")).startswith("503")


@pytest.mark.parametrize(
    "exchange",
    [
        ["AUTH PLAIN " + PLAIN],
        ["auth plain " + PLAIN],
        ["AUTH PLAIN", PLAIN],
        ["AUTH PLAIN " + b64encode(f"{NAME}\0{NAME}\0{PASSWORD}".encode()).decode()],
        ["AUTH LOGIN", *LOGIN],
        ["AUTH login " + LOGIN[0], LOGIN[1]],
    ],
)
async def test_a_login_on_loopback(exchange: list[str]) -> None:
    async with (
        running(accounts=StandInAccounts(reply_fmt=1)) as part,
        connected(part.port) as client,
    ):
        for line in exchange[:-1]:
            assert (await client.ask(line)).startswith("334 ")
        assert (await client.ask(exchange[-1])).startswith("235 2.7.0")
        assert (await client.ask("AUTH PLAIN " + PLAIN)).startswith("503")
        client.send(ENVELOPE + MAIL)
        assert (await client.replies(4))[-1] == f"250 2.0.0 {ID},1"


async def test_an_answer_in_a_login_is_no_command_even_if_it_looks_like_one() -> None:
    async with running() as part, connected(part.port) as client:
        assert (await client.ask("AUTH LOGIN")).startswith("334 ")
        assert (await client.ask("NOOP")).startswith("334 ")  # base64, too
        assert (await client.ask("RSET")).startswith("535 ")


async def test_login_asks_the_two_usual_questions() -> None:
    async with running() as part, connected(part.port) as client:
        assert await client.ask("AUTH LOGIN") == "334 VXNlcm5hbWU6"
        assert await client.ask(LOGIN[0]) == "334 UGFzc3dvcmQ6"


def digest(challenge: str, password: str) -> str:
    """The client's side of RFC 2195, for a 334."""
    octets = b64decode(challenge.removeprefix("334 "))
    answer = hmac.new(password.encode(), octets, "md5").hexdigest()
    return b64encode(f"{NAME} {answer}".encode()).decode()


async def test_cram_md5() -> None:
    mechanisms: dict[str, Any] = {"auth_mechanisms": ["PLAIN", "CRAM-MD5"]}
    async with (
        running(accounts=StandInAccounts(), **mechanisms) as part,
        connected(part.port) as client,
    ):
        assert "AUTH PLAIN CRAM-MD5" in await client.ask("EHLO x")
        challenge = await client.ask("AUTH CRAM-MD5")
        assert b64decode(challenge[4:]).endswith(b"@bridge.test>")
        assert (await client.ask(digest(challenge, "wrong"))).startswith("535 5.7.8")
        again = await client.ask("AUTH CRAM-MD5")
        assert again != challenge
        assert (await client.ask(digest(challenge, PASSWORD))).startswith("535")  # a replay
        challenge = await client.ask("AUTH CRAM-MD5")
        assert (await client.ask(digest(challenge, PASSWORD))).startswith("235")
        client.send(ENVELOPE + MAIL)
        assert (await client.replies(4))[-1].startswith("250 2.0.0")


@pytest.mark.parametrize("answer", ["", "eA==", "*", b64encode(b"nobody 00").decode()])
async def test_cram_md5_with_an_answer_that_is_none(answer: str) -> None:
    mechanisms: dict[str, Any] = {"auth_mechanisms": ["CRAM-MD5"]}
    async with (
        running(accounts=StandInAccounts(), **mechanisms) as part,
        connected(part.port) as client,
    ):
        assert (await client.ask("AUTH CRAM-MD5 AAAA")).startswith("501")
        await client.ask("AUTH CRAM-MD5")
        assert (await client.ask(answer))[:3] in ("501", "535")


@pytest.mark.parametrize(
    ("message", "reply"),
    [
        (f"boss\0{NAME}\0{PASSWORD}", "235"),  # The authzid is a mail address.
        (f"\0{NAME}\0{PASSWORD}\0", "235"),
        (f"\0{NAME}\0{PASSWORD}\0\0", "235"),
        (f"{NAME}\0boss\0{PASSWORD}", "535"),  # The second login counts.
        (f"boss\0{NAME}\0wrong", "535"),
        (f"\0{NAME}\0{PASSWORD}\0more", "501"),
        (f"{NAME}\0{PASSWORD}", "235"),
    ],
)
async def test_auth_plain_as_clients_write_it(message: str, reply: str) -> None:
    initial = b64encode(message.encode()).decode()
    async with running(accounts=StandInAccounts()) as part, connected(part.port) as client:
        assert (await client.ask("AUTH PLAIN " + initial)).startswith(reply)


async def test_base64_may_lack_its_padding() -> None:
    async with running(accounts=StandInAccounts()) as part, connected(part.port) as client:
        await client.ask("AUTH LOGIN")
        await client.ask(LOGIN[0].rstrip("="))
        assert (await client.ask(LOGIN[1].rstrip("="))).startswith("235")


async def test_a_blocked_address_hears_421() -> None:
    accounts = StandInAccounts()
    async with running(accounts=accounts) as part, connected(part.port) as client:
        accounts.blocked = True
        assert (await client.ask("AUTH PLAIN " + PLAIN)).startswith("421 4.7.0 ERROR = 4")
        assert await client.reply() == ""
        async with connected(part.port, greet=False) as another:
            assert (await another.reply()).startswith("421 4.7.0 ERROR = 4")


async def test_no_login_inside_a_mail() -> None:
    async with running() as part, connected(part.port) as client:
        await client.ask("MAIL FROM:<a@b>")
        assert (await client.ask("AUTH PLAIN " + PLAIN)).startswith("503")


# --- limits


async def test_too_many_recipients() -> None:
    async with running(max_recipients=2) as part, connected(part.port) as client:
        await client.ask("MAIL FROM:<a@b>")
        codes = [
            (await client.ask(f"RCPT TO:<38050123456{n}@sms.example.com>"))[:9] for n in range(4)
        ]
        assert codes == ["250 2.1.5", "250 2.1.5", "452 4.5.3", "452 4.5.3"]
