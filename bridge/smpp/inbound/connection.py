"""One client's connection: octets to the session and back, and its bind.

Adds I/O to the rules of :mod:`bridge.smpp.protocol.session`: one write for each iteration of the
loop, back pressure, the password check. :mod:`bridge.smpp.inbound.requests` handles the requests of
a bound session, :mod:`bridge.smpp.inbound.own_requests` those of the bridge; the listener keeps the
set of connections.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, cast

import structlog

from bridge.accounts.accounts import Account
from bridge.config import settings as config
from bridge.model import message as vocabulary
from bridge.model.failure import Failure
from bridge.net.networks import without_mapping
from bridge.net.sessions import SessionInfo
from bridge.smpp.inbound.bind import (
    BIND_RESPONSES,
    admit,
    bind_name,
    bind_resp,
    log_bound,
    log_refused,
)
from bridge.smpp.inbound.limits import ConnectionPlace
from bridge.smpp.inbound.own_requests import OwnRequests
from bridge.smpp.inbound.refusal import refusal
from bridge.smpp.inbound.requests import HANDLERS, Requests
from bridge.smpp.inbound.services import Services
from bridge.smpp.inbound.submit import Origin
from bridge.smpp.outbound.deliver_pdu import Style
from bridge.smpp.protocol import session as rules
from bridge.smpp.protocol.codec import encode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.framing import Framer
from bridge.smpp.protocol.layouts import RESPONSES, SUBMITS
from bridge.smpp.protocol.pdu import Bind, Pdu, PduError
from bridge.smpp.protocol.session import (
    CloseSession,
    HandleRequest,
    HandleResponse,
    SmppSession,
    Timers,
    WritePdu,
)
from bridge.smpp.protocol.versions import VERSION_34, spoken

log = structlog.get_logger()

#: Time for a closing connection to take its last octets (seconds).
LINGER: Final = 5.0

#: Most PDUs, and octets, of one connection that are handled in one turn. If more have come, pause
#: for a multiple of the turn's duration, so that a storm leaves most of the time to others.
TURN: Final = 100
TURN_OCTETS: Final = 65_536
PAUSE: Final = 3

#: The requests that the bridge handles.
OFFERED: Final = frozenset({*rules.BINDS, *HANDLERS})

_SUBMIT_RESPONSES: Final = frozenset(RESPONSES[command] for command in SUBMITS)


class SmppConnection(asyncio.Protocol):
    """The transport's side of a session."""

    def __init__(
        self,
        services: Services,
        opened: Callable[[SmppConnection], None],
        closed: Callable[[SmppConnection], None],
        client: str | None = None,
    ) -> None:
        """``opened`` and ``closed`` are called when the connection begins and ends. ``client`` is
        the address given by a proxy, None for the connection's own."""
        settings = services.settings
        self._services = services
        self._opened = opened
        self._closed = closed
        self._loop = asyncio.get_running_loop()
        self._framer = Framer()
        self.session = SmppSession(
            Timers(settings.bind_timeout, settings.enquire_link, settings.inactivity),
            services.monotonic(),
            OFFERED,
        )
        self.account: Account | None = None
        self.id = f"smpp-{next(services.numbers)}"
        self._since = services.clock()
        self._bind_name = ""
        self._client = client
        self.peer = ""
        self._address = ""
        self._requests: Requests | None = None
        self._own_requests = OwnRequests(
            services,
            self.session,
            send=self._send,
            act=self.act,
            congested=lambda: self._congested,
        )
        self._interface_version = VERSION_34
        self._authentication: asyncio.Task[None] | None = None
        self._unwritten: list[bytes] = []
        self._holds_bind = False
        self._congested = False
        self._turn_over = False  # more PDUs have come; other connections go first
        self._closing_since: float | None = None
        self._lost = False
        self._reason = ""

    # --- the transport ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the base class.
        self._transport = transport = cast(asyncio.Transport, transport)
        # A client that has already gone has no address.
        host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        host = without_mapping(host)
        self._address = self._client or host
        self.peer = self._client or str(config.Endpoint(host, port))
        place = None
        if host and not self._services.closing:
            place = ConnectionPlace.take(self._services.occupancy, self._address, self._give_way)
        if place is None:
            self._lost = True
            transport.abort()
            return
        self._place = place
        self._opened(self)

    def _give_way(self) -> None:
        """Closes for a newer connection: this client has not tried to bind."""
        self.abort("no bind yet, and no room for another connection")

    def data_received(self, data: bytes) -> None:
        if self._closing_since is None:
            self._framer.feed(data)
            if not self._turn_over:
                self._process()

    def eof_received(self) -> bool:
        """A half-closed connection still gets its answers (not over TLS)."""
        close = self.session.end("closed by the client")
        self._own_requests.end()
        self._release_bind()
        if close is not None:
            return False
        return self._transport.get_extra_info("ssl_object") is None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._unwritten.clear()
        self._own_requests.lose()
        if self._authentication is not None:
            self._authentication.cancel()
        self._place.leave()
        if self.account is not None and self._requests is not None:
            self._release_bind()
            self._requests.log_counts()
            log.info(
                "unbound",
                account=self.account.name,
                peer=self.peer,
                reason=self._reason or (str(exc) if exc else "closed by the client"),
                submits=self._requests.submits,
                told=self._own_requests.answered,
                unanswered=self.session.in_flight,
            )
        elif self._reason:
            self._services.repeats.tell(
                "connection_closed", by=(self._address,), peer=self.peer, reason=self._reason
            )
        self._closed(self)

    def _release_bind(self) -> None:
        """Gives the bind of the account back, once."""
        if self._holds_bind and self.account is not None:
            self._holds_bind = False
            self._services.occupancy.unbind(self.account)

    def pause_writing(self) -> None:
        self._congested = True
        self._choose_reading()

    def resume_writing(self) -> None:
        self._congested = False
        self._choose_reading()
        self._own_requests.wake()

    def _choose_reading(self) -> None:
        """Pauses reading while the client does not read, during a bind, and between two turns."""
        if self._lost or self._transport.is_closing():
            return
        if self._congested or self._turn_over or self.session.authenticating:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # --- between transport and session -----------------------------------------------------

    def _process(self) -> None:
        """Handles the complete PDUs of the buffer, one turn of them at most."""
        now = self._services.monotonic()
        session, framer = self.session, self._framer
        octets = 0
        for _ in range(TURN):
            if self._closing_since is not None or session.authenticating:
                return
            try:
                frame = framer.next()
            except PduError as error:
                self.act(session.framing_lost(error))
                return
            if frame is None:
                return
            action = session.receive(frame, now)
            if action is not None:
                self.act(action)
            octets += len(frame)
            if octets > TURN_OCTETS:
                break
        if framer.empty:
            return
        self._turn_over = True
        self._choose_reading()
        took = self._services.monotonic() - now
        self._loop.call_later(PAUSE * took, self._next_turn)

    def _next_turn(self) -> None:
        self._turn_over = False
        if not self._lost:
            self._process()
            self._choose_reading()

    def act(self, action: rules.Action | None) -> None:
        """Carries out an action of the session."""
        if isinstance(action, HandleRequest):
            if self._requests is None:
                self._bind(action.pdu)
            else:
                self._requests.take(action.pdu)
        elif isinstance(action, WritePdu):
            self._write(action.pdu)
            if action.why:
                self._log_refused_pdu(action.pdu, action.why)
        elif isinstance(action, HandleResponse):
            self._own_requests.take(action.pdu)
        elif isinstance(action, CloseSession):
            self._close(action)

    def _write(self, pdu: Pdu) -> None:
        self._send(encode(pdu))

    def _send(self, octets: bytes) -> None:
        if self._lost or self._closing_since is not None:
            return
        if not self._unwritten:
            self._loop.call_soon(self._flush)
        self._unwritten.append(octets)

    def _flush(self) -> None:
        if self._unwritten:
            octets = b"".join(self._unwritten)
            self._unwritten.clear()
            self._transport.write(octets)

    def _close(self, close: CloseSession) -> None:
        if self._closing_since is not None:
            return
        self._reason = self._reason or close.reason
        if close.last is not None:
            self._write(close.last)
        self._flush()
        self._own_requests.end()
        self._closing_since = self._services.monotonic()
        self._transport.close()

    def abort(self, reason: str) -> None:
        """Closes at once, even if octets are unwritten."""
        self._reason = self._reason or reason
        self._transport.abort()

    def tick(self, now: float) -> None:
        """Checks the timers."""
        if self._closing_since is None:
            self.act(self.session.tick(now))
            if self._requests is not None:
                self._requests.log_counts()
            self._own_requests.tick(now)
        elif now - self._closing_since > LINGER:
            self._transport.abort()

    def _answer(self, pdu: Pdu) -> None:
        """Answers a request; closes the session if it waited only for that."""
        self._write(pdu)
        close = self.session.answered()
        if close is not None:
            self._close(close)

    # --- what the listener asks ------------------------------------------------------------

    def info(self) -> SessionInfo:
        """The session for the operator's list."""
        requests, own = self._requests, self._own_requests
        return SessionInfo(
            self.id,
            vocabulary.Protocol.SMPP.value,
            self._bind_name,
            self.account.name if self.account else "",
            self.peer,
            datetime.fromtimestamp(int(self._since), UTC),
            self.session.in_flight,
            self.session.window,
            requests.submits if requests else 0,
            requests.refused if requests else 0,
            requests.throttled if requests else 0,
            requests.last_refusal if requests else "",
            own.answered,
            own.in_flight,
        )

    def dismiss(self, reason: str) -> None:
        """Unbinds after the answers in flight; ``reason`` is logged."""
        self._reason = self._reason or reason
        self.drain()

    def drain(self) -> None:
        """The bridge stops: unbinds when the client has answered the bridge's requests, or after
        a short time."""
        self._own_requests.drain()

    # --- bind ------------------------------------------------------------------------------

    def _bind(self, pdu: Pdu) -> None:
        """Starts the password check; reading pauses meanwhile."""
        body = pdu.body
        assert isinstance(body, Bind)
        self._interface_version = spoken(pdu.command, body.interface_version)
        self._place.keep()
        self._choose_reading()
        self._authentication = self._services.create_task(self._authenticate(pdu, body))

    async def _authenticate(self, pdu: Pdu, body: Bind) -> None:
        services = self._services
        bound: Account | Failure | PduError | None = self._place.refusal
        if bound is None:
            bound = await admit(services, pdu, body, self._address, self.peer)
        self._authentication = None
        if self._transport.is_closing():
            if isinstance(bound, Account):
                services.occupancy.unbind(bound)
            return
        if isinstance(bound, Account):
            self._bound(pdu, body, bound)
        else:
            self._refuse_bind(pdu, body, bound)
        self._process()
        self._choose_reading()

    def _bound(self, pdu: Pdu, body: Bind, account: Account) -> None:
        settings, version = account.settings, self._interface_version
        latin = body.system_type.upper() == b"ISO"
        origin = Origin(self.peer, "latin1" if latin else settings.default_alphabet)
        self.account = account
        self._bind_name = bind_name(pdu)
        self._holds_bind = True
        self._requests = Requests(self._services, account, origin, version, self._answer)
        self.session.bound(pdu, settings.window, version)
        self._write(bind_resp(pdu, version, self._services.settings.system_id))
        if self.session.receiving:
            style = Style.of(settings, version, origin.default_alphabet)
            self._own_requests.begin(account, self.peer, style)
        log_bound(account, pdu, body, version, self.peer)

    def _refuse_bind(self, pdu: Pdu, body: Bind, refused: Failure | PduError) -> None:
        close = self.session.bind_refused(self._services.monotonic())
        services, version = self._services, self._interface_version
        resp = refusal(pdu.command, pdu.sequence_number, refused, version, settings=None)
        log_refused(services.repeats, self._address, self.peer, body, refused, resp)
        self._write(resp)
        if self._place.refusal is not None:
            close = CloseSession(self._place.refusal.description)
        if close is not None:
            self._close(close)

    def _log_refused_pdu(self, reply: Pdu, why: str) -> None:
        """Logs a PDU that the session refused: malformed, out of state, over the window."""
        status = reply.command_status
        if self._requests is not None:
            self._requests.log_refused(reply.command in _SUBMIT_RESPONSES, status, why)
        elif reply.command in BIND_RESPONSES:
            self._services.repeats.warn(
                "bind_refused",
                by=(self._address,),
                peer=self.peer,
                reason=why,
                status=CommandStatus(status).name,
            )
