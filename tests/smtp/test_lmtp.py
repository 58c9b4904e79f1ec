"""LMTP (RFC 2033): its greeting, and a reply for each recipient."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, Submission
from tests.smtp.client import MAIL, Client, connected
from tests.smtp.standins import DOMAIN, ID, Running, StandInRelay, running

PHONES = ["380501234567", "380671234567", "380631234567"]


@asynccontextmanager
async def lmtp(relay: StandInRelay | None = None, **settings: Any) -> AsyncIterator[Running]:
    given = {"lmtp_listen": ["127.0.0.1:0"]}
    async with running(relay=relay or StandInRelay(), **{**given, **settings}) as part:
        yield part


async def told(client: Client, *phones: str) -> list[str]:
    """The replies to RCPT of each phone."""
    await client.ask("LHLO x")
    await client.ask("MAIL FROM:<a@b.cd>")
    return [await client.ask(f"RCPT TO:<{phone}@{DOMAIN}>") for phone in phones]


async def test_its_own_greeting() -> None:
    async with lmtp() as part, connected(part.lmtp_port, greet=False) as client:
        assert await client.reply() == "220 bridge.test LMTP cascade-bridge"
        assert (await client.ask("EHLO x")).startswith("500 5.5.2")
        assert (await client.ask("HELO x")).startswith("500 5.5.2")
        assert (await client.ask("MAIL FROM:<a@b>")).startswith("503")
        extensions = await client.ask("LHLO x")
        for needed in ("PIPELINING", "ENHANCEDSTATUSCODES", "8BITMIME"):
            assert needed in extensions


async def test_a_reply_for_each_recipient_in_their_order() -> None:
    def answer(submission: Submission) -> Outcome:
        [recipient] = submission.recipients
        number = PHONES.index(recipient.address)
        if number == 1:
            return Failure(Reason.TOO_FAST)
        return Accepted(ID + number, 1 + number)

    async with lmtp(StandInRelay(answer)) as part, connected(part.lmtp_port, greet=False) as client:
        await client.reply()
        assert [reply[:3] for reply in await told(client, *PHONES)] == ["250"] * 3
        await client.ask("DATA")
        client.send(MAIL + b"NOOP\r\n")
        assert await client.replies(4) == [
            f"250 2.0.0 OK - 1 SMS, ID - {ID}",
            "451 4.7.1 ERROR = 9 (too fast)",
            f"250 2.0.0 OK - 3 SMS, ID - {ID + 2}",
            "250 2.0.0 OK",
        ]


async def test_a_recipient_that_was_refused_gets_no_second_reply() -> None:
    async with lmtp() as part, connected(part.lmtp_port, greet=False) as client:
        await client.reply()
        codes = [reply[:3] for reply in await told(client, PHONES[0], "12", PHONES[1])]
        assert codes == ["250", "550", "250"]
        await client.ask("DATA")
        client.send(MAIL + b"NOOP\r\n")
        assert [reply[:9] for reply in await client.replies(3)] == ["250 2.0.0"] * 3
    assert [len(submission.recipients) for submission in part.relay.submitted] == [1, 1]


async def test_the_same_recipient_twice_is_sent_once_and_answered_twice() -> None:
    async with lmtp() as part, connected(part.lmtp_port, greet=False) as client:
        await client.reply()
        await told(client, PHONES[0], PHONES[1], PHONES[0])
        await client.ask("DATA")
        client.send(MAIL + b"NOOP\r\n")
        assert len([reply for reply in await client.replies(4) if "SMS" in reply]) == 3
    assert len(part.relay.submitted) == 2


async def test_what_is_wrong_with_the_mail_is_said_to_each() -> None:
    async with lmtp(max_size=1024) as part, connected(part.lmtp_port, greet=False) as client:
        await client.reply()
        await told(client, *PHONES)
        await client.ask("DATA")
        client.send(b"\r\n" + b"x" * 2000 + b"\r\n.\r\n")
        assert [reply[:9] for reply in await client.replies(3)] == ["552 5.3.4"] * 3
        await told(client, *PHONES)
        await client.ask("DATA")
        client.send(b"X-Cascade-TTL: soon\r\n" + MAIL + b"NOOP\r\n")
        codes = [reply[:9] for reply in await client.replies(4)]
        assert codes == ["554 5.6.0"] * 3 + ["250 2.0.0"]
    assert part.relay.submitted == []


async def test_recipients_wait_together() -> None:
    answers: list[asyncio.Future[Outcome]] = []

    def later(_: Submission) -> asyncio.Future[Outcome]:
        answers.append(asyncio.get_running_loop().create_future())
        return answers[-1]

    relay = StandInRelay(later)
    async with lmtp(relay) as part, connected(part.lmtp_port, greet=False) as client:
        await client.reply()
        await told(client, *PHONES)
        await client.ask("DATA")
        client.send(MAIL)
        async with asyncio.timeout(30):
            await relay.arrived.wait()
        assert len(answers) == 3
        for number, waiting in reversed(list(enumerate(answers))):
            waiting.set_result(Accepted(ID + number, 1))
        replies = await client.replies(3)
    assert [reply.rpartition(" ")[2] for reply in replies] == [str(ID + n) for n in range(3)]
