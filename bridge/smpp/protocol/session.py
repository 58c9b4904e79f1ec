"""The rules of one SMPP session, without I/O: octets and the time in, actions out.

Everything that decides what a PDU may do in which state is here: the states, who may say what
when, the window, the timers. What a request means is left to the caller, who answers it with
:meth:`Session.answer`; so is the writing.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import Enum
from typing import Final, NamedTuple

from bridge.smpp.protocol import codec
from bridge.smpp.protocol.command_status import Status
from bridge.smpp.protocol.layouts import RESPONSE, RESPONSES
from bridge.smpp.protocol.pdu import Pdu, PduError


class State(Enum):
    """SMPP 3.4 §2.2. A session that is UNBOUND only waits for its last answers."""

    OPEN = "open"
    BOUND_TX = "bound as transmitter"
    BOUND_RX = "bound as receiver"
    BOUND_TRX = "bound as transceiver"
    UNBOUND = "unbound"


_BOUND: Final = frozenset({State.BOUND_TX, State.BOUND_RX, State.BOUND_TRX})
_SENDING: Final = frozenset({State.BOUND_TX, State.BOUND_TRX})
_RECEIVING: Final = frozenset({State.BOUND_RX, State.BOUND_TRX})

#: Which request may come in which state (SMPP 3.4 §2.3; enquire_link as in SMPP 5.0 §2.4).
ALLOWED: Final[dict[str, frozenset[State]]] = {
    "bind_transmitter": frozenset({State.OPEN}),
    "bind_receiver": frozenset({State.OPEN}),
    "bind_transceiver": frozenset({State.OPEN}),
    "unbind": _BOUND,
    "enquire_link": frozenset(State),
    "submit_sm": _SENDING,
    "submit_multi": _SENDING,
    "data_sm": _BOUND,
    "query_sm": _SENDING,
    "cancel_sm": _SENDING,
    "replace_sm": _SENDING,
    # What only a message centre says to its clients.
    "deliver_sm": frozenset(),
    "alert_notification": frozenset(),
    "outbind": frozenset(),
}

#: What a successful bind leads to.
BINDS: Final[dict[str, State]] = {
    "bind_transmitter": State.BOUND_TX,
    "bind_receiver": State.BOUND_RX,
    "bind_transceiver": State.BOUND_TRX,
}

#: Requests that hand a message over: counted by the window, refused while draining.
SUBMITS: Final = frozenset({"submit_sm", "submit_multi", "data_sm"})

assert ALLOWED.keys() == RESPONSES.keys()

#: Other requests that may be in flight beside a window full of submits.
BESIDE_THE_WINDOW: Final = 10

#: So many refused binds, and the connection is closed.
MAX_REFUSED_BINDS: Final = 5


class Timers(NamedTuple):
    """Seconds: for a bind to come, of silence before an enquire_link, of silence to the end."""

    bind: float
    enquire_link: float
    inactivity: float


class Reply(NamedTuple):
    """To be written. ``why`` says, for the log, what was wrong where the status is an error."""

    pdu: Pdu
    why: str = ""


class Request(NamedTuple):
    """To be acted upon and answered by :meth:`Session.answer`, at any time and in any order."""

    pdu: Pdu


class Response(NamedTuple):
    """What the client answered to a request of ours."""

    pdu: Pdu


class Close(NamedTuple):
    """The session is over: ``last`` is to be written, then the connection closed."""

    reason: str
    last: Pdu | None = None


Action = Reply | Request | Response | Close


def response(request: Pdu, status: Status | int) -> Pdu:
    """The answer without a body to a request, by its own response or by generic_nack."""
    return Pdu(RESPONSES[request.command], request.sequence_number, command_status=status)


class Session:
    """One connection from its first octet to its last.

    ``offered`` names the requests that the caller acts upon; the others are answered with
    ESME_RINVCMDID. All times are seconds of one clock that only grows.
    """

    def __init__(self, timers: Timers, now: float, offered: Collection[str]) -> None:
        self.state = State.OPEN
        self.window = 0
        self.in_flight = 0
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
        self._last: Pdu | None = None  # the unbind_resp that waits for what is in flight
        self._ending = ""  # why the session closes as soon as nothing is in flight

    def receive(self, frame: bytes, now: float) -> Action | None:
        """What follows from one PDU; None if nothing does."""
        self._heard_at = now
        try:
            pdu = codec.decode(frame)
        except PduError as error:
            return self._malformed(frame, error)
        command = pdu.command
        allowed = ALLOWED.get(command)
        if allowed is None:
            return self._response(pdu)
        if self.state not in allowed:
            bound = self.state in _BOUND and command in BINDS
            status = Status.ESME_RALYBND if bound else Status.ESME_RINVBNDSTS
            if not allowed:
                status = Status.ESME_RINVCMDID
            return Reply(response(pdu, status), f"{command} while {self.state.value}")
        if command in SUBMITS and command in self._offered:
            if self.draining:
                return Reply(response(pdu, Status.ESME_RSYSERR), "the bridge stops")
            if self.in_flight >= self.window:
                return Reply(response(pdu, Status.ESME_RTHROTTLED), "over the window")
            self.in_flight += 1
            return Request(pdu)
        if command == "enquire_link":
            return Reply(response(pdu, Status.ESME_ROK))
        if command == "unbind":
            self.state = State.UNBOUND
            self._last = response(pdu, Status.ESME_ROK)
            return self.end("unbind by the client")
        if command not in self._offered:
            return Reply(response(pdu, Status.ESME_RINVCMDID), f"{command} is not offered")
        if command in BINDS:
            self.authenticating = True
            self._authenticating_since = now
            return Request(pdu)
        if self.in_flight >= self.window + BESIDE_THE_WINDOW:
            return Reply(response(pdu, Status.ESME_RTHROTTLED), "over the window")
        self.in_flight += 1
        return Request(pdu)

    def _malformed(self, frame: bytes, error: PduError) -> Action | None:
        command_id = int.from_bytes(frame[4:8], "big")
        if command_id & RESPONSE:
            # Responses and nacks are never answered, and the header says what matters of them.
            status = int.from_bytes(frame[8:12], "big")
            answered = Pdu(error.command, error.sequence_number, None, (), status)
            return self._response(answered) if error.command else None
        command = RESPONSES.get(error.command, "generic_nack")
        answer = Pdu(command, error.sequence_number, command_status=error.status)
        if error.command in BINDS:
            self._refused_binds += 1
            if self._refused_binds >= MAX_REFUSED_BINDS:
                return Close(f"refused binds, the last for {error.detail}", answer)
        return Reply(answer, error.detail)

    def _response(self, pdu: Pdu) -> Action | None:
        if self.draining and pdu.command == "unbind_resp":
            self.state = State.UNBOUND
            return self.end("the bridge stops")
        return Response(pdu)

    def framing_lost(self, error: PduError) -> Close:
        """The stream cannot be read any further (:meth:`codec.Framer.next` raised)."""
        self.state = State.UNBOUND
        nack = Pdu("generic_nack", error.sequence_number, command_status=error.status)
        return Close(f"not SMPP: {error.detail}", nack)

    def bound(self, request: Pdu, window: int) -> None:
        """The bind was accepted; ``window`` is how many submits may be in flight."""
        self.authenticating = False
        self.state = BINDS[request.command]
        self.window = window

    def bind_refused(self, now: float) -> Close | None:
        """The bind was refused; the time that deciding took does not count against the client."""
        self.authenticating = False
        self._opened_at += now - self._authenticating_since
        self._refused_binds += 1
        if self._refused_binds >= MAX_REFUSED_BINDS:
            return Close(f"{self._refused_binds} refused binds")
        return None

    @property
    def receiving(self) -> bool:
        """Whether the client takes requests of ours now."""
        return self.state in _RECEIVING and not (self.draining or self._ending)

    def answered(self) -> Close | None:
        """A request other than a bind has its answer; perhaps the session waited for that."""
        self.in_flight -= 1
        return self._end_when_idle() if self._ending else None

    def end(self, reason: str) -> Close | None:
        """Closes as soon as nothing is in flight: now, or when the last answer is given."""
        self._ending = self._ending or reason
        return self._end_when_idle()

    def _end_when_idle(self) -> Close | None:
        return None if self.in_flight else Close(self._ending, self._last)

    def drain(self) -> Action:
        """The bridge stops: unbind, and answer what is in flight."""
        self.draining = True
        if self.state not in _BOUND:
            return Close("the bridge stops")
        return Reply(Pdu("unbind", self.next_sequence_number()))

    def next_sequence_number(self) -> int:
        """For a request of ours: 1 to 0x7FFFFFFF (SMPP 3.4 §5.1.4)."""
        self._sequence_number = self._sequence_number % 0x7FFF_FFFF + 1
        return self._sequence_number

    def tick(self, now: float) -> Action | None:
        """What the time alone brings about; to be called again and again."""
        if self.authenticating:
            return None
        if self.state is State.OPEN:
            if now - self._opened_at >= self._timers.bind:
                return Close(f"no bind within {self._timers.bind:g} s")
            return None
        if now - self._heard_at >= self._timers.inactivity:
            return Close(f"silent for {self._timers.inactivity:g} s")
        quiet_since = max(self._heard_at, self._enquired_at)
        if self.state in _BOUND and now - quiet_since >= self._timers.enquire_link:
            self._enquired_at = now
            return Reply(Pdu("enquire_link", self.next_sequence_number()))
        return None
