"""Chunks (RFC 3030), and discarded mails, on the wire."""

from __future__ import annotations

import gc
import weakref
from base64 import b64encode
from typing import Any

import pytest

from bridge.smtp.inbound.wire import Wire
from tests.smtp.client import ENVELOPE, MAIL, Client, connected
from tests.smtp.conftest import Certificate
from tests.smtp.standins import DOMAIN, ID, StandInAccounts, running

TO = ENVELOPE.replace(b"DATA\r\n", b"")
SMUGGLED = b"RSET\r\n" + ENVELOPE + b"Subject: y\r\n\r\nsmuggled\r\n.\r\n"


def bdat(chunk: bytes, *, last: bool = False) -> bytes:
    return b"BDAT %d%b\r\n" % (len(chunk), b" LAST" if last else b"") + chunk


async def test_a_mail_in_one_chunk_as_exchange_sends_it() -> None:
    mail = b"Subject: x\r\n\r\n.text\r\n..\r\n"
    async with running() as part, connected(part.port) as client:
        assert "CHUNKING" in await client.ask("EHLO x")
        client.send(TO + bdat(mail, last=True) + b"QUIT\r\n")
        replies = await client.replies(4)
    assert replies[2] == f"250 2.0.0 OK - 1 SMS, ID - {ID}"
    assert replies[3].startswith("221")
    assert part.relay.texts == [".text\n.."]  # Chunks have no dot stuffing.


async def test_a_mail_in_many_chunks_cut_anywhere() -> None:
    mail = "Subject: x\r\n\r\nПривіт, світе\r\n.\r\nкінець".encode()
    async with running() as part, connected(part.port) as client:
        for size in range(1, len(mail), 5):
            client.send(TO)
            await client.replies(2)
            for at in range(0, len(mail), size):
                piece = mail[at : at + size]
                client.send(bdat(piece))
                assert await client.reply() == f"250 2.0.0 {len(piece)} octets received"
            client.send(b"BDAT 0 LAST\r\n")
            assert (await client.reply()).startswith("250 2.0.0 OK")
    assert set(part.relay.texts) == {"Привіт, світе\n.\nкінець"}


@pytest.mark.parametrize(
    ("before", "code"),
    [
        (b"", "503 5.5.1"),
        (b"MAIL FROM:<a@b>\r\n", "503 5.5.1"),
        (b"MAIL FROM:<a@b>\r\nRCPT TO:<1@sms.example.com>\r\n", "503 5.5.1"),
    ],
)
@pytest.mark.parametrize("last", [True, False])
async def test_a_refused_chunk_is_thrown_away_whole(before: bytes, code: str, last: bool) -> None:
    async with running() as part, connected(part.port) as client:
        client.send(before)
        await client.replies(before.count(b"\r\n"))
        client.send(bdat(SMUGGLED, last=last))
        assert (await client.reply()).startswith(code)
        await client.ask("RSET")
        client.send(ENVELOPE + MAIL)
        assert (await client.replies(4))[-1].startswith("250")
    assert part.relay.texts == ["text"]


@pytest.mark.parametrize(
    "command", [b"BDAT", b"BDAT x", b"BDAT -5", b"BDAT 5 FIRST", b"BDAT 5 LAST 6", b"bdat 5\xff"]
)
async def test_a_chunk_of_unknown_size_ends_the_session(command: bytes) -> None:
    async with running() as part, connected(part.port) as client:
        client.send(TO + command + b"\r\n" + SMUGGLED)
        replies = await client.replies(4)
    assert replies[2] == "501 5.5.4 Syntax: BDAT size [LAST]"
    assert replies[3] == ""
    assert part.relay.submitted == []


async def test_a_bdat_line_with_a_bare_line_feed_ends_the_session() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(TO + b"BDAT 100 LAST\n" + SMUGGLED)
        assert (await client.replies(4))[2:] == ["500 5.5.2 Lines end in CR LF", ""]
    assert part.relay.submitted == []


async def test_a_chunk_before_required_tls_is_thrown_away(certificate: Certificate) -> None:
    async with (
        running(**certificate.settings(starttls="required")) as part,
        connected(part.port) as client,
    ):
        client.send(bdat(SMUGGLED, last=True))
        assert (await client.reply()).startswith("530 5.7.0")
        assert await client.ask("NOOP") == "250 2.0.0 OK"
    assert part.relay.submitted == []


async def test_after_a_refused_chunk_the_others_in_the_pipe_are_refused_too() -> None:
    async with running(max_size=1024) as part, connected(part.port) as client:
        client.send(TO + bdat(b"x" * 2000) + bdat(b"\r\n\r\ny") + bdat(SMUGGLED, last=True))
        replies = await client.replies(5)
        assert [reply[:9] for reply in replies[2:]] == ["552 5.3.4", "503 5.5.1", "503 5.5.1"]
        client.send(ENVELOPE + MAIL)
        assert (await client.replies(4))[-1].startswith("250")
    assert part.relay.texts == ["text"]


async def test_a_new_mail_may_follow_a_refused_chunk_without_rset() -> None:
    async with running(max_size=1024) as part, connected(part.port) as client:
        client.send(TO + bdat(b"x" * 2000))
        await client.replies(3)
        client.send(ENVELOPE + MAIL)
        assert (await client.replies(4))[-1].startswith("250")
    assert part.listener._service.memory.used == 0


