"""Reads command lines and mails from the octets of one connection, and gathers the replies.

Decides where a command and a mail end (RFC 5321 §2.3.8, §4.1.1.4): only ``CR LF . CR LF`` ends a
mail. Replies are sent when the client waits for them (RFC 2920 §3.2), so that a group of commands
is answered in one segment. The connection feeds it directly; a stream reader would cost more than
all of this.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bridge.smtp.inbound.mail_buffer import MailBuffer
from bridge.smtp.reply import BARE_LF, LINE_TOO_LONG, Refused

#: Input buffered for a client that sends faster than it is served; beyond it reading pauses.
MAX_AHEAD = 128 * 1024
#: Replies to a long group of commands are sent in pieces of about this size.
_MANY_REPLIES = 16 * 1024

#: The connection is cut when a mail exceeds its limit this many times.
ENDLESS = 10

END_OF_MAIL = b"\r\n.\r\n"


class Endless(EOFError):  # noqa: N818 - an end, as EOFError is
    """The client sent far more than the size limit; the connection is cut."""


class Wire:
    """Reads commands and mails from, and writes replies to, one client."""

    __slots__ = (
        "_drained",
        "_ended",
        "_error",
        "_loop",
        "_more_came",
        "_out",
        "_out_size",
        "_pending",
        "_reading",
        "_refusing",
        "_transport",
        "_writable",
    )

    def __init__(self, loop: asyncio.AbstractEventLoop, transport: asyncio.Transport) -> None:
        self._loop = loop
        self._transport = transport
        self._pending = bytearray()
        self._out: list[bytes] = []
        self._out_size = 0
        self._more_came: asyncio.Future[None] | None = None
        self._drained: asyncio.Future[None] | None = None
        self._ended = False
        self._error: Exception | None = None
        self._reading = True
        self._refusing = False
        self._writable = True

    # Called by the connection.

    def attach(self, transport: asyncio.Transport) -> None:
        """Continues over another transport after STARTTLS; earlier input is discarded."""
        self._transport = transport
        self._pending.clear()
        self._reading = True
        self._writable = True

    def feed(self, octets: bytes) -> None:
        if self._refusing:
            return
        self._pending += octets
        if len(self._pending) > MAX_AHEAD and self._reading:
            self._reading = False
            self._transport.pause_reading()
        _wake(self._more_came)

    def refuse_input(self) -> None:
        """Ignores what the client has sent and will send: the session ends with a farewell, and
        commands that arrived just before it must not be carried out."""
        self._refusing = True
        self._pending.clear()

    def end(self, error: Exception | None = None) -> None:
        """The client sends no more; with ``error`` the connection is lost."""
        self._ended = True
        self._error = error
        _wake(self._more_came)
        _wake(self._drained)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        _wake(self._drained)

    # Called by the dialogue.

    @property
    def closed(self) -> bool:
        """Whether replies no longer reach the client."""
        return self._transport.is_closing()

    @property
    def quiet(self) -> bool:
        """Whether no input waits, more may come, and the client reads its replies."""
        return self._writable and not (self._pending or self._refusing)

    def reply(self, line: bytes) -> None:
        """Queues a reply, CR LF included."""
        self._out.append(line)
        self._out_size += len(line)

    def send(self) -> None:
        """Hands the queued replies to the transport."""
        if self._out:
            self._transport.write(b"".join(self._out))
            self._out.clear()
            self._out_size = 0

    async def flush(self) -> None:
        """Sends the queued replies and waits until the client reads them."""
        self.send()
        while not self._writable and not self._transport.is_closing():
            self._drained = self._loop.create_future()
            await self._drained

    def close(self) -> None:
        """Sends the queued replies and closes."""
        self.send()
        self._transport.close()

    def forget_input(self) -> None:
        """Drops input that was sent before TLS begins (RFC 3207 §4.2)."""
        self._pending.clear()
        self._read_on()

    async def line(self, limit: int) -> bytes:
        """The next command line without its end; raises EOFError when the client is gone.

        Raises :class:`Refused` for a line of more than ``limit`` octets or one that ends in a bare
        LF; the line is then discarded.
        """
        pending = self._pending
        scanned = 0
        too_long = b""  # its beginning
        if self._out_size > _MANY_REPLIES:
            await self.flush()
            await asyncio.sleep(0)
        while (end := pending.find(b"\n", scanned)) < 0:
            if len(pending) > limit:
                too_long = too_long or bytes(pending[:4])
                pending.clear()
            scanned = len(pending)
            await self._more()
        line = bytes(pending[:end])
        del pending[: end + 1]
        if not (too_long or end > limit) and line.endswith(b"\r"):
            return line[:-1]
        # A chunk may follow, which must not be read as commands.
        ends = (too_long or line[:4]).upper() == b"BDAT"
        raise Refused(LINE_TOO_LONG if too_long or end > limit else BARE_LF, ends=ends)

    async def mail(self, buffer: MailBuffer, arrived: Callable[[], None]) -> None:
        """Reads a mail up to its end, dots still stuffed (RFC 5321 §4.5.2), into ``buffer``.

        ``arrived`` is called for every piece. A mail that the buffer refuses is still read to its
        end, so that the client gets the reply. Raises EOFError if the client leaves, Endless if the
        mail does not end.
        """
        pending = self._pending
        while len(pending) < 3:
            await self._more()
        if pending.startswith(b".\r\n"):  # The line end before it was that of DATA.
            del pending[:3]
            return
        while (end := pending.find(END_OF_MAIL)) < 0:
            # Keep the octets that may begin the end mark.
            ready = max(len(pending) - len(END_OF_MAIL) + 1, 0)
            buffer.add(pending[:ready])
            del pending[:ready]
            arrived()
            if buffer.size > ENDLESS * buffer.limit:
                raise Endless
            await self._more()
        buffer.add_last(pending[: end + 2])
        del pending[: end + len(END_OF_MAIL)]

    async def chunk(self, size: int, buffer: MailBuffer, arrived: Callable[[], None]) -> None:
        """Reads the ``size`` octets of a chunk into ``buffer`` (RFC 3030 §2); raises EOFError."""
        pending = self._pending
        while size:
            if not pending:
                await self._more()
            piece = pending[:size]
            del pending[: len(piece)]
            size -= len(piece)
            buffer.add(piece)
            arrived()

    async def _more(self) -> None:
        """Sends queued replies, then waits for more input."""
        had = len(self._pending)
        self.send()
        if not self._writable:
            await self.flush()
        while len(self._pending) == had:
            if self._ended:
                raise self._error or EOFError
            if not self._reading:
                self._read_on()
            self._more_came = self._loop.create_future()
            await self._more_came

    def _read_on(self) -> None:
        if not self._reading:
            self._reading = True
            self._transport.resume_reading()


def _wake(waiter: asyncio.Future[None] | None) -> None:
    if waiter is not None and not waiter.done():
        waiter.set_result(None)


def unstuffed(mail: bytes) -> bytes:
    """A mail without the dots that DATA adds (RFC 5321 §4.5.2)."""
    if mail.startswith(b"."):
        mail = mail[1:]
    return mail.replace(b"\r\n.", b"\r\n")
