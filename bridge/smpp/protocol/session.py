"""The rules of one SMPP session, without I/O: octets and the time in, actions out.

All rules on which PDU may come in which state are here: the states, the directions, the window, the
timers. The caller carries out and answers the requests, calls :meth:`SmppSession.answered`, and
writes to the connection.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import Final, NamedTuple

from bridge.smpp.protocol import codec
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.framing import HEADER
from bridge.smpp.protocol.layouts import COMMANDS, RESPONSE, RESPONSES, SUBMITS
from bridge.smpp.protocol.pdu import Pdu, PduError
from bridge.smpp.protocol.versions import VERSION_34, failed_body


class SessionState(Enum):
    """SMPP 3.4 §2.2. An UNBOUND session only waits for its last answers."""

    OPEN = "open"
    BOUND_TX = "bound as transmitter"
    BOUND_RX = "bound as receiver"
    BOUND_TRX = "bound as transceiver"
    UNBOUND = "unbound"


_BOUND: Final = frozenset({SessionState.BOUND_TX, SessionState.BOUND_RX, SessionState.BOUND_TRX})
_SENDING: Final = frozenset({SessionState.BOUND_TX, SessionState.BOUND_TRX})
_RECEIVING: Final = frozenset({SessionState.BOUND_RX, SessionState.BOUND_TRX})

#: Request → the states in which it may come (SMPP 3.4 §2.3; enquire_link as in SMPP 5.0 §2.4).
ALLOWED: Final[dict[str, frozenset[SessionState]]] = {
    "bind_transmitter": frozenset({SessionState.OPEN}),
    "bind_receiver": frozenset({SessionState.OPEN}),
    "bind_transceiver": frozenset({SessionState.OPEN}),
    "unbind": _BOUND,
    "enquire_link": frozenset(SessionState),
    "submit_sm": _SENDING,
    "submit_multi": _SENDING,
    "data_sm": _BOUND,
    "query_sm": _SENDING,
    "cancel_sm": _SENDING,
    "replace_sm": _SENDING,
    # The bridge has no broadcasting.
    "broadcast_sm": frozenset(),
    "query_broadcast_sm": frozenset(),
    "cancel_broadcast_sm": frozenset(),
    # Only a message centre sends these to its clients.
    "deliver_sm": frozenset(),
    "alert_notification": frozenset(),
    "outbind": frozenset(),
}

#: Bind request → the state after its success.
BINDS: Final[dict[str, SessionState]] = {
    "bind_transmitter": SessionState.BOUND_TX,
    "bind_receiver": SessionState.BOUND_RX,
    "bind_transceiver": SessionState.BOUND_TRX,
}

assert ALLOWED.keys() == RESPONSES.keys()

#: Other requests that may be in flight beside a window full of submits.
BESIDE_THE_WINDOW: Final = 10

#: Refused binds after which the connection is closed.
MAX_REFUSED_BINDS: Final = 5

#: The longest PDU of an unbound client that is decoded. A bind has up to 210 octets and few TLVs.
LONGEST_UNBOUND: Final = 1024


class Timers(NamedTuple):
    """Seconds until the bind, of silence before an enquire_link, of silence before closing."""

    bind: float
    enquire_link: float
    inactivity: float


class WritePdu(NamedTuple):
    """Write this PDU. ``why`` is the cause of an error status, for the log."""

    pdu: Pdu
    why: str = ""


class HandleRequest(NamedTuple):
    """Carry out this request and answer it, at any time and in any order."""

    pdu: Pdu


class HandleResponse(NamedTuple):
    """The client's response to a request of the bridge."""

    pdu: Pdu


class CloseSession(NamedTuple):
    """The session is over: write ``last``, then close the connection."""

    reason: str
    last: Pdu | None = None


Action = WritePdu | HandleRequest | HandleResponse | CloseSession


