"""Octets → lines, mails and chunks, in any pieces, without a socket."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bridge.smtp.inbound.mail_buffer import MailBuffer, SharedMemory
from bridge.smtp.inbound.wire import ENDLESS, MAX_AHEAD, Endless, Wire, unstuffed
from bridge.smtp.reply import BARE_LF, LINE_TOO_LONG, Refused


class Pipe(asyncio.Transport):
    """A transport that records the output, and whether reading is paused."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.reading = True
        self.closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closed

    def close(self) -> None:
        self.closed = True


def wire_of(*pieces: bytes) -> tuple[Wire, Pipe]:
    pipe = Pipe()
    wire = Wire(asyncio.get_running_loop(), pipe)
    for piece in pieces:
        wire.feed(piece)
    return wire, pipe


def buffer_of(limit: int = 1000) -> MailBuffer:
    return MailBuffer(limit, SharedMemory())


def nothing() -> None:
    """Ignores arrivals."""


async def cut(wire: Wire, octets: bytes, size: int, reading: Awaitable[None]) -> None:
    """Feeds ``octets`` in pieces of ``size``."""
    task = asyncio.ensure_future(reading)
    for start in range(0, len(octets), size):
        wire.feed(octets[start : start + size])
        await asyncio.sleep(0)
    await task


async def test_lines_come_one_after_the_other() -> None:
    wire, _ = wire_of(b"EHLO x\r\nNO", b"OP\r", b"\n")
    assert [await wire.line(100) for _ in range(2)] == [b"EHLO x", b"NOOP"]


@pytest.mark.parametrize(
    ("octets", "reply", "ends"),
    [
        (b"NOOP\nNOOP\r\n", BARE_LF, False),
        (b"x" * 200 + b"\r\nNOOP\r\n", LINE_TOO_LONG, False),
        # A chunk may follow, which must not be read as commands.
        (b"BDAT 9\nNOOP\r\n", BARE_LF, True),
        (b"bdat" + b" " * 200 + b"9\r\nNOOP\r\n", LINE_TOO_LONG, True),
    ],
)
async def test_a_line_that_is_none_is_refused_alone(octets: bytes, reply: str, ends: bool) -> None:
    for size in (1, 7, len(octets)):
        wire, _ = wire_of(*(octets[at : at + size] for at in range(0, len(octets), size)))
        with pytest.raises(Refused) as refused:
            await wire.line(100)
        assert (refused.value.reply, refused.value.ends) == (reply, ends)
        assert await wire.line(100) == b"NOOP"


async def test_the_client_that_left_is_told_from_one_that_broke() -> None:
    wire, _ = wire_of(b"half")
    wire.end()
    with pytest.raises(EOFError):
        await wire.line(100)
    wire, _ = wire_of(b"half")
    wire.end(ConnectionResetError("gone"))
    with pytest.raises(ConnectionResetError):
        await wire.line(100)


async def test_replies_wait_until_the_client_waits() -> None:
    wire, pipe = wire_of(b"A\r\nB\r\n")
    for _ in range(2):
        await wire.line(100)
        wire.reply(b"250 OK\r\n")
    assert pipe.written == b""
    waiting = asyncio.ensure_future(wire.line(100))
    await asyncio.sleep(0)
    assert pipe.written == b"250 OK\r\n" * 2
    wire.end()
    with pytest.raises(EOFError):
        await waiting


async def test_a_client_too_far_ahead_is_not_read_from() -> None:
    wire, pipe = wire_of(b"NOOP\r\n" * (MAX_AHEAD // 6 + 1))
    assert not pipe.reading
    for _ in range(MAX_AHEAD // 6 + 1):
        await wire.line(100)
    waiting = asyncio.ensure_future(wire.line(100))
    await asyncio.sleep(0)
    assert pipe.reading
    waiting.cancel()


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
async def test_a_mail_ends_at_its_end_however_it_is_cut(size: int) -> None:
    octets = b"Subject: x\r\n\r\n..a\r\n.\nb\r\n.\r\nNOOP\r\n"
    wire, _ = wire_of()
    buffer = buffer_of()
    await cut(wire, octets, size, wire.mail(buffer, nothing))
    assert buffer.octets() == b"Subject: x\r\n\r\n..a\r\n.\nb\r\n"
    assert await wire.line(100) == b"NOOP"


async def test_an_empty_mail_has_no_line() -> None:
    wire, _ = wire_of(b".\r\nNOOP\r\n")
    buffer = buffer_of()
    await wire.mail(buffer, nothing)
    assert buffer.octets() == b""
    assert await wire.line(100) == b"NOOP"


async def test_a_mail_that_never_ends_is_given_up() -> None:
    wire, _ = wire_of(b"x" * (ENDLESS * 100 + 10))
    with pytest.raises(Endless):
        await wire.mail(buffer_of(100), nothing)


@settings(max_examples=50)
@given(st.binary(max_size=200), st.integers(1, 50))
def test_a_chunk_is_its_octets_and_no_more(chunk: bytes, size: int) -> None:
    async def scenario() -> None:
        wire, _ = wire_of()
        buffer = buffer_of()
        await cut(wire, chunk + b"NOOP\r\n", size, wire.chunk(len(chunk), buffer, nothing))
        assert buffer.octets() == chunk
        assert await wire.line(100) == b"NOOP"

    asyncio.run(scenario())


def test_dots_are_unstuffed_at_the_start_of_lines() -> None:
    assert unstuffed(b"..a\r\n.b\r\nc.\r\n...\r\n") == b".a\r\nb\r\nc.\r\n..\r\n"
