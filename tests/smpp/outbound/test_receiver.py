"""A receiver's answers and time limits, without a socket."""

from __future__ import annotations

from itertools import count

import pytest

from bridge.notices.subscribers import TakerAnswer
from bridge.smpp.outbound.deliver_pdu import Style
from bridge.smpp.outbound.receiver import ENDING, Receiver
from bridge.smpp.protocol.codec import decode
from bridge.smpp.protocol.command_status import CommandStatus
from bridge.smpp.protocol.pdu import Pdu, SubmitSm
from tests.smpp.owed import ID, incoming, owed

PEER = "10.0.0.1:4000"


class Session:
    """A receiver with recorded output; tests give the time."""

    def __init__(self, window: int = 3) -> None:
        self.now = 0.0
        self.is_ready = True
        self.sent: list[Pdu] = []
        numbers = count(1)
        self.receiver = Receiver(
            PEER,
            Style(0x34),
            window,
            30,
            send=lambda octets: self.sent.append(decode(octets)),
            ready=lambda: self.is_ready,
            next_sequence_number=lambda: next(numbers),
            monotonic=lambda: self.now,
        )

    def answer(self, number: int, status: int = 0, command: str = "deliver_sm_resp") -> None:
        self.receiver.take(Pdu(command, number, command_status=status))


async def test_each_request_has_its_own_sequence_number() -> None:
    session = Session()
    for id in (ID, ID + 1):
        session.receiver.tell(owed(id=id))
    assert [(pdu.command, pdu.sequence_number) for pdu in session.sent] == [
        ("deliver_sm", 1),
        ("deliver_sm", 2),
    ]


async def test_there_is_room_for_a_window_while_the_session_takes_requests() -> None:
    session = Session(window=2)
    assert session.receiver.room() == 2
    session.receiver.tell(owed())
    session.receiver.tell(owed())
    assert (session.receiver.room(), session.receiver.in_flight) == (0, 2)
    session.answer(2)
    assert session.receiver.room() == 1
    session.is_ready = False
    assert session.receiver.room() == 0


@pytest.mark.parametrize(
    ("status", "ended", "outcome"),
    [
        (CommandStatus.ESME_ROK, True, f"taken by {PEER}"),
        (CommandStatus.ESME_RX_P_APPN, True, f"refused by {PEER} with ESME_RX_P_APPN"),
        (CommandStatus.ESME_RX_R_APPN, True, f"refused by {PEER} with ESME_RX_R_APPN"),
        (CommandStatus.ESME_RX_T_APPN, False, f"ESME_RX_T_APPN from {PEER}"),
        (CommandStatus.ESME_RSYSERR, False, f"ESME_RSYSERR from {PEER}"),
        (CommandStatus.ESME_RTHROTTLED, False, f"ESME_RTHROTTLED from {PEER}"),
        (0x4B0, False, f"0x000004B0 from {PEER}"),
    ],
)
@pytest.mark.parametrize("command", ["deliver_sm_resp", "data_sm_resp"])
async def test_what_a_status_means(command: str, status: int, ended: bool, outcome: str) -> None:
    session = Session()
    answer = session.receiver.tell(owed())
    session.answer(1, status, command)
    assert answer.result() == TakerAnswer(ended, outcome)
    assert ended == (status in ENDING)


@pytest.mark.parametrize("status", [CommandStatus.ESME_RINVCMDID, CommandStatus.ESME_ROK])
async def test_a_generic_nack_ends_the_try_alone(status: CommandStatus) -> None:
    session = Session()
    answer = session.receiver.tell(owed())
    session.answer(1, status, "generic_nack")
    assert answer.result() == TakerAnswer(False, f"generic_nack {status.name} from {PEER}")


async def test_answers_may_come_in_any_order_and_answer_what_they_name() -> None:
    session = Session()
    answers = [session.receiver.tell(owed(id=ID + n)) for n in range(3)]
    session.answer(3, CommandStatus.ESME_RSYSERR)
    session.answer(1)
    assert [answer.done() for answer in answers] == [True, False, True]
    assert answers[2].result().ended is False


async def test_a_response_to_no_request_is_ignored() -> None:
    session = Session()
    answer = session.receiver.tell(owed())
    session.answer(7)
    session.answer(1, command="enquire_link_resp")
    assert not answer.done()
    session.answer(1)
    session.answer(1, CommandStatus.ESME_RSYSERR)
    assert answer.result().ended


async def test_silence_is_no_answer() -> None:
    session = Session()
    first = session.receiver.tell(owed())
    session.now = 10
    second = session.receiver.tell(owed(id=ID + 1))
    session.receiver.tick(29.9)
    assert not first.done()
    session.receiver.tick(30)
    assert first.result() == TakerAnswer(False, f"no answer from {PEER} within 30 s")
    assert not second.done()
    session.answer(1)  # too late
    assert session.receiver.room() == 2


async def test_a_lost_session_answers_nothing() -> None:
    session = Session()
    told = session.receiver.tell(owed())
    session.receiver.lose()
    later = session.receiver.tell(owed(id=ID + 1))
    for answer in (told, later):
        assert answer.result() == TakerAnswer(
            False, f"{PEER} went away without an answer", lost=True
        )
    assert session.receiver.room() == 0
    assert len(session.sent) == 1


async def test_a_notice_that_cannot_be_written_is_not_retried() -> None:
    session = Session()
    answer = session.receiver.tell(owed()._replace(stored=None))
    assert answer.result() == TakerAnswer(True, "cannot be written: the message was deleted")
    answer = session.receiver.tell(incoming("x")._replace(incoming=None))
    assert answer.result().ended
    assert session.sent == []


# --- messages from phones --------------------------------------------------------------------


def numbers(session: Session) -> list[int]:
    """The numbers of the sent parts."""
    bodies = [pdu.body for pdu in session.sent]
    return [body.short_message[5] for body in bodies if isinstance(body, SubmitSm)]


async def test_parts_come_one_after_the_other_in_one_place_of_the_window() -> None:
    session = Session()
    answer = session.receiver.tell(incoming("x" * 400))
    for number in (1, 2, 3):
        assert (numbers(session)[-1], session.receiver.in_flight) == (number, 1)
        assert not answer.done()
        session.answer(number)
    assert answer.result() == TakerAnswer(True, f"taken by {PEER}")
    assert numbers(session) == [1, 2, 3]


async def test_a_part_that_is_not_taken_has_all_of_them_come_again() -> None:
    session = Session()
    answer = session.receiver.tell(incoming("x" * 400))
    session.answer(1)
    session.answer(2, CommandStatus.ESME_RX_T_APPN)
    assert not answer.result().ended
    session.receiver.tell(incoming("x" * 400))
    assert numbers(session) == [1, 2, 1]


async def test_a_part_that_is_refused_for_good_ends_it() -> None:
    session = Session()
    answer = session.receiver.tell(incoming("x" * 400))
    session.answer(1, CommandStatus.ESME_RX_R_APPN)
    assert answer.result().ended
    assert len(session.sent) == 1
