"""Each row of the table of answers as far as one answer decides it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cascade.answers import Answer, Meaning, judge
from bridge.model.failure import Reason

JSON_ERROR = b'{"error": {"code": "INVALID_SENDER", "message": "who?", "field": "fromName"}}'


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (Answer(200, b'[{"messageId": "a", "trackinId": "1"}]'), Meaning.TAKEN),
        (Answer(200, b"[]"), Meaning.TAKEN),
        (Answer(200, b"<html>"), Meaning.UNKNOWN),
        (Answer(200, b"{}"), Meaning.UNKNOWN),
        (Answer(204), Meaning.UNKNOWN),
        (Answer(301), Meaning.HOLD),
        (Answer(400, JSON_ERROR), Meaning.BAD),
        (Answer(422, JSON_ERROR), Meaning.BAD),
        (Answer(401), Meaning.HOLD),
        (Answer(403, JSON_ERROR), Meaning.HOLD),
        (Answer(403, b"<html>Forbidden</html>"), Meaning.FORBIDDEN),
        (Answer(404), Meaning.HOLD),
        (Answer(405), Meaning.HOLD),
        (Answer(415), Meaning.HOLD),
        (Answer(413), Meaning.TOO_LARGE),
        (Answer(429), Meaning.SLOW_DOWN),
        (Answer(500), Meaning.BROKEN),
        (Answer(502, b"<html>"), Meaning.BROKEN),
        (Answer(504), Meaning.BROKEN),
        (Answer(0, sent=False, trouble="refused"), Meaning.BROKEN),
        (Answer(0, sent=True, trouble="reset"), Meaning.UNKNOWN),
    ],
)
def test_what_an_answer_means(answer: Answer, meaning: Meaning) -> None:
    assert judge(answer).meaning is meaning


def test_a_refusal_keeps_the_apis_own_words() -> None:
    failure = judge(Answer(400, JSON_ERROR)).failure
    assert failure.reason is Reason.SENDER_NOT_ALLOWED
    assert failure.cause == "HTTP 400 INVALID_SENDER field fromName who?"


def test_retry_after_is_honoured_in_seconds() -> None:
    assert judge(Answer(429, retry_after="7")).retry_after == 7
    assert judge(Answer(429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")).retry_after is None
    assert judge(Answer(429)).retry_after is None


@given(st.integers(100, 999), st.binary(max_size=50), st.text(max_size=10))
def test_every_answer_has_a_meaning(status: int, body: bytes, retry_after: str) -> None:
    assert isinstance(judge(Answer(status, body, retry_after)).meaning, Meaning)
