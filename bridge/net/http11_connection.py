"""A client's HTTP/1.1 connection: one request and its answer at a time.

httptools parses; this file enforces limits of time and size, and decides whether a connection can
be reused. :mod:`bridge.net.http11_transport` owns the connections.

The class of an exception tells how much the server may have received:

- ``WriteError``, ``WriteTimeout``: only a part of the request was sent, since its last octets were
  never given to the system;
- ``ReadError``, ``ReadTimeout``, ``RemoteProtocolError``: perhaps all of it.
"""

from __future__ import annotations

import asyncio
import math
import re
import select
from typing import Final, NamedTuple, cast

import httptools
import httpx

#: Most octets of an answer besides the body: status line, headers, interim answers.
MAX_HEAD: Final = 100 * 1024
#: Most octets of chunk framing, as a multiple of the body's octets.
_CHUNKING: Final = 16
#: Most unread octets of a body; beyond it reading pauses.
READ_AHEAD: Final = 256 * 1024

#: The server's own limit for a connection without a request (RFC 2068 §19.7.1.1), and how much
#: earlier it is left: a request that meets the server's close may have been read or not.
_KEPT_FOR: Final = re.compile(rb"timeout\s*=\s*([0-9]{1,9})", re.IGNORECASE)
_MARGIN: Final = 1

#: After these answers the next request takes another connection (RFC 9110 §15.5.9, §15.5.20).
_LEFT_AFTER: Final = frozenset({408, 421})

#: scheme, host, port
Origin = tuple[bytes, bytes, int | None]


class TimeLimits(NamedTuple):
    """The limits of one request (seconds; ``None``: no limit), as httpx has them: ``write`` for
    handing over the request, ``read`` for each wait for something to read."""

    connect: float | None = None
    read: float | None = None
    write: float | None = None
    pool: float | None = None