async def test_a_mail_is_sent_one_way_or_the_other() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(TO + bdat(b"Subject: x\r\n"))
        await client.replies(3)
        assert await client.ask("DATA") == "503 5.5.1 The mail has begun with BDAT"
        assert (await client.ask("RCPT TO:<380671234567@sms.example.com>")).startswith("503")
        client.send(bdat(b"\r\ntext", last=True))
        assert (await client.reply()).startswith("250 2.0.0 OK")
    assert part.relay.texts == ["text"]


async def test_a_chunk_that_is_never_meant_to_end_ends_the_session() -> None:
    async with running(max_size=1024) as part, connected(part.port) as client:
        client.send(TO + b"BDAT 99999999999\r\n")
        assert (await client.replies(4))[2:] == ["552 5.3.4 Mail exceeds the maximum size", ""]


async def test_chunks_of_nothing_do_not_go_on_for_ever() -> None:
    async with running() as part, connected(part.port) as client:
        client.send(TO + b"BDAT 0\r\n" * 200)
        assert (await client.replies(102))[-1].startswith("421 4.7.0")


async def test_lmtp_answers_the_last_chunk_for_each_recipient() -> None:
    to = b"MAIL FROM:<a@b>\r\n" + b"".join(
        b"RCPT TO:<38050123456%d@%b>\r\n" % (n, DOMAIN.encode()) for n in (1, 2, 1)
    )
    async with (
        running(listen=[], lmtp_listen=["127.0.0.1:0"]) as part,
        connected(part.lmtp_port, greet=False) as client,
    ):
        client.send(b"LHLO x\r\n" + to + bdat(b"Subject: x\r\n\r\n") + bdat(b"text", last=True))
        replies = await client.replies(10)
    assert [reply[:3] for reply in replies[-4:]] == ["250"] * 4
    assert replies[-4] == "250 2.0.0 14 octets received"
    assert replies[-1] == replies[-3]


@pytest.mark.parametrize("leave", [b"RSET\r\n", b"EHLO x\r\n", b"QUIT\r\n", b""])
async def test_an_unfinished_mail_gives_its_memory_back(leave: bytes) -> None:
    async with running() as part:
        async with connected(part.port) as client:
            client.send(TO + bdat(b"x" * 50_000))
            await client.replies(3)
            assert part.listener._service.memory.used == 50_000
            client.send(leave)
            client.writer.write_eof()
            while await client.reply():
                pass
        assert part.listener._service.memory.used == 0


async def test_mails_that_are_thrown_away_leave_room_for_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("bridge.smtp.inbound.mail_buffer.MAX_BUFFERED", 100_000)
    async with running(max_size=50_000) as part, connected(part.port) as bad:
        bad.send(ENVELOPE + b"x" * 450_000)  # The rest of ten times the limit is not awaited.
        await bad.replies(3)
        async with connected(part.port) as good:
            good.send(ENVELOPE + b"\r\n" + b"y\0\0\0" * 10_000 + b"\r\n.\r\n")
            assert (await good.replies(4))[-1].startswith("250 2.0.0")
            assert part.listener._service.memory.used == 0


# --- what refused connections leave behind


async def test_a_thousand_refused_connections_leave_nothing_behind() -> None:
    wires: list[weakref.ref[Any]] = []

    class Watched(Wire):
        __slots__ = ("__weakref__",)

        def __init__(self, *arguments: Any) -> None:
            super().__init__(*arguments)
            wires.append(weakref.ref(self))

    async def refuse(client: Client, commands: bytes) -> None:
        client.send(commands)
        client.writer.write_eof()
        while await client.reply():
            pass

    kinds = (
        b"EHLO x\nQUIT\r\n",
        b"FOO\r\nQUIT\r\n",
        b"EHLO x\r\nMAIL FROM:<\r\nQUIT\r\n",
        b"EHLO x\r\nAUTH PLAIN *\r\nAUTH PLAIN " + b64encode(b"\0crm\0no") + b"\r\nQUIT\r\n",
        b"EHLO x\r\nMAIL FROM:<a@b> SIZE=x\r\nMAIL FROM:<a@b>\r\nRCPT TO:<1@x.y>\r\nQUIT\r\n",
        b"EHLO x\r\n" + bdat(b"x" * 100) + b"QUIT\r\n",
        b"EHLO x\r\n" + ENVELOPE.replace(b"380501234567", b"send") + b"x\r\n.\r\nQUIT\r\n",
        b"BDAT x\r\n",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bridge.smtp.inbound.connection.Wire", Watched)
        async with running(accounts=StandInAccounts(), smsc_address="send") as part:
            for n in range(1000):
                async with connected(part.port, greet=False) as client:
                    await refuse(client, kinds[n % len(kinds)])
            async with connected(part.port) as client:
                assert await client.ask("NOOP") == "250 2.0.0 OK"
            gc.collect()
            alive = [wire for wire in wires if wire() is not None]
            assert len(wires) == 1001
            assert len(alive) <= 8, f"{len(alive)} of {len(wires)} connections are still there"
