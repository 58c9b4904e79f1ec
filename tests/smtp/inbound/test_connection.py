"""A connection on the wire: time limits, its end, STARTTLS, lines, limits on connections."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import random
import re
import socket
import ssl
from base64 import b64encode
from typing import Any

import pytest

from bridge.model.message import Accepted, Outcome, Submission
from bridge.smtp.inbound import connection
from bridge.smtp.inbound.connection import SmtpConnection
from tests.smtp.client import ENVELOPE, HELLO, MAIL, connected
from tests.smtp.conftest import Certificate
from tests.smtp.standins import ID, NAME, PASSWORD, StandInAccounts, StandInRelay, running

PLAIN = b64encode(f"\0{NAME}\0{PASSWORD}".encode()).decode()


class SlowRelay(StandInRelay):
    """Answers when the test allows it."""

    def __init__(self) -> None:
        super().__init__(self._wait)
        self.answers: list[asyncio.Future[Outcome]] = []

    def _wait(self, _: Submission) -> asyncio.Future[Outcome]:
        self.answers.append(asyncio.get_running_loop().create_future())
        return self.answers[-1]

    async def taken(self) -> asyncio.Future[Outcome]:
        async with asyncio.timeout(30):
            await self.arrived.wait()
        self.arrived.clear()
        return self.answers[-1]


# --- a client that leaves


async def test_a_client_that_half_closes_still_gets_its_answer() -> None:
    relay = SlowRelay()
    async with running(relay=relay) as part, connected(part.port) as client:
        client.send(ENVELOPE + MAIL + b"QUIT\r\n")
        client.writer.write_eof()
        answer = await relay.taken()
        await asyncio.sleep(0)
        answer.set_result(Accepted(ID, 1))
        replies = await client.replies(6)
    assert replies[3] == f"250 2.0.0 OK - 1 SMS, ID - {ID}"
    assert replies[4].startswith("221")
    assert replies[5] == ""


async def test_a_reset_does_not_cancel_a_mail_that_was_taken() -> None:
    relay = SlowRelay()
    async with running(relay=relay) as part:
        async with connected(part.port) as client:
            client.send(ENVELOPE + MAIL)
            answer = await relay.taken()
            client.reset()
        async with connected(part.port) as another:  # The reset has been noticed by now.
            await another.ask("NOOP")
        assert not answer.cancelled()
        answer.set_result(Accepted(ID, 1))


async def test_a_client_that_leaves_inside_a_mail_sent_nothing() -> None:
    async with running() as part:
        async with connected(part.port) as client:
            client.send(ENVELOPE + b"half a mail\r\n")
            await client.replies(3)
            client.writer.write_eof()
            assert await client.reply() == ""
        assert part.relay.submitted == []


async def test_a_connection_that_ended_leaves_nothing_to_collect() -> None:
    gc.collect()
    gc.disable()
    try:
        async with running() as part:
            for _ in range(3):
                async with connected(part.port) as client:
                    client.send(ENVELOPE + MAIL + b"QUIT\r\n")
                    await client.replies(6)
        await asyncio.sleep(0.05)
        assert not [one for one in gc.get_objects() if isinstance(one, SmtpConnection)]
    finally:
        gc.enable()


# --- the end of a mail


@pytest.mark.parametrize(
    "end", [b"\n.\n", b"\n.\r\n", b"\r\n.\n", b"\r.\r", b"\r\n.\r", b"\r\n.\r\r\n", b"\r\n.\0\r\n"]
)
async def test_nothing_but_its_end_ends_a_mail(end: bytes) -> None:
    smuggled = b"a" + end + ENVELOPE + b"smuggled\r\n.\r\n"
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE + b"Subject: x\r\n\r\n" + smuggled)
        assert (await client.replies(4))[-1].startswith("250 2.0.0")
        assert await client.ask("NOOP") == "250 2.0.0 OK"
    [text] = part.relay.texts
    assert "MAIL FROM" in text
    assert text.endswith("smuggled")


async def test_the_end_is_found_however_it_is_cut() -> None:
    mail = b"\r\n..a\r\n.b\r\n...\r\n.\r\n"
    async with running() as part, connected(part.port) as client:
        for cut in range(1, len(mail)):
            client.send(ENVELOPE)
            await client.replies(3)
            client.send(mail[:cut])
            await client.writer.drain()
            await asyncio.sleep(0.001)
            client.send(mail[cut:])
            assert (await client.reply()).startswith("250 2.0.0")
    assert set(part.relay.texts) == {".a\nb\n.."}


async def test_an_empty_mail() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE + b".\r\n" + ENVELOPE + MAIL)
        assert [reply[:3] for reply in await client.replies(8)][3::4] == ["250", "250"]
    assert part.relay.texts == ["", "text"]


async def test_a_line_may_be_as_long_as_the_mail() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE + b"\r\n" + b"x\0\0\0\0\0\0\0" * 30_000 + b"\r\n.\r\n")
        assert (await client.replies(4))[-1].startswith("250 2.0.0")
    assert part.relay.texts == ["x" * 30_000]


async def test_a_mail_above_the_limit_is_refused_and_the_session_goes_on() -> None:
    async with running(max_size=1024) as part, connected(part.port) as client:
        for size in (1023, 2000, 1023):
            body = b"\r\n" + b"x" * (size - 4) + b"\r\n"
            client.send(ENVELOPE + body + b".\r\n")
            expected = "250 2.0.0" if size < 1024 else "552 5.3.4"
            assert (await client.replies(4))[-1].startswith(expected)
    assert len(part.relay.submitted) == 2


async def test_a_mail_without_an_end_is_cut_off() -> None:
    async with running(max_size=1024) as part, connected(part.port) as client:
        client.send(ENVELOPE + b"x" * 300_000)
        await client.replies(3)
        with contextlib.suppress(ConnectionError):  # It closed with unread octets.
            assert await client.reply() == ""
    assert part.listener._service.memory.used == 0


async def test_mails_in_the_making_share_a_bounded_memory(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.smtp.inbound.mail_buffer.MAX_BUFFERED", 100_000)
    async with running() as part, connected(part.port) as client:
        for _ in range(2):
            client.send(ENVELOPE + b"\r\n" + b"x" * 300_000 + b"\r\n.\r\n")
            assert (await client.replies(4))[-1].startswith("452 4.3.1 ERROR = 9")
        client.send(ENVELOPE + MAIL)
        assert (await client.replies(4))[-1].startswith("250 2.0.0")
    assert part.listener._service.memory.used == 0


# --- time


async def test_a_silent_client_hears_421() -> None:
    async with running(timeout="100ms") as part, connected(part.port, greet=False) as client:
        assert (await client.reply()).startswith("220")
        assert await client.reply() == "421 4.4.2 Timed out waiting for the client"
        assert await client.reply() == ""


async def test_a_client_that_stops_inside_a_mail_hears_421() -> None:
    async with running(timeout="100ms") as part, connected(part.port, greet=False) as client:
        client.send(HELLO + ENVELOPE + b"half")
        assert (await client.replies(6))[-1].startswith("421 4.4.2")


async def test_a_mail_that_arrives_slowly_but_steadily_is_taken() -> None:
    now = 0.0
    async with (
        running(timeout="10m", clock=lambda: now) as part,
        connected(part.port) as client,
        connected(part.port) as other,
    ):
        client.send(ENVELOPE + b"\r\n")
        await client.replies(3)
        session = min(part.listener._connections, key=lambda one: one.id)
        for _ in range(3):
            client.send(b"piece\r\n")
            await other.ask("NOOP")  # the piece has come by now
            now += 500
            session._timeout_cb()
        client.send(b".\r\n")
        assert (await client.reply()).startswith("250 2.0.0")


async def test_a_mail_that_drips_for_ever_is_cut_off() -> None:
    async with running(timeout="100ms") as part, connected(part.port, greet=False) as client:
        client.send(HELLO + ENVELOPE + b"\r\n")
        await client.replies(5)
        answer = asyncio.create_task(client.reply())
        for _ in range(100):
            client.send(b"x")
            done, _pending = await asyncio.wait([answer], timeout=0.02)
            if done:
                break
        assert (await answer).startswith("421 4.4.2")


async def test_waiting_for_an_answer_is_not_the_clients_silence() -> None:
    relay = SlowRelay()
    async with (
        running(relay=relay, timeout="100ms") as part,
        connected(part.port, greet=False) as client,
    ):
        client.send(HELLO + ENVELOPE + MAIL)
        answer = await relay.taken()
        await asyncio.sleep(0.3)
        answer.set_result(Accepted(ID, 1))
        assert (await client.replies(6))[-1].startswith("250 2.0.0")


async def test_a_client_that_never_reads_its_replies_is_cut_off(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "CUT_AFTER", 0.2)
    async with running(timeout="200ms") as part:
        [server] = part.listener._servers
        for listening in server.sockets:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sock.setblocking(False)
            loop = asyncio.get_running_loop()
            await loop.sock_connect(sock, ("127.0.0.1", part.port))
            sending = asyncio.create_task(
                loop.sock_sendall(sock, b"EHLO x\r\n" + (ENVELOPE + MAIL) * 600)
            )
            async with asyncio.timeout(30):
                while not part.listener.sessions():  # noqa: ASYNC110 - a state, no event
                    await asyncio.sleep(0.01)
                while part.listener.sessions():  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            sending.cancel()
            with contextlib.suppress(asyncio.CancelledError, OSError):
                await sending


async def test_a_client_that_does_not_read_is_not_read() -> None:
    async with running() as part:
        sock = socket.create_connection(("127.0.0.1", part.port))
        sock.setblocking(False)
        sent = 0
        loop = asyncio.get_running_loop()
        request = ENVELOPE + MAIL
        try:
            async with asyncio.timeout(0.4):
                await loop.sock_sendall(sock, b"EHLO x\r\n")
                while sent < 200_000_000:
                    await loop.sock_sendall(sock, request * 1000)
                    sent += len(request) * 1000
        except TimeoutError:
            pass
        finally:
            sock.close()
        assert sent < 100_000_000


# --- limits over connections


async def test_too_many_connections_in_all() -> None:
    async with (
        running(max_connections=2) as part,
        connected(part.port) as first,
        connected(part.port),
        connected(part.port, greet=False) as third,
    ):
        assert await third.reply() == "421 4.7.0 ERROR = 9 (too many connections)"
        assert await third.reply() == ""
        await first.ask("QUIT")
        assert await first.reply() == ""
        async with connected(part.port) as fourth:
            assert await fourth.ask("NOOP") == "250 2.0.0 OK"


async def test_too_many_connections_from_one_address() -> None:
    async with running(max_connections_per_address=1) as part:
        async with connected(part.port) as first:
            async with connected(part.port, greet=False) as second:
                assert "from this address" in await second.reply()
            assert (await first.ask("QUIT")).startswith("221")
            assert await first.reply() == ""
        async with connected(part.port) as next_one:
            assert await next_one.ask("NOOP") == "250 2.0.0 OK"


@pytest.mark.parametrize("limit", ["max_connections", "max_connections_per_address"])
async def test_connections_without_a_login_give_way_and_keep_nobody_out(limit: str) -> None:
    limits: dict[str, Any] = {limit: 3}
    async with running(accounts=StandInAccounts(), **limits) as part:
        async with connected(part.port) as sender, connected(part.port) as other:
            for client in (sender, other):
                assert (await client.ask("AUTH PLAIN " + PLAIN)).startswith("235")
            async with connected(part.port) as idle, connected(part.port) as new:
                assert (await idle.reply()).startswith("421 4.7.0 ERROR = 9 (too many connections")
                assert await idle.reply() == ""
                # Who has logged in stays; when all have, there is no room.
                assert (await new.ask("AUTH PLAIN " + PLAIN)).startswith("235")
                async with connected(part.port, greet=False) as last:
                    assert (await last.reply()).startswith("421 4.7.0")
                for client in (sender, other, new):
                    assert await client.ask("NOOP") == "250 2.0.0 OK"
        async with connected(part.port) as again:
            assert await again.ask("NOOP") == "250 2.0.0 OK"
    assert part.listener._service.limits._connections == 0


async def test_limits_of_command_lines_belong_to_a_connection() -> None:
    async with running() as part, connected(part.port) as client:
        for _ in range(20):
            await client.ask("EHLO x")
        async with connected(part.port):
            assert (await client.ask("MAIL FROM:<" + "a" * 900 + "@b>")).startswith("250")
            assert (await client.ask("NOOP " + "a" * 2100)).startswith("500 5.5.2")


def test_the_engine_does_not_log_commands() -> None:
    assert logging.getLogger("mail.log").getEffectiveLevel() >= logging.WARNING


# --- TLS


async def test_starttls_then_login(certificate: Certificate) -> None:
    accounts = StandInAccounts()
    settings = certificate.settings(starttls="required")
    async with running(accounts=accounts, **settings) as part, connected(part.port) as client:
        extensions = await client.ask("EHLO x")
        assert "STARTTLS" in extensions
        assert "AUTH" not in extensions
        assert (await client.ask("MAIL FROM:<a@b>")).startswith("530 5.7.0 Must issue")
        assert (await client.ask("AUTH PLAIN " + PLAIN)).startswith("530 5.7.0")
        assert (await client.ask("STARTTLS")).startswith("220")
        await client.start_tls(certificate.context())
        assert (await client.ask("MAIL FROM:<a@b>")).startswith("503")  # STARTTLS resets EHLO.
        extensions = await client.ask("EHLO x")
        assert "STARTTLS" not in extensions
        assert "AUTH PLAIN LOGIN" in extensions
        assert (await client.ask("STARTTLS")).startswith("503")
        assert (await client.ask("AUTH PLAIN " + PLAIN)).startswith("235")
        client.send(ENVELOPE + MAIL)
        assert (await client.replies(4))[-1].startswith("250 2.0.0")


async def test_input_before_the_tls_handshake_is_discarded(certificate: Certificate) -> None:
    async with (
        running(**certificate.settings()) as part,
        connected(part.port) as client,
    ):
        client.send(b"STARTTLS\r\nEHLO evil\r\n" + ENVELOPE + b"injected\r\n.\r\n")
        assert (await client.reply()).startswith("220")
        await client.start_tls(certificate.context())
        assert await client.ask("NOOP") == "250 2.0.0 OK"
        assert (await client.ask("MAIL FROM:<a@b>")).startswith("503")
    assert part.relay.submitted == []


async def test_a_handshake_that_fails_ends_the_session(certificate: Certificate) -> None:
    async with (
        running(**certificate.settings()) as part,
        connected(part.port) as client,
    ):
        assert (await client.ask("STARTTLS")).startswith("220")
        client.send(b"this is no handshake at all\r\n" * 10)
        async with asyncio.timeout(30):
            await client.reader.read()
        async with connected(part.port) as another:
            assert await another.ask("NOOP") == "250 2.0.0 OK"


async def test_implicit_tls_offers_login(certificate: Certificate) -> None:
    settings = certificate.settings(tls_listen=["127.0.0.1:0"])
    accounts = StandInAccounts()
    async with (
        running(accounts=accounts, **settings) as part,
        connected(part.tls_port, context=certificate.context()) as client,
    ):
        extensions = await client.ask("EHLO x")
        assert "AUTH PLAIN LOGIN" in extensions
        assert "STARTTLS" not in extensions
        assert (await client.ask("AUTH PLAIN " + PLAIN)).startswith("235")
        client.send(ENVELOPE + MAIL)
        assert (await client.replies(4))[-1].startswith("250 2.0.0")


async def test_a_client_that_closes_tls_does_not_cancel_its_mail(
    certificate: Certificate,
) -> None:
    relay = SlowRelay()
    settings = certificate.settings(tls_listen=["127.0.0.1:0"])
    async with running(relay=relay, **settings) as part:
        async with connected(part.tls_port, context=certificate.context()) as client:
            client.send(ENVELOPE + MAIL)
            answer = await relay.taken()
        assert not answer.cancelled()
        answer.set_result(Accepted(ID, 1))


async def test_a_certificate_is_needed_for_tls() -> None:
    with pytest.raises(ValueError, match="certificate"):
        async with running(starttls="required"):
            pass


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
async def test_old_tls_is_refused(certificate: Certificate) -> None:
    context = certificate.context()
    context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
    context.maximum_version = ssl.TLSVersion.TLSv1_1
    async with running(**certificate.settings(tls_listen=["127.0.0.1:0"])) as part:
        with pytest.raises((ssl.SSLError, ConnectionError)):
            async with connected(part.tls_port, context=context):
                pass


# --- the other event loop, and chance


def test_all_of_it_on_uvloop(certificate: Certificate) -> None:
    uvloop = pytest.importorskip("uvloop")
    for scenario in (
        test_a_client_that_half_closes_still_gets_its_answer(),
        test_a_reset_does_not_cancel_a_mail_that_was_taken(),
        test_a_silent_client_hears_421(),
        test_starttls_then_login(certificate),
        test_input_before_the_tls_handshake_is_discarded(certificate),
        test_a_handshake_that_fails_ends_the_session(certificate),
        test_implicit_tls_offers_login(certificate),
        test_a_client_that_closes_tls_does_not_cancel_its_mail(certificate),
    ):
        uvloop.run(scenario)


WORDS = [b"EHLO ", b"MAIL FROM:", b"RCPT TO:", b"<a@b>", b"<380501234567@sms.example.com>"]
WORDS += [b" SIZE=", b"DATA", b"RSET", b"AUTH PLAIN ", b"=", b"\r\n", b"\n", b"\0", b"\xff", b"."]
WORDS += [b"VRFY ", b"HELP", b" SMTPUTF8", b"<", b">", b'"', b"\r\n.\r\n", b" "]


@pytest.mark.parametrize("seed", range(10))
async def test_whatever_is_sent_every_reply_is_one(seed: int) -> None:
    chance = random.Random(seed)
    async with running() as part, connected(part.port) as client:
        client.send(b"".join(chance.choices(WORDS, k=600)) + b"\r\n.\r\nQUIT\r\n")
        client.writer.write_eof()
        async with asyncio.timeout(30):
            octets = await client.reader.read(1_000_000)
        for line in octets.splitlines():
            assert re.fullmatch(rb"[2345][0-9]{2}[ -].*", line)
            assert not line.startswith(b"451 4.3.0")
        assert octets.endswith(b"\r\n")
