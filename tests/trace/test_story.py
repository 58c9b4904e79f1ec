"""The story of a message: steps, notices, outlook."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bridge.model.message import Protocol, Receipts, State, Stored
from bridge.model.notice import MAIL, Kind, Notice, receivers_of
from bridge.store import Alias, Event, Receivers, Story
from bridge.trace.story import Around, cause_of, document, outlook, owed, state_of, steps, why_none
from tests.samples import NOW, message

BOTH = Receipts.SUCCESS | Receipts.FAILURE


def story(
    state: State = State.ACCEPTED,
    *,
    fields: dict[str, Any] | None = None,
    events: tuple[Event, ...] = (),
    notices: tuple[Notice, ...] = (),
    aliases: tuple[Alias, ...] = (),
    attempt_at: int = 0,
    poll_at: int = 0,
    **stored: Any,
) -> Story:
    """A message and its events; a sent one has an upstream id and a time."""
    sent = state in (State.SENT, State.DELIVERED, State.UNDELIVERABLE)
    values: dict[str, Any] = {
        "upstream_id": "up-1" if sent else "",
        "sent_at": NOW + 2 if sent else 0,
    }
    values |= {"changed_at": NOW + 9, "failure": "", "cause": ""} | stored
    known = Stored(message(1, **(fields or {})), state, **values)
    return Story(known, aliases, events, notices, attempt_at, poll_at)


def around(now: int = NOW + 10, **fields: Any) -> Around:
    """Circumstances in which times are shown as seconds since the acceptance."""
    return Around(now, lambda at: f"+{at - NOW}", **fields)


def notice(**fields: Any) -> Notice:
    values: dict[str, Any] = {"queue": receivers_of("crm"), "account": "crm", "kind": Kind.STATE}
    values |= {"about": 1, "known_as": 1 << 40, "at": NOW + 9, "due_at": NOW + 9}
    return Notice(**(values | {"state": State.DELIVERED} | fields))


def said(found: Story) -> list[tuple[int, str, str]]:
    return [(at - NOW, what, says) for at, what, says in steps(found)]


# --- what happened ------------------------------------------------------------------------------


def test_the_whole_way_of_a_message_is_told_in_time_order() -> None:
    found = story(
        State.DELIVERED,
        fields={"parts": 3, "peer": "10.0.0.1"},
        events=(Event(NOW + 1, "accepted", "HTTP 503"),),
        notices=(notice(ended_at=NOW + 10, tries=2, outcome="ESME_ROK from 10.0.0.1"),),
        status="delivered",
        status_at=NOW + 9,
        cost="0.35",
        counted_parts=3,
    )
    assert said(found) == [
        (0, "accepted", "from crm by smpp at 10.0.0.1, 3 parts"),
        (1, "attempt", "HTTP 503; it waits again"),
        (2, "sent", "the API took it as up-1"),
        (9, "delivered", 'the API says "delivered", cost 0.35, 3 parts'),
        (
            10,
            "receipt",
            "of delivered, id 1099511627776: ESME_ROK from 10.0.0.1, at try 2",
        ),
    ]
    assert outlook(found, around()) == []
    assert owed(found, around()) == []
    assert why_none(found) == ""


@pytest.mark.parametrize(
    ("what", "detail", "step"),
    [
        ("accepted", "", ("released", "it waits again")),
        ("held", "", ("held", "by hand")),
        ("held", "HTTP 403", ("held", "until an operator decides: HTTP 403")),
        ("cancelled", "", ("cancelled", "before it was sent")),
        ("replaced", "", ("replaced", "by another text")),
        ("rejected", "1003 bad phone", ("rejected", "by the API: 1003 bad phone")),
        ("expired", "", ("expired", "before it was sent")),
        ("status", "undeliverable", ("status", 'the API says "undeliverable", after the end')),
    ],
)
def test_every_event_has_its_sentence(what: str, detail: str, step: tuple[str, str]) -> None:
    assert said(story(events=(Event(NOW + 1, what, detail),)))[1:] == [(1, *step)]


@pytest.mark.parametrize("state", [State.CANCELLED, State.EXPIRED])
def test_what_may_have_been_sent_is_not_said_to_have_ended_before(state: State) -> None:
    ended = story(state, fields={"unknown": 1}, events=(Event(NOW + 1, state.value, ""),))
    assert said(ended)[1:] == [(1, state.value, "unknown whether the API took it")]
    found = document(ended, around(), text=False)
    assert (found["state"], found["err"]) == (state.value, 245)


def test_a_word_with_braces_is_a_word() -> None:
    [_, (_, _, says)] = said(story(events=(Event(NOW, "rejected", '{"code": {}}'),)))
    assert says == 'by the API: {"code": {}}'


def test_a_word_on_the_way_is_no_end() -> None:
    found = story(State.SENT, status="processing", status_at=NOW + 5)
    assert said(found)[-1] == (5, "status", 'the API says "processing"')


def test_a_message_of_which_nothing_was_heard_says_so() -> None:
    found = story(State.UNDELIVERABLE, cause="no status was received", err=245)
    assert said(found)[-1] == (9, "undeliverable", "no status was received, err 245")


def test_the_error_of_an_earlier_attempt_is_not_the_cause_of_a_later_state() -> None:
    late = story(State.DELIVERED, status="delivered", cause="HTTP 503")
    assert cause_of(late.stored) == ""
    assert cause_of(story(State.REJECTED, cause="HTTP 400").stored) == "HTTP 400"
    assert cause_of(story(State.ACCEPTED, cause="HTTP 503").stored) == "HTTP 503"


def test_a_short_id_is_eight_hexadecimal_digits() -> None:
    found = story(State.DELIVERED, notices=(notice(known_as=1088, ended_at=NOW, outcome="x"),))
    assert "of delivered, id 00000440: x" in {says for _, _, says in said(found)}


# --- who hears of it ----------------------------------------------------------------------------

BOUND, GONE = Receivers(0, True, NOW + 1), Receivers(1, False, NOW + 3)


@pytest.mark.parametrize(
    ("receivers", "tries", "outcome", "waits"),
    [
        ((), 0, "", "no receiver has been bound yet"),
        ((GONE, Receivers(2, False, NOW + 1)), 0, "", "no receiver is bound since +3"),
        (
            (GONE,),
            2,
            "ESME_RX_T_APPN from 10.0.0.1",
            "no receiver is bound since +3; the last try ended with ESME_RX_T_APPN from 10.0.0.1",
        ),
        ((BOUND, GONE), 0, "", "told as soon as there is room"),
        (
            (BOUND,),
            1,
            "ESME_RX_T_APPN from 10.0.0.1",
            "tried again at +40 after ESME_RX_T_APPN from 10.0.0.1",
        ),
    ],
)
def test_a_receipt_that_is_owed_says_what_it_waits_for(
    receivers: tuple[Receivers, ...], tries: int, outcome: str, waits: str
) -> None:
    due_at = NOW + (40 if tries else 9)
    waiting = notice(tries=tries, outcome=outcome, due_at=due_at)
    [line] = owed(story(State.DELIVERED, notices=(waiting,)), around(receivers=receivers))
    assert line == f"receipt of delivered, id 1099511627776: {waits}"


def test_a_report_waits_for_the_smarthost() -> None:
    waiting = notice(queue=MAIL, tries=1, outcome="451 later", due_at=NOW + 60)
    found = story(State.DELIVERED, notices=(waiting,))
    assert owed(found, around()) == [
        "report of delivered, id 1099511627776: tried again at +60 after 451 later"
    ]
    untold = story(State.DELIVERED, notices=(notice(queue=MAIL),))
    [line] = owed(untold, around(mails=False))
    assert line.endswith(": no smarthost is configured")


def test_a_report_of_a_delay_waits_for_its_time() -> None:
    waiting = notice(queue=MAIL, kind=Kind.DELAY, state=None, due_at=NOW + 3600)
    [line] = owed(story(notices=(waiting,)), around())
    assert line == (
        "report of delay, id 1099511627776: sent at +3600, unless its state changes before"
    )


@pytest.mark.parametrize(
    ("state", "protocol", "receipts", "reason"),
    [
        (State.DELIVERED, Protocol.SMPP, Receipts.NONE, "the account did not request one"),
        (State.DELIVERED, Protocol.SMTP, Receipts.NONE, "the sender did not request one"),
        (State.SENT, Protocol.SMPP, BOTH, "requested for success and failure"),
        (State.DELIVERED, Protocol.SMTP, Receipts.FAILURE, "requested for failure only"),
        (
            State.REJECTED,
            Protocol.SMPP,
            BOTH,
            "the client got it in the answer to its submission",
        ),
    ],
)
def test_why_no_receiver_is_notified(
    state: State, protocol: Protocol, receipts: Receipts, reason: str
) -> None:
    assert why_none(story(state, fields={"protocol": protocol, "receipts": receipts})) == reason


def test_the_wishes_of_a_part_count() -> None:
    wish = {"receipts": Receipts.ALIASES}
    found = story(State.SENT, fields=wish, aliases=(Alias(7, 1, Receipts.FAILURE),))
    assert why_none(found) == "requested for failure"


# --- what comes next ----------------------------------------------------------------------------


def test_a_waiting_message_says_what_it_waits_for() -> None:
    expires = "it expires at +86400"
    assert outlook(story(), around()) == ["it is sent as soon as its turn comes", expires]
    later = story(fields={"due_at": NOW + 60, "attempts": 2})
    assert outlook(later, around()) == ["it is sent again at +60", expires]
    scheduled = story(fields={"due_at": NOW + 60})
    assert outlook(scheduled, around()) == ["it is sent at +60", expires]
    assert outlook(story(State.HELD), around()) == [
        "it waits until an operator releases or cancels it",
        expires,
    ]


def test_holds_of_its_account_and_its_upstream_are_named() -> None:
    held = frozenset({("account", "crm"), ("account", "erp"), ("upstream", "cascade")})
    lines = outlook(story(), around(held=held))
    assert lines[1:3] == ["but the account crm is held", "but the upstream cascade is held"]
    assert "but the upstream cascade is held" not in outlook(
        story(), around(held=held, upstream="crm")
    )


def test_what_is_being_posted_is_sending() -> None:
    found = story(attempt_at=NOW + 4)
    assert state_of(found) is State.SENDING
    assert outlook(found, around()) == ["it is being posted since +4"]


def test_a_sent_message_says_when_it_is_polled_and_when_it_ends() -> None:
    found = story(State.SENT, poll_at=NOW + 32)
    end = "without a final status it ends as undeliverable at +90000"
    assert outlook(found, around()) == ["the API is asked again at +32", end]
    assert outlook(found, around(polls=False)) == [end]
    last = story(State.SENT, poll_at=NOW + 90000)
    assert outlook(last, around()) == [end]
    scheduled = story(State.SENT, fields={"scheduled_at": NOW + 100}, poll_at=NOW + 32)
    assert outlook(scheduled, around())[0] == "the API sends it at +100"


# --- as data ------------------------------------------------------------------------------------


def test_the_document_is_json_and_has_no_text_unless_it_is_asked_for() -> None:
    found = story(State.DELIVERED, notices=(notice(),), fields={"text": "Your code is 1234"})
    without = json.dumps(document(found, around(), text=False))
    assert "Your code" not in without
    assert document(found, around(), text=True)["text"] == "Your code is 1234"
    known = json.loads(without)
    assert (known["state"], known["since"], known["scheduled_at"]) == ("delivered", "+9", None)
    assert [step["what"] for step in known["story"]] == ["accepted", "sent", "delivered"]
    assert known["notices"][0]["ended_at"] is None
