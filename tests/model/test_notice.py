"""Which notices follow from a state."""

from __future__ import annotations

from bridge.model.message import Receipts, State
from bridge.model.notice import (
    MAIL,
    Incoming,
    Kind,
    Subject,
    Unjoined,
    callbacks_of,
    incoming_notice,
    notices_of,
    part_notice,
    receivers_of,
)
from tests.samples import NOW

BOTH = Receipts.SUCCESS | Receipts.FAILURE
CRM = receivers_of("crm")


def queues(receipts: Receipts, state: State, *, by_mail: bool = False, heard: int = 0) -> list[str]:
    subject = Subject(7, 7, "crm", by_mail, int(receipts), heard)
    aliases = [(8, int(Receipts.FAILURE)), (9, int(BOTH))]
    return [
        f"{notice.queue} {notice.known_as}" for notice in notices_of(subject, aliases, state, NOW)
    ]


def test_a_receipt_follows_from_the_state_that_it_was_requested_for() -> None:
    assert queues(Receipts.SUCCESS, State.DELIVERED) == [f"{CRM} 7"]
    assert queues(Receipts.SUCCESS, State.EXPIRED) == []
    assert queues(Receipts.FAILURE, State.EXPIRED) == [f"{CRM} 7"]
    assert queues(Receipts.INTERMEDIATE, State.SENT) == [f"{CRM} 7"]
    assert queues(Receipts.NONE, State.DELIVERED) == []


def test_other_ids_have_their_own_requests_except_one_that_has_the_answer() -> None:
    assert queues(Receipts.ALIASES, State.DELIVERED) == [f"{CRM} 9"]
    assert queues(Receipts.ALIASES, State.EXPIRED) == [f"{CRM} 8", f"{CRM} 9"]
    assert queues(Receipts.ALIASES, State.EXPIRED, heard=9) == [f"{CRM} 8"]


def test_one_mail_serves_the_sender_and_the_account() -> None:
    assert queues(BOTH | Receipts.REPORT, State.EXPIRED, by_mail=True) == [f"{MAIL} 7"]
    assert queues(BOTH | Receipts.REPORT, State.EXPIRED) == [f"{CRM} 7", f"{MAIL} 7"]


def test_final_states_are_reported_and_called_back_not_the_way_there() -> None:
    both = Receipts.REPORT | Receipts.CALLBACK
    assert queues(both, State.DELIVERED) == [f"{MAIL} 7", f"{callbacks_of('crm')} 7"]
    assert queues(both, State.SENT) == []


def test_a_message_from_a_phone_is_told_in_each_queue() -> None:
    incoming = Incoming(5, "uid", "crm", "+380501234567", "Shop", "yes", NOW - 1, NOW)
    notice = incoming_notice(incoming, CRM)
    assert (notice.queue, notice.kind, notice.about, notice.at) == (CRM, Kind.INCOMING, 5, NOW)


def test_the_end_of_a_part_without_a_request_is_only_a_record() -> None:
    part = Unjoined("+380501234567", "Shop", NOW, 1, 3, (2, 3), int(Receipts.FAILURE))
    assert part_notice("crm", 6, part, NOW).ended_at == 0
    silent = part_notice("crm", 6, part._replace(receipts=0), NOW)
    assert (silent.ended_at, silent.outcome) == (NOW, "the part did not request one")