class SmppSession:
    """One connection from its first octet to its last.

    ``offered`` names the requests that the caller handles; others are answered with
    ESME_RINVCMDID. All times are seconds of one monotonic clock.
    """

    def __init__(self, timers: Timers, now: float, offered: Collection[str]) -> None:
        self.state = SessionState.OPEN
        self.window = 0
        self.in_flight = 0
        self.interface_version = VERSION_34
        self.authenticating = False
        self.draining = False
        self._offered = offered
        self._timers = timers
        self._opened_at = now
        self._authenticating_since = now
        self._heard_at = now
        self._enquired_at = now
        self._refused_binds = 0
        self._sequence_number = 0
        self._last: Pdu | None = None  # the unbind_resp, which waits for requests in flight
        self._ending = ""  # why the session closes as soon as nothing is in flight

    def receive(self, frame: bytes, now: float) -> Action | None:
        """The action that a PDU calls for, if any."""
        self._heard_at = now
        if len(frame) > LONGEST_UNBOUND and self.state not in _BOUND:
            return self._unbound(frame)
        try:
            pdu = codec.decode(frame, self.interface_version)
        except PduError as error:
            return self._malformed(frame, error)
        command = pdu.command
        allowed = ALLOWED.get(command)
        if allowed is None:
            return self._response(pdu)
        if self.state not in allowed:
            return self._misplaced(pdu)
        if command in SUBMITS and command in self._offered:
            if self.draining:
                return self._refuse(pdu, CommandStatus.ESME_RSYSERR, "the bridge stops")
            if self.in_flight >= self.window:
                return self._refuse(pdu, CommandStatus.ESME_RTHROTTLED, "over the window")
            self.in_flight += 1
            return HandleRequest.__new__(HandleRequest, pdu)
        if command == "enquire_link":
            return WritePdu(Pdu("enquire_link_resp", pdu.sequence_number))
        if command == "unbind":
            self.state = SessionState.UNBOUND
            self._last = Pdu("unbind_resp", pdu.sequence_number)
            return self.end("unbind by the client")
        if command not in self._offered:
            return self._refuse(pdu, CommandStatus.ESME_RINVCMDID, f"{command} is not offered")
        if command in BINDS:
            self.authenticating = True
            self._authenticating_since = now
            return HandleRequest(pdu)
        if self.in_flight >= self.window + BESIDE_THE_WINDOW:
            return self._refuse(pdu, CommandStatus.ESME_RTHROTTLED, "over the window")
        self.in_flight += 1
        return HandleRequest(pdu)

    def _unbound(self, frame: bytes) -> Action | None:
        """Answers a long PDU of an unbound client without decoding its body.

        Decoding takes time in proportion to the length, and the client has not logged in.
        """
        _, command_id, _, sequence_number = HEADER.unpack_from(frame)
        command = COMMANDS.get(command_id, "")
        status = CommandStatus.ESME_RINVCMDLEN
        if command not in ALLOWED:  # a response, or an unknown command
            command, status = "", CommandStatus.ESME_RINVCMDID
        elif self.state not in ALLOWED[command]:
            return self._misplaced(Pdu(command, sequence_number))
        detail = f"0x{command_id:08X} of {len(frame)} octets while {self.state.value}"
        error = PduError(status, detail, command=command, sequence_number=sequence_number)
        return self._malformed(frame, error)

    def _misplaced(self, request: Pdu) -> WritePdu:
        """Refuses a request that is not allowed in this state."""
        command, status = request.command, CommandStatus.ESME_RINVBNDSTS
        if not ALLOWED[command]:
            status = CommandStatus.ESME_RINVCMDID
        elif command in BINDS and self.state in _BOUND:
            status = CommandStatus.ESME_RALYBND
        return self._refuse(request, status, f"{command} while {self.state.value}")

    def _refuse(self, request: Pdu, status: CommandStatus, why: str) -> WritePdu:
        """Answers a request with its own response, or with generic_nack if it has none."""
        command = RESPONSES[request.command]
        body = failed_body(command, self.interface_version)
        return WritePdu(Pdu(command, request.sequence_number, body, (), status), why)

    def _malformed(self, frame: bytes, error: PduError) -> Action | None:
        command_id = int.from_bytes(frame[4:8], "big")
        if command_id & RESPONSE:
            # Responses and nacks are never answered; their header is enough.
            status = int.from_bytes(frame[8:12], "big")
            answered = Pdu(error.command, error.sequence_number, None, (), status)
            return self._response(answered) if error.command else None
        command = RESPONSES.get(error.command, "generic_nack")
        body = failed_body(command, self.interface_version)
        answer = Pdu(command, error.sequence_number, body, (), error.status)
        if error.command in BINDS:
            self._refused_binds += 1
            if self._refused_binds >= MAX_REFUSED_BINDS:
                return CloseSession(f"refused binds, the last for {error.detail}", answer)
        return WritePdu(answer, error.detail)

    def _response(self, pdu: Pdu) -> Action | None:
        if self.draining and pdu.command == "unbind_resp":
            self.state = SessionState.UNBOUND
            return self.end("the bridge stops")
        return HandleResponse(pdu)

    def framing_lost(self, error: PduError) -> CloseSession:
        """The stream cannot be read any further: its framing raised ``error``."""
        self.state = SessionState.UNBOUND
        nack = Pdu("generic_nack", error.sequence_number, command_status=error.status)
        return CloseSession(f"not SMPP: {error.detail}", nack)

    def bound(self, request: Pdu, window: int, interface_version: int) -> None:
        """The bind was accepted; ``window`` is the most submits in flight."""
        self.authenticating = False
        self.interface_version = interface_version
        self.state = BINDS[request.command]
        self.window = window

    def bind_refused(self, now: float) -> CloseSession | None:
        """The bind was refused. The time for the decision does not count against the client."""
        self.authenticating = False
        self._opened_at += now - self._authenticating_since
        self._refused_binds += 1
        if self._refused_binds >= MAX_REFUSED_BINDS:
            return CloseSession(f"{self._refused_binds} refused binds")
        return None

    @property
    def receiving(self) -> bool:
        """Whether the client takes requests of the bridge now."""
        return self.state in _RECEIVING and not (self.draining or self._ending)

    def answered(self) -> CloseSession | None:
        """A request other than a bind is answered; closes the session if it waited for that."""
        self.in_flight -= 1
        return self._end_when_idle() if self._ending else None

    def end(self, reason: str) -> CloseSession | None:
        """Closes as soon as nothing is in flight: now, or after the last answer."""
        self._ending = self._ending or reason
        return self._end_when_idle()

    def _end_when_idle(self) -> CloseSession | None:
        return None if self.in_flight else CloseSession(self._ending, self._last)

    def drain(self) -> Action:
        """The bridge stops: sends unbind, and answers the requests in flight."""
        self.draining = True
        if self.state not in _BOUND:
            return CloseSession("the bridge stops")
        return WritePdu(Pdu("unbind", self.next_sequence_number()))

    def next_sequence_number(self) -> int:
        """For a request of the bridge: 1 to 0x7FFFFFFF (SMPP 3.4 §5.1.4)."""
        self._sequence_number = self._sequence_number % 0x7FFF_FFFF + 1
        return self._sequence_number

    def tick(self, now: float) -> Action | None:
        """The action that the timers call for, if any; to be called often."""
        if self.authenticating:
            return None
        if self.state is SessionState.OPEN:
            if now - self._opened_at >= self._timers.bind:
                return CloseSession(f"no bind within {self._timers.bind:g} s")
            return None
        if now - self._heard_at >= self._timers.inactivity:
            return CloseSession(f"silent for {self._timers.inactivity:g} s")
        quiet_since = max(self._heard_at, self._enquired_at)
        if self.state in _BOUND and now - quiet_since >= self._timers.enquire_link:
            self._enquired_at = now
            return WritePdu(Pdu("enquire_link", self.next_sequence_number()))
        return None
