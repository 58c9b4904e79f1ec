"""Forms of states for clients."""

from __future__ import annotations

import json
from datetime import UTC
from xml.etree import ElementTree

import pytest

from bridge.model.failure import Reason
from bridge.model.message import FINAL, State, Stored
from bridge.model.state_names import SmscStatus, err_of, render_status, smsc_status, telling
from tests.samples import NOW, message


def stored(state: State, *, failure: str = "", err: int = 0, changed_at: int = NOW) -> Stored:
    return Stored(message(1), state, "", changed_at, failure, "", err=err)


@pytest.mark.parametrize(
    ("states", "told"),
    [
        ([State.DELIVERED, State.SENT], State.SENT),
        ([State.REJECTED, State.ACCEPTED, State.DELIVERED], State.ACCEPTED),
        ([State.DELIVERED, State.UNDELIVERABLE, State.REJECTED], State.UNDELIVERABLE),
        ([State.CANCELLED, State.DELIVERED], State.CANCELLED),
        ([State.DELIVERED, State.DELIVERED], State.DELIVERED),
    ],
)
def test_one_on_its_way_speaks_for_several_else_the_one_that_went_worst(
    states: list[State], told: State
) -> None:
    assert telling([stored(state) for state in states]).state is told


def test_every_final_state_can_speak_for_several() -> None:
    for state in FINAL:
        assert telling([stored(state), stored(State.DELIVERED)]).state is state


@pytest.mark.parametrize(
    ("state", "code"),
    [
        (State.ACCEPTED, -1),
        (State.SENDING, -1),
        (State.HELD, -1),
        (State.SENT, 0),
        (State.DELIVERED, 1),
        (State.EXPIRED, 3),
        (State.UNDELIVERABLE, 20),
        (State.REJECTED, 20),
        (State.CANCELLED, -2),
    ],
)
def test_every_state_has_a_code_of_smsc(state: State, code: int) -> None:
    assert smsc_status(stored(state)) == (code, NOW)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        (Reason.WRONG_PHONE, 22),
        (Reason.SENDER_NOT_ALLOWED, 23),
        (Reason.PROHIBITED, 23),
        (Reason.REFUSED, 20),
    ],
)
def test_why_the_api_refused_a_message_shows_in_the_code(reason: Reason, code: int) -> None:
    assert smsc_status(stored(State.REJECTED, failure=reason.name)).code == code


@pytest.mark.parametrize(("err", "code"), [(1, 22), (253, 23), (21, 25), (6, 20), (245, 20)])
def test_why_a_message_could_not_be_delivered_shows_in_the_code(err: int, code: int) -> None:
    assert smsc_status(stored(State.UNDELIVERABLE, err=err)).code == code
    assert smsc_status(stored(State.DELIVERED, err=err)).code == 1


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_a_message_that_may_have_been_sent_is_not_stopped_but_without_a_status(
    state: State,
) -> None:
    perhaps = Stored(message(1, unknown=1), state, "", NOW, "", "")
    assert perhaps.perhaps_sent
    assert perhaps.refusal is None
    assert (smsc_status(perhaps).code, err_of(perhaps)) == (3, 245)
    assert not perhaps._replace(sent_at=NOW).perhaps_sent
    assert not perhaps._replace(state=State.HELD).perhaps_sent


def test_a_message_that_never_changed_has_its_state_since_it_was_accepted() -> None:
    assert smsc_status(stored(State.ACCEPTED, changed_at=0)).since == NOW


def test_a_status_in_each_of_the_four_formats() -> None:
    status = SmscStatus(1, 1_495_823_972)
    text, numbers, xml, document = (render_status(status, fmt, UTC) for fmt in range(4))
    assert text == "Status = 1, check_time = 26.05.2017 18:39:32"
    assert numbers == "1,1495823972"
    fields = {element.tag: element.text for element in ElementTree.fromstring(xml)}
    assert fields == {
        "status": "1",
        "last_date": "26.05.2017 18:39:32",
        "last_timestamp": "1495823972",
    }
    assert json.loads(document) == {
        "status": 1,
        "last_date": "26.05.2017 18:39:32",
        "last_timestamp": 1495823972,
    }
