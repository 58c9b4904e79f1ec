"""Hostile clients: their replies, and their effect on others.

Each attack runs while another client sends mails, whose median time may at most double. Tests of
the single limits are in test_connection and test_commands.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import statistics
import time
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from bridge.model.failure import Failure, Reason
from tests.smtp.client import ENVELOPE, HELLO, MAIL, connected
from tests.smtp.standins import StandInAccounts, StandInRelay, running

#: Most measurements, until one is good.
MEASUREMENTS = 5
#: A measurement: the number of rounds, and of mails in each.
LOTS, MAILS = 4, 100
#: Tolerance for clock and machine, on a mail of two hundred microseconds (seconds).
NOISE = 0.002

Attack = Callable[[int], Coroutine[Any, Any, None]]


async def hang(port: int) -> None:
    """Connections that send nothing."""
    sockets = []
    for _ in range(90):
        sockets.append(await asyncio.open_connection("127.0.0.1", port))
    try:
        await asyncio.Event().wait()
    finally:
        for _, writer in sockets:
            writer.close()


async def send_again_and_again(port: int, octets: bytes, *, pace: float = 0.005) -> None:
    """Sends the same on one connection after the other, and reads the replies."""
    while True:
        with contextlib.suppress(OSError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(octets)
            with contextlib.suppress(ConnectionError):
                await writer.drain()
            writer.write_eof()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.5):
                    await reader.read(100_000)
            writer.close()
        await asyncio.sleep(pace)


def repeated(octets: bytes, *, pace: float = 0.005) -> Attack:
    def attack(port: int) -> Coroutine[Any, Any, None]:
        return send_again_and_again(port, octets, pace=pace)

    return attack


async def drip(port: int) -> None:
    """Mails that arrive octet by octet."""
    async with asyncio.TaskGroup() as tasks:
        for _ in range(30):
            tasks.create_task(_drip(port))


async def _drip(port: int) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"EHLO x\r\n" + ENVELOPE)
    try:
        while True:
            writer.write(b"x")
            await asyncio.sleep(0.02)
    finally:
        writer.close()


async def never_read(port: int) -> None:
    """Clients that do not read the replies."""
    loop = asyncio.get_running_loop()
    sock = socket.create_connection(("127.0.0.1", port))
    sock.setblocking(False)
    try:
        await loop.sock_sendall(sock, b"EHLO x\r\n")
        while True:
            await loop.sock_sendall(sock, (ENVELOPE + MAIL) * 10)
            await asyncio.sleep(0.01)
    finally:
        sock.close()


async def reset(port: int) -> None:
    """Connections that end with an RST in the middle of a mail."""
    while True:
        async with connected(port, greet=False) as client:
            client.send(b"EHLO x\r\n" + ENVELOPE + b"half")
            client.reset()
        await asyncio.sleep(0.002)


NESTED = b"".join(
    b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(2000)
)
PARTS = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"--b\r\n\r\nx\r\n" * 6000

ATTACKS: dict[str, Attack] = {
    "silence": hang,
    "dripping": drip,
    "not reading": never_read,
    "resets": reset,
    "idle commands": repeated(HELLO + b"NOOP\r\n" * 90),
    "unknown commands": repeated(b"GET / HTTP/1.1\r\n" * 90),
    "an endless line": repeated(b"x" * 200_000, pace=0.02),
    "wrong logins": repeated(HELLO + b"AUTH PLAIN AGNybQB3cm9uZw==\r\n" * 3),
    "bombs of recipients": repeated(
        HELLO
        + b"MAIL FROM:<a@b>\r\n"
        + b"".join(b"RCPT TO:<3805%08d@sms.example.com>\r\n" % n for n in range(100)),
        pace=0.02,
    ),
    "bombs of levels": repeated(HELLO + ENVELOPE + NESTED + b"\r\n.\r\n", pace=0.02),
    "bombs of parts": repeated(HELLO + ENVELOPE + PARTS + b"\r\n.\r\n", pace=0.05),
    "bombs of headers": repeated(
        HELLO + ENVELOPE + b"X-A: b\r\n" * 12_000 + b"\r\nx\r\n.\r\n", pace=0.02
    ),
    "mails beyond the limit": repeated(HELLO + ENVELOPE + b"x" * 300_000 + b"\r\n.\r\n", pace=0.02),
    "smuggling": repeated(HELLO + ENVELOPE + b"\r\na\n.\nMAIL FROM:<x@y>\n\r\n.\r\n"),
}


async def median(port: int) -> float:
    """The median time of a mail on a kept connection (seconds), in the best of some rounds: other
    load only makes it longer."""
    return min([await _median_of_a_lot(port) for _ in range(LOTS)])


async def _median_of_a_lot(port: int) -> float:
    times = []
    async with connected(port) as client:
        for _ in range(MAILS):
            began = time.perf_counter()
            client.send(ENVELOPE + MAIL)
            assert (await client.replies(4))[-1].startswith("250 2.0.0")
            times.append(time.perf_counter() - began)
    return statistics.median(times)


@pytest.mark.parametrize("attack", ATTACKS)
async def test_other_clients_are_hardly_slower(attack: str) -> None:
    seen = []
    # Other programs may disturb a measurement, but hardly all of them.
    for _ in range(MEASUREMENTS):
        quiet, loud = await quiet_and_loud(ATTACKS[attack])
        if loud < 2 * quiet + NOISE:
            return
        seen.append(f"{quiet * 1000:.2f} ms became {loud * 1000:.2f} ms")
    pytest.fail(", ".join(seen))


async def quiet_and_loud(attack: Attack) -> tuple[float, float]:
    """The median time of a mail without the attack and during it."""
    async with running(max_size=262_144) as part:
        quiet = await median(part.port)
        attacking = asyncio.create_task(attack(part.port))
        try:
            await asyncio.sleep(0.05)
            loud = await median(part.port)
            assert not attacking.done()
        finally:
            attacking.cancel()
            await asyncio.wait([attacking])
    return quiet, loud


# --- what they are told, and what the log says


async def answered(octets: bytes, **settings: Any) -> tuple[list[str], list[str]]:
    """All replies to ``octets``, and the names of the logged events."""
    relay = settings.pop("relay", None)
    accounts = settings.pop("accounts", None)
    with capture_logs() as logs:
        async with (
            running(relay=relay, accounts=accounts, **settings) as part,
            connected(part.port, greet=False) as client,
        ):
            client.send(octets)
            client.writer.write_eof()
            replies: list[str] = []
            while reply := await client.reply():
                replies.append(reply)
    return replies, [event["event"] for event in logs]


async def test_too_many_commands() -> None:
    replies, events = await answered(HELLO + b"NOOP\r\n" * 200)
    assert replies[-1].startswith("421 4.7.0")
    assert "session_ended" in events


async def test_too_many_wrong_logins() -> None:
    wrong = b"AUTH PLAIN AGNybQB3cm9uZw==\r\n"
    replies, events = await answered(HELLO + wrong * 5, accounts=StandInAccounts())
    assert [reply[:3] for reply in replies[2:]] == ["535", "535", "535", "421"]
    assert "session_ended" in events


async def test_too_many_recipients() -> None:
    to = b"".join(b"RCPT TO:<3805%08d@sms.example.com>\r\n" % n for n in range(7))
    replies, events = await answered(HELLO + b"MAIL FROM:<a@b>\r\n" + to, max_recipients=3)
    assert [reply[:9] for reply in replies[6:]] == ["452 4.5.3"] * 4
    assert "recipient_refused" in events


async def test_too_many_mails() -> None:
    relay = StandInRelay(lambda _: Failure(Reason.TOO_FAST, "over 5 messages a second"))
    replies, events = await answered(HELLO + ENVELOPE + MAIL, relay=relay)
    assert replies[-1].startswith("451 4.7.1 ERROR = 9 (too fast")
    assert "mail_refused" in events


@pytest.mark.parametrize(
    ("mail", "reply"),
    [
        (NESTED, "554 5.6.0 ERROR = 1 (bad parameter: more than 250 parts"),
        (b"X-A: b\r\n" * 12_000 + b"\r\nx", "554 5.6.0 ERROR = 1 (bad parameter: headers of more"),
        (b"\r\n" + b"x" * 300_000, "552 5.3.4"),
    ],
)
async def test_a_bomb_is_refused_with_its_name(mail: bytes, reply: str) -> None:
    octets = HELLO + ENVELOPE + mail + b"\r\n.\r\nNOOP\r\n"
    replies, events = await answered(octets, max_size=262_144)
    assert replies[-2].startswith(reply)
    assert replies[-1] == "250 2.0.0 OK"
    assert "mail_refused" in events


async def test_too_many_connections_leave_a_line() -> None:
    with capture_logs() as logs:
        async with (
            running(max_connections=1) as part,
            connected(part.port),
            connected(part.port, greet=False) as second,
        ):
            assert (await second.reply()).startswith("421 4.7.0")
    assert [event["event"] for event in logs] == ["connection_refused"]


async def test_an_endless_mail_leaves_a_line() -> None:
    with capture_logs() as logs:
        async with running(max_size=1024) as part, connected(part.port) as client:
            client.send(ENVELOPE + b"x" * 300_000)
            await client.replies(3)
            with contextlib.suppress(ConnectionError):
                assert await client.reply() == ""
    assert "mail_endless" in [event["event"] for event in logs]


# --- smuggling: every end that is none, in both directions that servers were fooled in

#: CVE-2023-51764 to -51766, CVE-2024-27305 and related publications.
ENDS = [
    b"\n.\n",
    b"\n.\r\n",
    b"\r\n.\n",
    b"\r.\r",
    b"\r.\r\n",
    b"\r\n.\r",
    b"\n.\r",
    b"\r.\n",
    b"\r\n.\r\r\n",
    b"\r\r\n.\r\n"[:5] + b"\r\r\n",
    b"\r\n\0.\r\n",
    b"\r\n.\0\r\n",
    b"\r\n .\r\n",
    b"\r\n. \r\n",
    b"\r\n..\r\n",
    b"\x85.\x85",
    b"\xe2\x80\xa8.\xe2\x80\xa8",
]


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("newline", [b"\r\n", b"\n", b"\r"])
async def test_no_other_end_ends_a_mail(end: bytes, newline: bytes) -> None:
    inside = (ENVELOPE + b"smuggled").replace(b"\r\n", newline)
    async with running() as part, connected(part.port) as client:
        client.send(ENVELOPE + b"Subject: x\r\n\r\nfirst" + end + inside + b"\r\n.\r\n")
        assert (await client.replies(4))[-1].startswith("250 2.0.0")
        assert await client.ask("NOOP") == "250 2.0.0 OK"
    [text] = part.relay.texts
    assert text.startswith("first")
    assert text.endswith("smuggled")
