"""One accepted connection: aiosmtpd's protocol, of which only STARTTLS is used.

Its constructor, streams, command loop and ways of ending a connection are replaced, for the reasons
given at each. :mod:`bridge.smtp.inbound.commands` has the dialogue.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from datetime import UTC, datetime
from typing import NamedTuple, cast

import structlog
from aiosmtpd.smtp import SMTP, TLSSetupException

from bridge.config.settings import Endpoint
from bridge.model.failure import Failure, Reason
from bridge.net.networks import without_mapping
from bridge.net.sessions import SessionInfo
from bridge.smtp import reply
from bridge.smtp.inbound.commands import Dialog
from bridge.smtp.inbound.service import Service
from bridge.smtp.inbound.session import Phase
from bridge.smtp.inbound.wire import Wire

log = structlog.get_logger()

#: How long a client that timed out has for reading its last replies (seconds).
CUT_AFTER = 10.0


class ListenerKind(NamedTuple):
    """The protocol of a listening address: TLS from the first octet, LMTP instead of SMTP."""

    implicit_tls: bool = False
    lmtp: bool = False


def connection_class(service: Service) -> type[SmtpConnection]:
    """:class:`SmtpConnection` with what aiosmtpd's constructor sets, as attributes of the class.

    The constructor takes about 200 µs to look up the methods of commands and hooks, always with the
    same result; here it runs once. The host name is given, because the default is a blocking DNS
    query.
    """
    constructed = SMTP(
        None,
        hostname=service.hostname,
        data_size_limit=service.settings.max_size,
        enable_SMTPUTF8=True,
        loop=asyncio.get_running_loop(),
    )
    return type("SmtpConnection", (SmtpConnection,), dict(vars(constructed)))


class SmtpConnection(SMTP):
    """An SMTP or LMTP connection; made by :func:`connection_class`'s class.

    ``client`` is the address given by a proxy; ``None`` for the socket's own.
    """

    _wire: Wire

    def __init__(
        self,
        service: Service,
        kind: ListenerKind,
        *,
        client: str | None = None,
        begun: Callable[[SmtpConnection], None],
        ended: Callable[[SmtpConnection], None],
    ) -> None:
        # The constructors of aiosmtpd and of asyncio's stream protocol have run (connection_class).
        self._service = service
        self._kind = kind
        self._begun = begun
        self._ended = ended
        self._address = client or ""
        self.id = f"smtp-{next(service.numbers)}"
        self._since = service.wall_clock()
        self._dialog: Dialog | None = None
        self._kept = False  # among the connections that no newer one may replace

    @property
    def task(self) -> asyncio.Task[None] | None:
        """The dialogue's task; ``None`` for a connection that was turned away."""
        return self._handler_coroutine

    @property
    def account(self) -> str:
        """The name of the sending account; empty before a login."""
        account = self._dialog.account if self._dialog else None
        return account.name if account else ""

    def info(self) -> SessionInfo:
        """The session for the operator's list."""
        dialog = self._dialog
        assert dialog is not None  # A connection that was turned away is not listed.
        return SessionInfo(
            self.id,
            "lmtp" if self._kind.lmtp else "smtp",
            "",
            self.account,
            self._address,
            datetime.fromtimestamp(int(self._since), UTC),
            in_flight=int(dialog.phase is Phase.BUSY),
            submitted=dialog.taken,
            refused=dialog.refused,
            last_error=dialog.last_refusal,
        )

    # The transport's calls. aiosmtpd's go through a pair of streams, which cost more than the
    # dialogue.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast("asyncio.Transport", transport)
        self.transport = made
        if self._dialog is not None:
            self._wire.attach(made)  # The same client again, now through TLS.
            return
        if not self._address:
            peer = transport.get_extra_info("peername")
            if isinstance(peer, tuple) and peer:
                self._address = without_mapping(str(peer[0]))
        try:
            self._service.admit(self._address, self._give_way)
        except (Failure, reply.Refused) as error:
            self._turn_away(made, error)
            return
        self._wire = Wire(self.loop, made)
        try:
            self._dialog = Dialog(
                self._service,
                self._wire,
                self._address,
                secure=self._kind.implicit_tls,
                lmtp=self._kind.lmtp,
                upgrade=self._start_tls,
            )
        except Failure as failure:
            self._leave()
            self._turn_away(made, failure)
            return
        self._reset_timeout()
        self._handler_coroutine = self.loop.create_task(self._handle_client())
        self._begun(self)

    def _turn_away(self, transport: asyncio.Transport, error: Failure | reply.Refused) -> None:
        text = reply.of_refusal(error)
        self._service.repeats.warn("connection_refused", address=self._address, reply=text)
        transport.write(reply.encode(text))
        transport.close()

    def _give_way(self) -> bool:
        """A newer connection needs the place. This one ends, unless an account sends here or a
        command is being answered; returns whether it ends."""
        dialog, limits = self._dialog, self._service.limits
        transport = cast("asyncio.Transport | None", self.transport)
        if dialog is None or transport is None:
            return True
        if dialog.account is not None:
            self._kept = self._kept or limits.keep(self._address, self._give_way)
            return False
        if dialog.phase is Phase.BUSY:
            return False
        self._wire.refuse_input()
        self._turn_away(transport, Failure(Reason.TOO_MANY_SESSIONS))
        if transport.get_write_buffer_size():
            transport.abort()  # this client does not read
        return True

    def _leave(self) -> None:
        """Gives the place among the connections back."""
        if self._kept:
            self._service.limits.count_out(self._address)
        else:
            self._service.limits.end_handshake(self._address, self._give_way)

    def data_received(self, data: bytes) -> None:
        dialog = self._dialog
        if dialog is not None and not dialog.obey_at_once(data):
            self._wire.feed(data)

    def pause_writing(self) -> None:
        if self._dialog is not None:
            self._wire.pause_writing()

    def resume_writing(self) -> None:
        if self._dialog is not None:
            self._wire.resume_writing()

    def connection_lost(self, error: Exception | None) -> None:
        # aiosmtpd cancels the handler here and at an EOF, and with it a mail that is being
        # submitted; this one finishes the mail and finds the end of the stream by itself.
        if self._timeout_handle is not None:
            self._timeout_handle.cancel()
        if self._original_transport is not None:
            self._original_transport.close()
        if self._dialog is not None:
            self._wire.end(error)
        self.transport = None

    def eof_received(self) -> bool:
        if self._dialog is None:
            return False
        self._wire.end()
        # Without TLS a half-closed connection still gets its replies. TLS cannot stay open after
        # close_notify.
        return not self._secure

    @property
    def _secure(self) -> bool:
        return self._kind.implicit_tls or self._tls_protocol is not None

    async def _handle_client(self) -> None:
        """The connection's task, instead of aiosmtpd's command loop, which logs every line, parses
        addresses with the email package, and answers a cancellation."""
        assert self._dialog is not None
        try:
            await self._dialog.run()
        except (EOFError, ConnectionError, ssl.SSLError):
            pass  # The client left.
        except asyncio.CancelledError:
            self._wire.reply(reply.encode(reply.SHUTTING_DOWN))
            raise
        except Exception:  # a fault ends this connection only
            log.exception("session_failed", address=self._address)
        finally:
            self._wire.close()
            self._dialog.ended()
            self._leave()
            self._ended(self)
            # Both know each other: without this, only the garbage collector would free them.
            self._dialog = None

    async def _start_tls(self) -> None:
        self.tls_context = self._service.tls_context
        own = self.transport.get_extra_info("sockname") if self.transport else None
        listener = str(Endpoint(*own[:2])) if own else ""
        try:
            await self.smtp_STARTTLS(None)
        except TLSSetupException as error:
            cause = getattr(error.__cause__, "reason", None) or str(error.__cause__)
            self._service.repeats.warn(
                "tls_failed", address=self._address, listener=listener, cause=cause
            )
            if self._original_transport is not None:
                self._original_transport.close()
            raise EOFError from error

    async def push(self, status: str | bytes) -> None:
        """Sends a reply of aiosmtpd's own commands (only STARTTLS is used)."""
        assert self._dialog is not None
        await self._dialog.say(status if isinstance(status, bytes) else status.encode())

    # Time. One timer per connection, which checks the dialogue's deadline when it fires: setting it
    # again for every command would cost more than the command.

    def _reset_timeout(self, duration: float | None = None) -> None:
        if self._timeout_handle is None:
            self._watch(self._service.settings.timeout)

    def _watch(self, seconds: float) -> None:
        self._timeout_handle = self.loop.call_later(seconds, self._timeout_cb)

    def _timeout_cb(self) -> None:
        dialog = self._dialog
        if dialog is None:
            self._cut_soon()
            return
        timeout = self._service.settings.timeout
        left = dialog.deadline - self._service.clock()
        # While a command is being answered, the client waits.
        if left > 0 or dialog.phase is Phase.BUSY:
            self._watch(left if left > 0 else timeout)
            return
        log.info("session_timed_out", address=self._address, state=dialog.phase.value)
        self._end(reply.encode(reply.TIMED_OUT))
        self._cut_soon()

    def _cut_soon(self) -> None:
        # With a client that does not read its last replies, the transport never closes by itself.
        self._timeout_handle = self.loop.call_later(CUT_AFTER, self.abort)

    def dismiss(self, farewell: bytes) -> None:
        """Ends the session: at once if it waits for a command, else after the reply."""
        assert self._dialog is not None  # A connection that was turned away is not listed.
        if self._dialog.phase is Phase.WAITING:
            self._end(farewell)
        else:
            self._dialog.farewell = farewell

    def abort(self) -> None:
        """Ends the connection without a reply, and drops unread replies."""
        transport = cast("asyncio.Transport | None", self.transport)
        if transport is not None:
            transport.abort()

    def _end(self, farewell: bytes) -> None:
        transport = cast("asyncio.Transport | None", self.transport)
        self._wire.refuse_input()
        if transport is not None and not transport.is_closing():
            transport.write(farewell)
            transport.close()
