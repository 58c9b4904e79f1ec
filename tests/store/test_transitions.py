"""What a status, a move and time do to a message, for both engines."""

from __future__ import annotations

import pytest

from bridge.model.message import State
from bridge.store import Status
from bridge.store.transitions import (
    MAX_POLL,
    NO_STATUS,
    Standing,
    movable_from,
    note_status,
    poll_interval,
    without_subject,
)
from bridge.store.types import Noted
from tests.samples import NOW

SENT = Standing("sent", "", 0, NOW, "", 0, 0, "")
DELIVERED = Standing("delivered", "delivered", NOW, NOW, "", 0, 0, "")


def status(word: str, state: State | None, cost: str = "", parts: int = 0, err: int = 0) -> Status:
    return Status("up-1", word, state, NOW + 9, cost, parts, err)


def test_a_final_status_ends_a_sent_message() -> None:
    noted, after = note_status(SENT, status("undelivered", State.UNDELIVERABLE, "0.4", 2, 6))
    assert noted is Noted.CHANGED
    assert after == Standing("undeliverable", "undelivered", NOW + 9, NOW + 9, "0.4", 2, 6, "")


def test_a_message_without_a_final_status_has_that_as_its_cause() -> None:
    _, after = note_status(SENT, status("", State.UNDELIVERABLE))
    assert after.cause == NO_STATUS


def test_a_status_on_the_way_is_kept_once() -> None:
    noted, after = note_status(SENT, status("processing", None))
    assert (noted, after.state, after.status) == (Noted.KEPT, "sent", "processing")
    assert note_status(after, status("processing", None))[0] is Noted.REPEATED


def test_another_final_status_is_late_and_changes_nothing() -> None:
    assert note_status(DELIVERED, status("failed", State.UNDELIVERABLE)) == (Noted.LATE, DELIVERED)


def test_the_same_final_status_may_still_bring_the_cost() -> None:
    noted, after = note_status(DELIVERED, status("delivered", State.DELIVERED, "0.4", 1))
    assert (noted, after.cost, after.counted_parts) == (Noted.KEPT, "0.4", 1)
    assert note_status(after, status("delivered", State.DELIVERED, "9"))[0] is Noted.REPEATED


@pytest.mark.parametrize(
    ("to", "states"),
    [
        (State.CANCELLED, (State.ACCEPTED, State.HELD)),
        (State.HELD, (State.ACCEPTED,)),
        (State.ACCEPTED, (State.HELD,)),
        (State.EXPIRED, (State.ACCEPTED, State.HELD)),
    ],
)
def test_messages_that_are_not_being_sent_can_be_moved(
    to: State, states: tuple[State, ...]
) -> None:
    assert movable_from(to) == states


def test_the_interval_of_status_requests_doubles_up_to_a_limit() -> None:
    assert poll_interval(NOW + 40, NOW) == 40
    assert poll_interval(NOW, NOW) == 1
    assert poll_interval(NOW + 86400, NOW) == MAX_POLL


def test_the_subject_is_blanked_with_the_text() -> None:
    assert without_subject('{"to":"a","subject":"secret"}') == '{"to":"a"}'
    assert without_subject("") == ""
