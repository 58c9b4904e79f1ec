"""One client's connection: octets to the session and back, requests to accounts and the relay.

Adds to the rules of :mod:`bridge.smpp.session` what needs I/O: writing once a loop iteration, not
reading from who does not read, waiting for a password check, and what each request is about
(:data:`HANDLERS`). Which connections there are is the listener's matter.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, cast

import structlog

from bridge import config
from bridge import message as vocabulary
from bridge.accounts import Account
from bridge.failure import Failure, Reason
from bridge.log import mask
from bridge.message import Accepted, Outcome
from bridge.smpp import session as rules
from bridge.smpp.codec import Framer, encode
from bridge.smpp.layouts import RESPONSES, SC_INTERFACE_VERSION
from bridge.smpp.pdu import Bind, BindResp, MessageIdResp, Pdu, PduError, SubmitSm, Tlv
from bridge.smpp.refusal import VERSION_50, refusal
from bridge.smpp.services import Services
from bridge.smpp.session import Close, Reply, Request, Session, Timers
from bridge.smpp.status import Status
from bridge.smpp.submit import Origin, submission_from, word

log = structlog.get_logger()

#: Seconds that a closing connection has to take its last octets.
LINGER: Final = 5.0

_BIND_RESPONSES: Final = frozenset(RESPONSES[command] for command in rules.BINDS)

_VERSION_34: Final = 0x34


class Connection(asyncio.Protocol):
    """The transport's side of a session."""

    def __init__(self, services: Services) -> None:
        settings = services.settings
        self._services = services
        self._loop = asyncio.get_running_loop()
        self._framer = Framer()
        self.session = Session(
            Timers(settings.bind_timeout, settings.enquire_link, settings.inactivity),
            services.monotonic(),
            HANDLERS,
        )
        self.account: Account | None = None
        self.peer = ""
        self._address = ""
        self._unwelcome: Failure | None = None
        self._origin = Origin("")
        self._interface_version = _VERSION_34
        self._authentication: asyncio.Task[None] | None = None
        self._unwritten: list[bytes] = []
        self._holds_bind = False
        self._congested = False
        self._closing_since: float | None = None
        self._lost = False
        self._reason = ""
        self._submits = 0
        self._throttled = 0

    # --- the transport ---------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have the methods, not the base class.
        self._transport = transport = cast(asyncio.Transport, transport)
        # A client that is gone already has no address any more.
        host, port = (transport.get_extra_info("peername") or ("", 0))[:2]
        self._address = host
        self.peer = str(config.Endpoint(host, port))
        occupancy = self._services.occupancy
        if not host or occupancy.overcrowded:
            self._lost = True
            transport.abort()
            return
        self._unwelcome = occupancy.enter(host)
        self._services.connections.add(self)

    def data_received(self, data: bytes) -> None:
        if self._closing_since is None:
            self._framer.feed(data)
            self._process()

    def eof_received(self) -> bool:
        """A client that only stopped sending still gets its answers (not over TLS)."""
        close = self.session.end("closed by the client")
        self._release_bind()
        if close is not None:
            return False
        return self._transport.get_extra_info("ssl_object") is None

    def connection_lost(self, exc: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._unwritten.clear()
        if self._authentication is not None:
            self._authentication.cancel()
        services = self._services
        services.connections.discard(self)
        services.occupancy.leave(self._address)
        if self.account is not None:
            self._release_bind()
            self._log_throttled()
            log.info(
                "unbound",
                account=self.account.name,
                peer=self.peer,
                reason=self._reason or (str(exc) if exc else "closed by the client"),
                submits=self._submits,
                unanswered=self.session.in_flight,
            )
        elif self._reason:
            log.info("connection_closed", peer=self.peer, reason=self._reason)
        services.left(self)

    def _release_bind(self) -> None:
        """Makes room for another bind of the account; once."""
        if self._holds_bind and self.account is not None:
            self._holds_bind = False
            self._services.occupancy.unbind(self.account)

    def pause_writing(self) -> None:
        self._congested = True
        self._choose_reading()

    def resume_writing(self) -> None:
        self._congested = False
        self._choose_reading()

    def _choose_reading(self) -> None:
        """Nothing is read from who does not read, nor while a bind is being decided."""
        if self._lost:
            return
        if self._congested or self.session.authenticating:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    # --- between transport and session -----------------------------------------------------

    def _process(self) -> None:
        """Acts upon all complete PDUs that there are, until one has to be waited for."""
        now = self._services.monotonic()
        session, framer = self.session, self._framer
        while self._closing_since is None and not session.authenticating:
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

    def act(self, action: rules.Action | None) -> None:
        """Carries out what the session decided."""
        if isinstance(action, Request):
            HANDLERS[action.pdu.command](self, action.pdu)
        elif isinstance(action, Reply):
            self._write(action.pdu)
            if action.why:
                self._log_refused_pdu(action.pdu, action.why)
        elif isinstance(action, Close):
            self._close(action)

    def _write(self, pdu: Pdu) -> None:
        if self._lost or self._closing_since is not None:
            return
        if not self._unwritten:
            self._loop.call_soon(self._flush)
        self._unwritten.append(encode(pdu))

    def _flush(self) -> None:
        if self._unwritten:
            octets = b"".join(self._unwritten)
            self._unwritten.clear()
            self._transport.write(octets)

    def _close(self, close: Close) -> None:
        if self._closing_since is not None:
            return
        self._reason = self._reason or close.reason
        if close.last is not None:
            self._write(close.last)
        self._flush()
        self._closing_since = self._services.monotonic()
        self._transport.close()

    def abort(self, reason: str) -> None:
        """Closes at once, whatever is still unwritten."""
        self._reason = self._reason or reason
        self._transport.abort()

    def tick(self, now: float) -> None:
        """What the time brings about."""
        if self._closing_since is None:
            self.act(self.session.tick(now))
            self._log_throttled()
        elif now - self._closing_since > LINGER:
            self._transport.abort()

    # --- bind ------------------------------------------------------------------------------

    def bind(self, pdu: Pdu) -> None:
        """Has the password checked; nothing is read meanwhile."""
        body = pdu.body
        assert isinstance(body, Bind)
        self._interface_version = body.interface_version
        self._choose_reading()
        self._authentication = self._services.create_task(self._authenticate(pdu, body))

    async def _authenticate(self, pdu: Pdu, body: Bind) -> None:
        failure = self._unwelcome
        if failure is None:
            try:
                account = await self._services.accounts.authenticate(
                    word(body.system_id),
                    word(body.password),
                    protocol=vocabulary.Protocol.SMPP,
                    address=self._address,
                )
                self._services.occupancy.bind(account)
            except Failure as refused:
                failure = refused
            except Exception:  # the client is to be answered whatever happens
                log.exception("bind_failed", peer=self.peer)
                failure = Failure(Reason.OPERATION_FAILED)
        self._authentication = None
        if self._transport.is_closing():
            if failure is None:
                self._services.occupancy.unbind(account)
            return
        if failure is None:
            self._bound(pdu, body, account)
        else:
            self._refuse_bind(pdu, body, failure)
        self._process()
        self._choose_reading()

    def _bound(self, pdu: Pdu, body: Bind, account: Account) -> None:
        settings = account.settings
        latin = body.system_type.upper() == b"ISO"
        self.account = account
        self._holds_bind = True
        self._origin = Origin(self.peer, "latin1" if latin else settings.default_alphabet)
        self.session.bound(pdu, settings.window)
        tlvs: tuple[Tlv, ...] = ()
        if body.interface_version >= _VERSION_34:
            spoken = VERSION_50 if body.interface_version >= VERSION_50 else _VERSION_34
            tlvs = (Tlv(SC_INTERFACE_VERSION, bytes((spoken,))),)
        resp = BindResp(self._services.settings.system_id.encode("ascii", "replace"))
        self._write(Pdu(RESPONSES[pdu.command], pdu.sequence_number, resp, tlvs))
        log.info(
            "bound",
            account=account.name,
            peer=self.peer,
            bind=pdu.command.removeprefix("bind_"),
            interface_version=f"{body.interface_version >> 4}.{body.interface_version & 15}",
            system_type=word(body.system_type),
        )

    def _refuse_bind(self, pdu: Pdu, body: Bind, failure: Failure) -> None:
        close = self.session.bind_refused(self._services.monotonic())
        refused = self._refusal(pdu.command, pdu.sequence_number, failure)
        self._write(refused)
        log.warning(
            "bind_refused",
            account=word(body.system_id),
            peer=self.peer,
            reason=str(failure),
            status=_named(refused.command_status),
        )
        if self._unwelcome is not None:
            close = Close(failure.description)
        if close is not None:
            self._close(close)

    # --- submit ----------------------------------------------------------------------------

    def submit(self, pdu: Pdu) -> None:
        """Hands a submit_sm to the relay; the answer is given when the relay has it."""
        assert self.account is not None
        assert isinstance(pdu.body, SubmitSm)
        self._submits += 1
        to = pdu.body.destination_addr
        try:
            submission = submission_from(pdu, self._origin, self._services.clock())
            outcome = self._services.relay.submit(self.account, submission)
        except (Failure, PduError) as refused:
            self._answer(pdu.command, pdu.sequence_number, to, refused)
            return
        except Exception:  # the client is to be answered whatever happens
            log.exception("submission_failed", account=self.account.name, peer=self.peer)
            failure = Failure(Reason.OPERATION_FAILED)
            self._answer(pdu.command, pdu.sequence_number, to, failure)
            return
        settle = partial(self._settle, pdu.command, pdu.sequence_number, to)
        if outcome.done():
            settle(outcome)
        else:
            outcome.add_done_callback(settle)

    def _settle(
        self, command: str, sequence_number: int, to: bytes, outcome: asyncio.Future[Outcome]
    ) -> None:
        if outcome.cancelled():
            failure = Failure(Reason.OPERATION_FAILED, cause="cancelled")
            self._answer(command, sequence_number, to, failure)
            return
        error = outcome.exception()
        if error is None:
            self._answer(command, sequence_number, to, outcome.result())
        else:
            log.error("submission_failed", peer=self.peer, exc_info=error)
            failure = Failure(Reason.OPERATION_FAILED, cause=type(error).__name__)
            self._answer(command, sequence_number, to, failure)

    def _answer(
        self, command: str, sequence_number: int, to: bytes, outcome: Outcome | PduError
    ) -> None:
        if isinstance(outcome, Accepted):
            message_id = MessageIdResp(b"%d" % outcome.id)
            self._write(Pdu(RESPONSES[command], sequence_number, message_id))
        else:
            refused = self._refusal(command, sequence_number, outcome)
            self._write(refused)
            self._log_refused(to, refused.command_status, outcome)
        close = self.session.answered()
        if close is not None:
            self._close(close)

    # --- what a refusal looks like, on the wire and in the log -----------------------------

    def _refusal(self, command: str, sequence_number: int, refused: Failure | PduError) -> Pdu:
        settings = None if self.account is None else self.account.settings
        return refusal(command, sequence_number, refused, self._interface_version, settings)

    def _log_refused(self, to: bytes, status: int, refused: Failure | PduError) -> None:
        if self.account is None:
            return
        if status == Status.ESME_RTHROTTLED:
            self._throttled += 1  # told once in a while, not once a message
            return
        log.warning(
            "submission_refused",
            account=self.account.name,
            peer=self.peer,
            to=mask(word(to)),
            reason=str(refused) if isinstance(refused, Failure) else refused.detail,
            status=_named(status),
        )

    def _log_refused_pdu(self, reply: Pdu, why: str) -> None:
        """A PDU that the session itself refused: malformed, out of state, over the window."""
        status = _named(reply.command_status)
        if reply.command in _BIND_RESPONSES and self.account is None:
            log.warning("bind_refused", peer=self.peer, reason=why, status=status)
        elif reply.command_status == Status.ESME_RTHROTTLED:
            self._throttled += 1
        elif self.account is not None:
            event = "submission_refused" if reply.command == "submit_sm_resp" else "pdu_refused"
            log.warning(
                event,
                account=self.account.name,
                peer=self.peer,
                reason=why,
                status=status,
            )

    def _log_throttled(self) -> None:
        if self._throttled and self.account is not None:
            log.warning(
                "submissions_throttled",
                account=self.account.name,
                peer=self.peer,
                submits=self._throttled,
            )
            self._throttled = 0


def _named(status: int) -> str:
    return Status(status).name


#: What the bridge offers: request → what acts upon it. Any other request of the layouts is
#: answered with ESME_RINVCMDID; to offer one more takes a row here and its function.
HANDLERS: Final[dict[str, Callable[[Connection, Pdu], None]]] = {
    "bind_transmitter": Connection.bind,
    "bind_receiver": Connection.bind,
    "bind_transceiver": Connection.bind,
    "submit_sm": Connection.submit,
}
