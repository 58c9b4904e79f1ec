from __future__ import annotations

import pytest

from bridge.cascade.answers import HttpAnswer, judge
from bridge.model.message import State
from bridge.sending.decisions import MAX_UNKNOWN, Rest, after_unknown, decide, expired
from tests.samples import NOW, message

BATCH = [message(1), message(2)]


def test_what_the_answer_names_is_sent_and_the_rest_unknown() -> None:
    verdict = judge(HttpAnswer(200, b'[{"messageId": "a", "trackinId": "2"}]'))
    first, second = decide(BATCH, verdict, NOW, jitter=lambda: 0.0).changes
    assert (first.state, first.unknown, first.attempts) == (State.ACCEPTED, 1, 1)
    assert first.due_at > NOW
    assert (second.state, second.upstream_id) == (State.SENT, "a")


def test_a_broken_api_delays_all_of_a_batch_alike_and_ever_longer() -> None:
    verdict = judge(HttpAnswer(503))
    dues = []
    for attempts in range(12):
        batch = [one._replace(attempts=attempts) for one in BATCH]
        changes = decide(batch, verdict, NOW, jitter=lambda: 1.0).changes
        [due] = {change.due_at - NOW for change in changes}
        assert {change.attempts for change in changes} == {attempts + 1}
        dues.append(due)
    assert dues == [1, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]


def test_an_unknown_outcome_is_tried_again_twice_and_then_held() -> None:
    states = []
    one = message(1)
    for _ in range(MAX_UNKNOWN + 1):
        change = after_unknown(one, "reset", NOW, hold=False)
        one = one._replace(unknown=change.unknown, attempts=change.attempts)
        states.append(change.state)
    assert states == [State.ACCEPTED, State.ACCEPTED, State.HELD]
    assert after_unknown(message(1), "reset", NOW, hold=True).state is State.HELD


@pytest.mark.parametrize(
    ("status", "rest"),
    [
        (400, Rest.SPLIT),
        (422, Rest.SPLIT),
        (403, Rest.SPLIT),
        (413, Rest.BACK),
        (401, Rest.BACK),
        (404, Rest.BACK),
        (429, Rest.BACK),
    ],
)
def test_what_happens_to_a_batch_that_was_not_taken(status: int, rest: Rest) -> None:
    decision = decide(BATCH, judge(HttpAnswer(status, b"<html>")), NOW)
    assert decision == ([], rest)


@pytest.mark.parametrize(
    ("status", "unknown", "state"),
    [
        (400, 0, State.REJECTED),
        (422, 0, State.REJECTED),
        (413, 0, State.REJECTED),
        (400, 1, State.HELD),
        (403, 0, State.HELD),
    ],
)
def test_a_single_message_that_is_refused_for_good_is_rejected_or_held(
    status: int, unknown: int, state: State
) -> None:
    answer = judge(HttpAnswer(status, b"<html>"))
    decision = decide([message(1, unknown=unknown)], answer, NOW)
    assert [change.state for change in decision.changes] == [state]
    assert decision.rest is Rest.NONE


def test_a_refusal_keeps_the_reason_and_the_apis_words() -> None:
    body = b'{"error": {"code": "INVALID_PHONE", "message": "bad", "field": "toPhone"}}'
    [change] = decide([message(1)], judge(HttpAnswer(400, body)), NOW).changes
    assert change.failure == "WRONG_PHONE"
    assert change.cause == "HTTP 400 INVALID_PHONE field toPhone bad"


def test_the_end_of_the_validity_forgets_no_attempt() -> None:
    change = expired(message(1, attempts=3, unknown=2))
    assert (change.state, change.attempts, change.unknown) == (State.EXPIRED, 3, 2)
    assert change.cause
    assert expired(message(1)).cause == ""