class Http11Connection(asyncio.Protocol):
    """One connection: :meth:`send` a request, :meth:`read` its body, then ask whether it is
    :attr:`reusable`. Belongs to one request at a time.

    A single timer serves all limits: it moves on when it fires too early.
    """

    def __init__(self, origin: Origin) -> None:
        self.origin = origin
        self.status = 0
        self.reason = b""
        self.headers: list[tuple[bytes, bytes]] = []
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._poll = select.poll()
        self._parser = httptools.HttpResponseParser(self)
        # Servers of small devices end lines in this way.
        self._parser.set_dangerous_leniencies(lenient_optional_cr_before_lf=True)
        self._limits = TimeLimits()
        self._until = math.inf  # the end of the whole exchange, by the loop's clock
        self._deadline = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self._waiter: asyncio.Future[None] | None = None
        #: The reason for the end of input, as an exception's class and text.
        self._end: tuple[type[httpx.TransportError], str] | None = None
        self._begin("")
        self._busy = False

    def _begin(self, method: str) -> None:
        self._busy = True
        self._method = method
        self._headed = False  # the headers of the final answer are there
        self._complete = False  # … and its body
        self._kept_for = math.inf  # as the server says
        self._kept = False  # … and the server keeps the connection
        self._surplus = False  # … and sent more
        self._unsent = False
        self._paused = False
        self._overhead = 0
        self._chunks: list[bytes] = []
        self._unread = 0

    # --- a request ---------------------------------------------------------------------------

    async def send(
        self, method: str, request: bytes, limits: TimeLimits, within: float = math.inf
    ) -> None:
        """Sends a whole request, and waits for the headers of its answer.

        An answer may come before the request is sent whole; the rest of the request is not sent.
        ``within`` bounds this and all reading (seconds). Raises httpx.TransportError.
        """
        assert self._transport is not None
        self._begin(method)
        self._limits = limits
        self._until = self._loop.time() + within
        self.headers = []
        self._transport.write(request)
        while not self._headed:
            await self._wait()

    async def read(self) -> bytes:
        """The next piece of the answer's body, empty at its end. Raises httpx.TransportError."""
        while not self._chunks:
            if self._complete:
                return b""
            await self._wait()
        piece = b"".join(self._chunks)
        self._chunks.clear()
        self._unread = 0
        if self._paused:
            self._paused = False
            assert self._transport is not None
            self._transport.resume_reading()
        return piece

    @property
    def version(self) -> str:
        """The version of HTTP in the answer, as ``1.1``."""
        return self._parser.get_http_version()

    @property
    def reusable(self) -> bool:
        """Whether the exchange has ended so that another may begin."""
        return (
            self._complete
            and not self._surplus
            and not self._unsent
            and not self._paused
            and self._kept
            and self._end is None
        )

    # --- between requests --------------------------------------------------------------------

    def rest(self, seconds: float) -> None:
        """Waits for the next request; closes after this number of seconds, or before the server's
        announced time limit."""
        self._busy = False
        seconds = min(seconds, self._kept_for)
        self._set_deadline(seconds)

    @property
    def open(self) -> bool:
        """Whether a resting connection may be used: the server has neither closed it nor sent
        anything, as far as the system knows."""
        return self._end is None and not self._poll.poll(0)

    def close(self) -> None:
        """Closes the connection at once, even during a request."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._transport is not None:
            self._transport.abort()
        self._fail(httpx.ReadError, "the connection was closed")

    # --- waiting -----------------------------------------------------------------------------

    async def _wait(self) -> None:
        """Waits for anything to happen; each wait has the whole time limit, as with httpx."""
        if self._end is not None:
            kind, words = self._end
            raise kind(words)
        limit = self._limits.write if self._unsent else self._limits.read
        self._set_deadline(math.inf if limit is None else limit, self._until)
        self._waiter = self._loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, kind: type[httpx.TransportError], words: str) -> None:
        if self._end is None:
            self._end = kind, words
        self._wake()

    def _set_deadline(self, seconds: float, until: float = math.inf) -> None:
        self._deadline = min(self._loop.time() + seconds, until)
        if self._timer is not None:
            if self._timer.when() <= self._deadline:
                return
            self._timer.cancel()
            self._timer = None
        if self._deadline != math.inf:
            self._timer = self._loop.call_at(self._deadline, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        if self._deadline > self._loop.time():
            if self._deadline != math.inf:
                self._timer = self._loop.call_at(self._deadline, self._on_time)
        elif not self._busy:
            self.close()
        elif self._waiter is not None:
            if self._unsent:
                self._fail(httpx.WriteTimeout, "the server did not take the request in time")
            else:
                self._fail(httpx.ReadTimeout, "the server did not answer in time")

    # --- asyncio's calls ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the base class.
        self._transport = cast(asyncio.Transport, transport)
        # Writing is paused as long as any octet of the request has not gone to the system.
        # Under TLS, asyncio pauses at the limit, and not above it.
        tls = transport.get_extra_info("ssl_object") is not None
        self._transport.set_write_buffer_limits(high=int(tls), low=0)
        self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)

    def pause_writing(self) -> None:
        self._unsent = True

    def resume_writing(self) -> None:
        self._unsent = False
        self._wake()  # for the other time limit

    def data_received(self, data: bytes) -> None:
        if not self._busy:
            self._fail(httpx.RemoteProtocolError, "an answer without a request")
            self.close()
            return
        self._overhead += len(data)
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            if not self._complete:
                self._fail(httpx.RemoteProtocolError, f"no HTTP/1.1: {error}")
            self._surplus = True
        else:
            if self._overhead > MAX_HEAD:
                self._fail(httpx.RemoteProtocolError, f"headers of more than {MAX_HEAD} bytes")
        self._wake()

    def eof_received(self) -> None:
        if self._unsent:
            # Else the rest would be sent, to a server that perhaps reads on. What was sent until
            # the connection is lost decides whether the server may have the request.
            assert self._transport is not None
            self._transport.abort()
        else:
            self._ended()

    def connection_lost(self, error: Exception | None) -> None:
        if isinstance(error, OSError):
            self._broken(httpx.ReadError, f"connection lost: {error}")
        else:
            self._ended()

    def _ended(self) -> None:
        """The server has closed the connection, which may be the end of a body (RFC 9112 §6.3)."""
        if self._headed and not self._complete and not self._framed():
            self._complete = True
        where = "before the end of its answer" if self._headed else "without an answer"
        self._broken(httpx.RemoteProtocolError, f"the server closed the connection {where}")

    def _broken(self, kind: type[httpx.TransportError], words: str) -> None:
        if self._unsent and not self._headed:
            kind, words = httpx.WriteError, f"{words}, before it had the whole request"
        self._fail(kind, words)

    def _framed(self) -> bool:
        """Whether the headers say where the body ends."""
        return any(
            name.lower() in (b"content-length", b"transfer-encoding") for name, _ in self.headers
        )

    # --- the parser's calls ------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._complete:
            self._surplus = True

    def on_status(self, reason: bytes) -> None:
        self.reason = reason

    def on_header(self, name: bytes, value: bytes) -> None:
        if not self._headed:  # and not a trailer
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._complete or status < 200:
            return
        for name, value in self.headers:
            name = name.lower()
            if name == b"transfer-encoding" and value.lower() != b"chunked":
                self._fail(httpx.RemoteProtocolError, "a transfer encoding other than chunked")
                return
            if name == b"keep-alive" and (found := _KEPT_FOR.search(value)):
                self._kept_for = max(0, int(found[1]) - _MARGIN)
        self.status = status
        self._headed = True
        if self._method == "HEAD":
            # The parser does not know, and would take what follows for the body.
            self._complete = self._surplus = True

    def on_body(self, body: bytes) -> None:
        if self._complete:
            return
        self._overhead -= min(self._overhead, len(body) * _CHUNKING)
        self._chunks.append(body)
        self._unread += len(body)
        if self._unread > READ_AHEAD and not self._paused:
            self._paused = True
            assert self._transport is not None
            self._transport.pause_reading()

    def on_message_complete(self) -> None:
        if self._complete:
            return
        if self._headed:
            self._complete = True
            self._kept = self._parser.should_keep_alive() and self.status not in _LEFT_AFTER
        else:  # an interim answer: 100, 102, 103
            self.headers = []
