"""Rows: messages and notices come back from their columns as they were."""

from __future__ import annotations

import pytest

from bridge.model.message import Message, MessageType, Protocol, Receipts, Route, State, Stored
from bridge.model.notice import MAIL, Incoming, Kind, Notice
from bridge.store.rows import (
    INCOMING,
    MESSAGE_COLUMNS,
    NEW_NOTICE,
    NOTICE,
    STATE_COLUMNS,
    STORED,
    from_notice,
    to_message,
    to_notice,
    to_owed,
    to_row,
    to_stored,
)
from tests.samples import NOW, message
from tests.store.samples import incoming

#: Each field has a value of its own.
FULL = message(
    2,
    submission_id=3,
    options=("Так", "Ні"),
    fallback="fallback",
    scheduled_at=NOW + 2,
    receipts=Receipts.FAILURE | Receipts.CALLBACK,
    reference="order-1",
    attempts=4,
    unknown=5,
    envelope='{"to":"a@b.example"}',
)
STATE = ("up-1", 11, "REFUSED", "1003", 12, "delivered", 13, "0.45", 14, 15)
#: A notice that has just been read: ``known_as`` differs from ``about``.
NOTICED = Notice(
    MAIL, "crm", Kind.STATE, 2, 20, NOW, NOW + 1, State.EXPIRED, "{}", 9, 3, NOW + 5, "taken"
)
#: Columns of a message and of a message from a phone that are not there (LEFT JOIN).
NO_INCOMING = (None,) * len(INCOMING)
NO_MESSAGE = (None,) * len(STORED)


def columns(notice: Notice) -> tuple[object, ...]:
    """The row of a notice that is stored."""
    state = "" if notice.state is None else notice.state.value
    return notice._replace(kind=notice.kind.value, state=state)  # type: ignore[arg-type]


def test_columns_are_named_like_the_fields() -> None:
    assert Message._fields == MESSAGE_COLUMNS
    assert Stored._fields[1:] == STATE_COLUMNS
    assert Notice._fields == NOTICE
    assert tuple(name.strip('"') for name in INCOMING) == Incoming._fields


@pytest.mark.parametrize("protocol", Protocol)
@pytest.mark.parametrize("route", Route)
def test_a_message_comes_back_from_its_row(protocol: Protocol, route: Route) -> None:
    for message_type in MessageType:
        one = FULL._replace(protocol=protocol, route=route, message_type=message_type)
        row = to_row(one)
        assert len(row) == len(MESSAGE_COLUMNS)
        assert to_message(row) == one
        # Databases know no enumerations.
        assert {type(value) for value in row} == {int, str}


def test_a_message_without_options_or_schedule_comes_back_from_its_row() -> None:
    one = message(1)
    assert to_message(to_row(one)) == one
    assert to_message(to_row(one)).options == ()


@pytest.mark.parametrize("state", State)
def test_a_stored_message_comes_back_with_its_state(state: State) -> None:
    row = (*to_row(FULL), state.value, *STATE)
    assert to_stored(row) == Stored(FULL, state, *STATE)
    # Columns that follow are those of another table.
    assert to_stored((*row, "more")) == to_stored(row)


@pytest.mark.parametrize("kind", Kind)
def test_a_new_notice_is_read_as_it_was_written(kind: Kind) -> None:
    for notice in (NOTICED, NOTICED._replace(state=None, ended_at=0, outcome="")):
        written = dict(zip(NEW_NOTICE, from_notice(notice._replace(kind=kind)), strict=True))
        # The store gives the id and counts the tries.
        row = [written.get(name, {"id": 9, "tries": 3}.get(name)) for name in NOTICE]
        assert to_notice(row) == notice._replace(kind=kind)


def test_a_notice_comes_with_the_message_that_it_is_about() -> None:
    row = (*columns(NOTICED), *NO_INCOMING, *to_row(FULL), "expired", *STATE)
    owed = to_owed(row)
    assert (owed.notice, owed.incoming) == (NOTICED, None)
    assert owed.stored == Stored(FULL, State.EXPIRED, *STATE)


def test_a_notice_comes_with_the_message_from_a_phone_that_it_is_about() -> None:
    notice = NOTICED._replace(kind=Kind.INCOMING, about=50, state=None)
    row = (*columns(notice), *incoming(50), *to_row(FULL), "expired", *STATE)
    owed = to_owed(row)
    assert (owed.notice, owed.stored, owed.incoming) == (notice, None, incoming(50))


@pytest.mark.parametrize("kind", Kind)
def test_a_notice_outlives_what_it_is_about(kind: Kind) -> None:
    notice = NOTICED._replace(kind=kind)
    owed = to_owed((*columns(notice), *NO_INCOMING, *NO_MESSAGE))
    assert (owed.notice, owed.stored, owed.incoming) == (notice, None, None)
