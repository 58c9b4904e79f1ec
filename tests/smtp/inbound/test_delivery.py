"""From a mail to its reply: outcomes, failures of the bridge, large mails."""

from __future__ import annotations

import asyncio

import pytest

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, Protocol, Recipient, Submission
from bridge.smtp.inbound.delivery import LARGE_MAIL
from tests.smtp.client import ENVELOPE, MAIL, Client, connected
from tests.smtp.standins import API_KEY, ID, NAME, PASSWORD, StandInAccounts, StandInRelay, running


@pytest.mark.parametrize(
    ("outcome", "reply"),
    [
        (Failure(Reason.WRONG_PHONE), "550 5.1.3 ERROR = 7 (wrong phone number)"),
        (Failure(Reason.TOO_FAST), "451 4.7.1 ERROR = 9 (too fast)"),
        (Accepted(ID, 1, queued=True), f"250 2.0.0 OK - 1 SMS, ID - {ID} (queued)"),
        (
            Accepted(ID, 1, refused=((Recipient("38050"), Failure(Reason.TOO_FAST)),)),
            f"250 2.0.0 OK - 1 SMS, ID - {ID}; refused: 38050: ERROR = 9 (too fast)",
        ),
    ],
)
async def test_the_outcome_is_the_reply_to_data(outcome: Outcome, reply: str) -> None:
    async with (
        running(relay=StandInRelay(lambda _: outcome)) as part,
        connected(part.port) as client,
    ):
        client.send(ENVELOPE + MAIL)
        assert (await client.replies(4))[-1] == reply


async def test_a_bad_header_is_refused_with_its_name() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE + b"X-Cascade-TTL: soon\r\n" + MAIL)
        answer = (await client.replies(4))[-1]
        assert answer.startswith("554 5.6.0 ERROR = 1 (bad validity: X-Cascade-TTL")
    assert part.relay.submitted == []


async def test_a_fault_of_ours_is_temporary_and_tells_nothing() -> None:
    def broken(_: Submission) -> Outcome:
        raise OSError("secret database path")

    async with running(relay=StandInRelay(broken)) as part, connected(part.port) as client:
        for _ in range(2):
            client.send(ENVELOPE + MAIL)
            answer = (await client.replies(4))[-1]
            assert answer == "451 4.3.0 ERROR = 5 (operation failed)"


async def test_a_large_mail_is_read_in_a_thread() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE + b"Subject: x\r\n\r\n" + b"li\0ne\r\n" * 5_000 + b"\0" * 99_999)
        client.send(b"\r\n.\r\n")
        assert (await client.replies(4))[-1].startswith("250 2.0.0")
    assert part.relay.texts[0].count("line") == 5_000


# --- to whom, and how often


async def line(client: Client, text: str) -> str:
    """The reply to a mail to the SMSC line."""
    client.send(ENVELOPE.replace(b"380501234567", b"send") + f"\r\n{text}\r\n.\r\n".encode())
    return (await client.replies(4))[-1]


async def test_a_mail_to_the_smsc_line_is_of_the_account_that_it_names() -> None:
    async with (
        running(accounts=StandInAccounts(), smsc_address="send") as part,
        connected(part.port) as client,
    ):
        for login in (f"{NAME}:{PASSWORD}", f":{API_KEY}"):
            answer = await line(client, f"{login}:::,:380501234567:text")
            assert answer.startswith("250 2.0.0 OK - 1 SMS")
        for login in (f"{NAME}:wrong", ":another-key"):
            answer = await line(client, f"{login}:::,:380501234567:text")
            assert answer == "535 5.7.8 ERROR = 2 (wrong login or password)"
    assert part.relay.texts == ["text", "text"]


async def test_a_mail_is_one_submission_and_by_lmtp_one_for_each_recipient() -> None:
    two = b"RCPT TO:<380671234567@sms.example.com>\r\nDATA\r\n"
    mail = ENVELOPE.replace(b"DATA\r\n", two) + MAIL
    async with running(lmtp_listen=["127.0.0.1:0"]) as part:
        for port, hello, replies in ((part.port, "EHLO x", 5), (part.lmtp_port, "LHLO x", 6)):
            async with connected(port, greet=False) as client:
                await client.reply()
                await client.ask(hello)
                client.send(mail)
                assert (await client.replies(replies))[-1].startswith("250 2.0.0 OK")
    assert [len(one.recipients) for one in part.relay.submitted] == [2, 1, 1]


async def test_an_unreadable_mail_has_a_reply_for_each_recipient_of_lmtp() -> None:
    two = b"RCPT TO:<380671234567@sms.example.com>\r\nDATA\r\n"
    async with (
        running(lmtp_listen=["127.0.0.1:0"]) as part,
        connected(part.lmtp_port, greet=False) as client,
    ):
        await client.reply()
        await client.ask("LHLO x")
        client.send(ENVELOPE.replace(b"DATA\r\n", two) + b"X-Cascade-TTL: soon\r\n" + MAIL)
        assert [reply[:3] for reply in await client.replies(6)][-2:] == ["554", "554"]
    assert part.relay.submitted == []


async def test_only_large_mails_take_a_thread() -> None:
    read_in: list[str] = []

    def answer(submission: Submission) -> Outcome:
        read_in.append("a thread" if part.listener._service.threads._threads else "the loop")
        return Accepted(ID, 1)

    async with running(relay=StandInRelay(answer)) as part, connected(part.port) as client:
        for size in (LARGE_MAIL - 1000, LARGE_MAIL + 1000):
            client.send(ENVELOPE + b"Subject: x\r\n\r\ntext" + b"\0" * size + b"\r\n.\r\n")
            assert (await client.replies(4))[-1].startswith("250 2.0.0")
    assert read_in == ["the loop", "a thread"]


async def test_replies_go_out_before_a_login_is_waited_for() -> None:
    checked = asyncio.Event()

    class Slow(StandInAccounts):
        async def authenticate_key(self, key: str, *, protocol: Protocol, address: str) -> Account:
            await checked.wait()
            return await super().authenticate_key(key, protocol=protocol, address=address)

    async with (
        running(accounts=Slow(), smsc_address="send") as part,
        connected(part.port) as client,
    ):
        mail = f"\r\n:{API_KEY}:::,:380501234567:text\r\n.\r\n".encode()
        client.send(ENVELOPE.replace(b"380501234567", b"send") + mail)
        assert [reply[:3] for reply in await client.replies(3)] == ["250", "250", "354"]
        checked.set()
        assert (await client.reply()).startswith("250 2.0.0")
