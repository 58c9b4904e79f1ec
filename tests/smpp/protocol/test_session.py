"""The rules of a session: states and timers, without a socket."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.smpp.protocol.codec import encode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.framing import Framer
from bridge.smpp.protocol.layouts import BODIES, COMMAND_IDS, RESPONSE, RESPONSES
from bridge.smpp.protocol.pdu import (
    Bind,
    Body,
    CancelSm,
    Empty,
    Pdu,
    PduError,
    QuerySm,
    ReplaceSm,
    SmeAddress,
    SubmitMulti,
)
from bridge.smpp.protocol.session import (
    ALLOWED,
    BINDS,
    MAX_REFUSED_BINDS,
    Action,
    CloseSession,
    HandleRequest,
    HandleResponse,
    SessionState,
    SmppSession,
    Timers,
    WritePdu,
)
from bridge.smpp.protocol.versions import VERSION_34

OFFERED = {*BINDS, "submit_sm"}
TIMERS = Timers(bind=10, enquire_link=30, inactivity=120)

SAMPLES: dict[str, Body] = {
    **dict.fromkeys(BINDS, Bind(b"crm", b"secret")),
    "submit_multi": SubmitMulti(b"", 0, 0, b"", (SmeAddress(1, 1, b"1"),)),
    "query_sm": QuerySm(b"1"),
    "cancel_sm": CancelSm(b"", b"1"),
    "replace_sm": ReplaceSm(b"1"),
    "outbind": BODIES["outbind"](b"crm"),
}


def frame(command: str, sequence_number: int = 1) -> bytes:
    return encode(Pdu(command, sequence_number, SAMPLES.get(command, BODIES[command]())))


def session(
    state: SessionState = SessionState.OPEN, *, window: int = 10, now: float = 0.0
) -> SmppSession:
    fresh = SmppSession(TIMERS, now, OFFERED)
    if state is SessionState.OPEN:
        return fresh
    command = next(
        (name for name, reached in BINDS.items() if reached is state), "bind_transceiver"
    )
    request = fresh.receive(frame(command), now)
    assert isinstance(request, HandleRequest)
    fresh.bound(request.pdu, window, VERSION_34)
    if state is SessionState.UNBOUND:
        assert isinstance(fresh.receive(frame("submit_sm"), now), HandleRequest)
        assert fresh.receive(frame("unbind"), now) is None
    assert fresh.state is state
    return fresh


def status_of(action: Action | None) -> int:
    assert isinstance(action, WritePdu)
    return action.pdu.command_status


# --- who may say what when -------------------------------------------------------------------


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("command", sorted(ALLOWED))
def test_each_request_in_each_state_gets_what_the_table_says(
    command: str, state: SessionState
) -> None:
    action = session(state).receive(frame(command, 7), 1.0)
    if state in ALLOWED[command]:
        if command in OFFERED:
            assert isinstance(action, HandleRequest)
        elif command == "unbind":
            assert isinstance(action, CloseSession)
        elif command == "enquire_link":
            assert action == WritePdu(Pdu("enquire_link_resp", 7))
        else:
            assert status_of(action) == CommandStatus.ESME_RINVCMDID
        return
    assert isinstance(action, WritePdu)
    assert action.pdu.command == RESPONSES[command]
    assert action.pdu.sequence_number == 7
    if not ALLOWED[command]:
        assert status_of(action) == CommandStatus.ESME_RINVCMDID
    elif command in BINDS and state is not SessionState.UNBOUND:
        assert status_of(action) == CommandStatus.ESME_RALYBND
    else:
        assert status_of(action) == CommandStatus.ESME_RINVBNDSTS


def test_the_table_is_the_specifications() -> None:
    bound = {SessionState.BOUND_TX, SessionState.BOUND_RX, SessionState.BOUND_TRX}
    assert ALLOWED["submit_sm"] == {SessionState.BOUND_TX, SessionState.BOUND_TRX}
    assert ALLOWED["unbind"] == bound
    assert ALLOWED["bind_transceiver"] == {SessionState.OPEN}
    assert ALLOWED["enquire_link"] == set(SessionState)
    assert ALLOWED["deliver_sm"] == set()


@pytest.mark.parametrize("state", SessionState)
@pytest.mark.parametrize("command", sorted(name for name in COMMAND_IDS if name not in ALLOWED))
@pytest.mark.parametrize("status", [0, 8])
def test_responses_and_nacks_are_never_answered(
    command: str, state: SessionState, status: int
) -> None:
    body = None if status else BODIES[command]()
    octets = encode(Pdu(command, 1, body, command_status=status))
    assert isinstance(session(state).receive(octets, 1.0), HandleResponse)


def test_a_malformed_or_unknown_response_is_not_answered_either() -> None:
    bound = session(SessionState.BOUND_TRX)
    malformed = struct.pack(">IIII", 18, 0x80000005, 8, 7) + b"ab"
    told = Pdu("deliver_sm_resp", 7, command_status=CommandStatus.ESME_RSYSERR)
    assert bound.receive(malformed, 1.0) == HandleResponse(told)
    assert bound.receive(struct.pack(">IIII", 16, 0x80000BAD, 0, 1), 1.0) is None


def test_an_unknown_request_gets_a_generic_nack() -> None:
    action = session(SessionState.BOUND_TRX).receive(struct.pack(">IIII", 16, 0xBAD, 0, 9), 1.0)
    assert isinstance(action, WritePdu)
    nack = Pdu("generic_nack", 9, Empty(), command_status=CommandStatus.ESME_RINVCMDID)
    assert action.pdu == nack


def test_a_malformed_request_gets_its_own_response_and_the_session_stays() -> None:
    bound = session(SessionState.BOUND_TRX)
    octets = struct.pack(">IIII", 19, COMMAND_IDS["submit_sm"], 0, 9) + b"CMT"
    action = bound.receive(octets, 1.0)
    assert isinstance(action, WritePdu)
    refusal = Pdu("submit_sm_resp", 9, command_status=CommandStatus.ESME_RINVCMDLEN)
    assert action.pdu == refusal
    assert action.why
    assert bound.state is SessionState.BOUND_TRX
    assert bound.in_flight == 0


def test_lost_framing_is_nacked_and_the_end() -> None:
    framer = Framer()
    framer.feed(struct.pack(">IIII", 4, 4, 0, 5))
    bound = session(SessionState.BOUND_TRX)
    with pytest.raises(PduError) as caught:
        framer.next()
    close = bound.framing_lost(caught.value)
    assert close.last == Pdu("generic_nack", 5, command_status=CommandStatus.ESME_RINVCMDLEN)


# --- bind ------------------------------------------------------------------------------------


@pytest.mark.parametrize(("command", "state"), BINDS.items())
def test_a_bind_leads_to_its_state(command: str, state: SessionState) -> None:
    opened = session()
    request = opened.receive(frame(command), 1.0)
    assert isinstance(request, HandleRequest)
    assert opened.authenticating
    opened.bound(request.pdu, 5, VERSION_34)
    assert (opened.state, opened.window, opened.authenticating) == (state, 5, False)


def test_a_refused_bind_may_be_tried_again_a_few_times() -> None:
    opened = session()
    for _ in range(MAX_REFUSED_BINDS - 1):
        assert isinstance(opened.receive(frame("bind_receiver"), 1.0), HandleRequest)
        assert opened.bind_refused(1.0) is None
        assert opened.state is SessionState.OPEN
    assert isinstance(opened.receive(frame("bind_receiver"), 1.0), HandleRequest)
    assert isinstance(opened.bind_refused(1.0), CloseSession)


def test_malformed_binds_count_as_refused_ones() -> None:
    opened = session()
    octets = struct.pack(">IIII", 16, COMMAND_IDS["bind_receiver"], 0, 1)
    actions = [opened.receive(octets, 1.0) for _ in range(MAX_REFUSED_BINDS)]
    assert all(isinstance(action, WritePdu) for action in actions[:-1])
    assert isinstance(actions[-1], CloseSession)
    assert actions[-1].last is not None


# --- window ----------------------------------------------------------------------------------


def test_over_the_window_a_submit_is_throttled_and_the_rest_goes_on() -> None:
    bound = session(SessionState.BOUND_TRX, window=2)
    assert isinstance(bound.receive(frame("submit_sm", 1), 1.0), HandleRequest)
    assert isinstance(bound.receive(frame("submit_sm", 2), 1.0), HandleRequest)
    assert status_of(bound.receive(frame("submit_sm", 3), 1.0)) == CommandStatus.ESME_RTHROTTLED
    assert status_of(bound.receive(frame("enquire_link", 4), 1.0)) == CommandStatus.ESME_ROK
    bound.answered()
    assert isinstance(bound.receive(frame("submit_sm", 5), 1.0), HandleRequest)
    assert bound.in_flight == 2


@given(st.lists(st.booleans(), max_size=60), st.integers(1, 5))
def test_no_more_than_the_window_is_ever_in_flight(moves: list[bool], window: int) -> None:
    bound, in_flight = session(SessionState.BOUND_TX, window=window), 0
    for submits in moves:
        if submits:
            taken = isinstance(bound.receive(frame("submit_sm"), 1.0), HandleRequest)
            assert taken is (in_flight < window)
            in_flight += taken
        elif in_flight:
            bound.answered()
            in_flight -= 1
        assert bound.in_flight == in_flight


# --- the end ---------------------------------------------------------------------------------


def test_unbind_is_answered_after_what_is_in_flight() -> None:
    bound = session(SessionState.BOUND_TRX)
    bound.receive(frame("submit_sm", 1), 1.0)
    bound.receive(frame("submit_sm", 2), 1.0)
    assert bound.receive(frame("unbind", 3), 1.0) is None
    assert bound.answered() is None
    assert bound.answered() == CloseSession("unbind by the client", Pdu("unbind_resp", 3))


def test_an_idle_session_is_unbound_at_once() -> None:
    bound = session(SessionState.BOUND_TRX)
    assert bound.receive(frame("unbind", 3), 1.0) == CloseSession(
        "unbind by the client", Pdu("unbind_resp", 3)
    )


def test_a_client_that_stops_sending_still_gets_its_answers() -> None:
    bound = session(SessionState.BOUND_TRX)
    bound.receive(frame("submit_sm", 1), 1.0)
    assert bound.end("closed by the client") is None
    assert bound.answered() == CloseSession("closed by the client")


def test_draining_unbinds_refuses_submits_and_waits_for_answers() -> None:
    bound = session(SessionState.BOUND_TRX)
    bound.receive(frame("submit_sm", 1), 1.0)
    assert bound.drain() == WritePdu(Pdu("unbind", 1))
    assert status_of(bound.receive(frame("submit_sm", 2), 1.0)) == CommandStatus.ESME_RSYSERR
    assert bound.receive(encode(Pdu("unbind_resp", 1, Empty())), 1.0) is None
    assert bound.answered() == CloseSession("the bridge stops")


def test_draining_ends_a_session_that_is_not_bound() -> None:
    assert isinstance(session().drain(), CloseSession)


def test_an_unbind_resp_that_nobody_asked_for_changes_nothing() -> None:
    bound = session(SessionState.BOUND_TRX)
    assert isinstance(bound.receive(frame("unbind_resp"), 1.0), HandleResponse)
    assert bound.state is SessionState.BOUND_TRX


# --- the clock -------------------------------------------------------------------------------


def test_a_bind_must_come_in_time() -> None:
    opened = session(now=100.0)
    opened.receive(frame("enquire_link"), 109.0)  # other requests do not count as a bind
    assert opened.tick(109.9) is None
    assert opened.tick(110.0) == CloseSession("no bind within 10 s")


def test_our_own_password_check_does_not_count() -> None:
    opened = session(now=100.0)
    opened.receive(frame("bind_receiver"), 105.0)
    assert opened.tick(200.0) is None
    opened.bind_refused(200.0)
    assert opened.tick(204.9) is None
    assert isinstance(opened.tick(205.0), CloseSession)


def test_silence_brings_enquire_link_and_then_the_end() -> None:
    bound = session(SessionState.BOUND_TRX, now=100.0)
    assert bound.tick(129.9) is None
    assert bound.tick(130.0) == WritePdu(Pdu("enquire_link", 1))
    assert bound.tick(131.0) is None
    assert bound.tick(160.0) == WritePdu(Pdu("enquire_link", 2))
    assert bound.tick(219.9) is not None
    assert bound.tick(220.0) == CloseSession("silent for 120 s")


def test_any_pdu_is_a_sign_of_life() -> None:
    bound = session(SessionState.BOUND_TRX, now=100.0)
    bound.receive(frame("enquire_link_resp"), 125.0)
    assert bound.tick(154.9) is None
    assert isinstance(bound.tick(155.0), WritePdu)
    bound.receive(frame("submit_sm_resp"), 156.0)
    assert bound.tick(185.9) is None


def test_an_unbound_session_is_not_enquired_but_ends_in_silence() -> None:
    unbound = session(SessionState.UNBOUND, now=100.0)
    assert unbound.tick(160.0) is None
    assert isinstance(unbound.tick(220.0), CloseSession)


def test_our_sequence_numbers_begin_with_1_and_wrap() -> None:
    bound = session()
    assert [bound.next_sequence_number() for _ in range(3)] == [1, 2, 3]
    bound._sequence_number = 0x7FFF_FFFF
    assert bound.next_sequence_number() == 1


# --- whatever comes --------------------------------------------------------------------------


@given(
    st.sampled_from(list(SessionState)),
    st.lists(
        st.sampled_from(sorted(COMMAND_IDS.values())) | st.integers(0, 0xFFFF_FFFF), max_size=5
    ),
    st.binary(max_size=60),
)
def test_any_pdu_in_any_state_gets_at_most_one_answer_with_its_sequence_number(
    state: SessionState, command_ids: list[int], body: bytes
) -> None:
    live = session(state)
    for number, command_id in enumerate(command_ids, 50):
        if live.authenticating or live.state is SessionState.UNBOUND:
            return
        octets = struct.pack(">IIII", 16 + len(body), command_id, 0, number) + body
        action = live.receive(octets, 1.0)
        answer = action.last if isinstance(action, CloseSession) else getattr(action, "pdu", None)
        assert answer is None or answer.sequence_number == number
        if command_id & 0x8000_0000:
            assert action is None or isinstance(action, HandleResponse)
        if isinstance(action, WritePdu):
            encode(action.pdu)


# --- before a bind ---------------------------------------------------------------------------


@pytest.mark.parametrize("state", [SessionState.OPEN, SessionState.UNBOUND])
@pytest.mark.parametrize("command", sorted(COMMAND_IDS))
def test_a_long_pdu_of_an_unbound_client_is_answered_by_its_header_alone(
    command: str, state: SessionState
) -> None:
    unbound = session(state)
    octets = struct.pack(">IIII", 70_000, COMMAND_IDS[command], 0, 9) + b"\x14\0\0\0" * 17_496
    action = unbound.receive(octets, 1.0)
    if COMMAND_IDS[command] & RESPONSE:
        assert action is None or action == HandleResponse(Pdu(command, 9))
        return
    assert isinstance(action, WritePdu)
    assert (action.pdu.command, action.pdu.sequence_number) == (RESPONSES[command], 9)
    status = CommandStatus.ESME_RINVBNDSTS
    if state in ALLOWED[command]:
        status = CommandStatus.ESME_RINVCMDLEN
    elif not ALLOWED[command]:
        status = CommandStatus.ESME_RINVCMDID
    assert action.pdu.command_status == status


def test_a_long_unknown_command_of_an_unbound_client_gets_a_generic_nack() -> None:
    action = session().receive(struct.pack(">IIII", 2000, 0xBAD, 0, 9) + b"\0" * 1984, 1.0)
    assert isinstance(action, WritePdu)
    assert action.pdu.command == "generic_nack"
    assert action.pdu.command_status == CommandStatus.ESME_RINVCMDID
