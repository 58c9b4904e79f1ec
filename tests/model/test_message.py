"""States and what may follow them; the failure of a message that was never sent."""

from __future__ import annotations

from typing import Any

import pytest

from bridge.model.failure import Failure, Reason
from bridge.model.message import (
    FINAL,
    TRANSITIONS,
    Accepted,
    MessageType,
    Protocol,
    Receipts,
    Recipient,
    Route,
    State,
    Stored,
    Submission,
    expired_unsent,
)
from tests.samples import NOW, message


def stored(state: State, **fields: Any) -> Stored:
    about = {name: fields.pop(name) for name in ("unknown",) if name in fields}
    values: dict[str, Any] = {
        "failure": "",
        "cause": "",
        "changed_at": NOW,
        "upstream_id": "",
    } | fields
    return Stored(message(1, **about), state, **values)


def test_words_are_stored_as_they_were_when_the_store_began() -> None:
    # Stores keep these words, and Cascade reads those of types and routes.
    assert {state.value for state in State} == {state.name.lower() for state in State}
    assert [kind.value for kind in MessageType] == [
        "transaction",
        "promo",
        "viber_survey",
        "flashcall",
    ]
    assert [route.value for route in Route] == ["async", "tg-viber"]
    assert [protocol.value for protocol in Protocol] == ["smtp", "smpp", "http"]


def test_an_accepted_submission_is_answered_by_the_api_unless_it_is_queued() -> None:
    accepted = Accepted(7, 2)
    assert (accepted.queued, accepted.refused) == (False, ())


def test_nothing_follows_a_final_state_and_something_every_other() -> None:
    assert TRANSITIONS.keys() == set(State) - FINAL
    assert all(TRANSITIONS.values())


def test_every_state_is_reached_from_the_first() -> None:
    reached, new = {State.ACCEPTED}, {State.ACCEPTED}
    while new:
        new = set().union(*(TRANSITIONS.get(state, set()) for state in new)) - reached
        reached |= new
    assert reached == set(State)


def test_every_state_leads_to_a_final_one() -> None:
    ends = set(FINAL)
    for _ in State:
        ends |= {state for state, after in TRANSITIONS.items() if after & ends}
    assert ends == set(State)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (State.ACCEPTED, State.SENT),  # without an attempt nothing was sent
        (State.ACCEPTED, State.REJECTED),
        (State.HELD, State.SENDING),  # it is released first
        (State.SENT, State.REJECTED),  # the API has taken it
        (State.SENT, State.CANCELLED),
        (State.SENDING, State.CANCELLED),  # its outcome is not known
    ],
)
def test_no_step_is_skipped(before: State, after: State) -> None:
    assert after not in TRANSITIONS[before]


def test_wishes_for_receipts_do_not_hide_each_other() -> None:
    one_by_one = [wish for wish in Receipts if wish]
    assert len({wish.value.bit_length() for wish in one_by_one}) == len(one_by_one) == 7
    assert Receipts(7) == Receipts.SUCCESS | Receipts.FAILURE | Receipts.INTERMEDIATE


@pytest.mark.parametrize(
    ("state", "fields", "failure"),
    [
        (State.REJECTED, {"failure": "WRONG_PHONE"}, Failure(Reason.WRONG_PHONE)),
        (State.EXPIRED, {}, expired_unsent()),
        (State.EXPIRED, {"sent_at": NOW}, None),  # the phone was off
        (State.EXPIRED, {"unknown": 1}, None),  # the API may have it
        (State.SENT, {}, None),
        (State.CANCELLED, {}, None),
        (State.UNDELIVERABLE, {"sent_at": NOW}, None),
    ],
)
def test_only_a_message_that_was_never_sent_has_a_refusal(
    state: State, fields: dict[str, Any], failure: Failure | None
) -> None:
    refusal = stored(state, **fields).refusal
    assert (refusal and refusal.description) == (failure and failure.description)


def test_a_refusal_keeps_the_words_of_the_api() -> None:
    refusal = stored(State.REJECTED, failure="REFUSED", cause="1007: no money").refusal
    assert refusal is not None
    assert (refusal.reason, refusal.cause) == (Reason.REFUSED, "1007: no money")


def test_a_submission_leaves_to_the_account_what_it_does_not_say() -> None:
    bare = Submission(Protocol.SMPP, (Recipient("1"),), "text")
    given = {name: value for name, value in bare._asdict().items() if value}
    assert given.keys() == {"protocol", "recipients", "text"}
    assert (bare.message_type, bare.route, bare.ttl, bare.scheduled_at) == (None,) * 4
