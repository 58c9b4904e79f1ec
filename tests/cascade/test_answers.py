"""The meaning of each answer of the API."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cascade.answers import HttpAnswer, Meaning, judge
from bridge.model.failure import Reason

JSON_ERROR = b'{"error": {"code": "INVALID_SENDER", "message": "who?", "field": "fromName"}}'


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        (HttpAnswer(200, b'[{"messageId": "a", "trackinId": "1"}]'), Meaning.TAKEN),
        (HttpAnswer(200, b"[]"), Meaning.TAKEN),
        (HttpAnswer(201, b"[]"), Meaning.TAKEN),
        (HttpAnswer(202, b'[{"messageId": "a", "trackinId": "1"}]'), Meaning.TAKEN),
        (HttpAnswer(202, b"accepted"), Meaning.UNKNOWN),
        (HttpAnswer(200, b"<html>"), Meaning.UNKNOWN),
        (HttpAnswer(200, b"{}"), Meaning.UNKNOWN),
        (HttpAnswer(204), Meaning.UNKNOWN),
        (HttpAnswer(301), Meaning.HOLD),
        (HttpAnswer(400, JSON_ERROR), Meaning.BAD),
        (HttpAnswer(422, JSON_ERROR), Meaning.BAD),
        (HttpAnswer(401), Meaning.HOLD),
        (HttpAnswer(403, JSON_ERROR), Meaning.HOLD),
        (HttpAnswer(403, b"<html>Forbidden</html>"), Meaning.FORBIDDEN),
        (HttpAnswer(404), Meaning.HOLD),
        (HttpAnswer(405), Meaning.HOLD),
        (HttpAnswer(415), Meaning.HOLD),
        (HttpAnswer(413), Meaning.TOO_LARGE),
        (HttpAnswer(402), Meaning.HOLD),
        (HttpAnswer(407), Meaning.HOLD),
        (HttpAnswer(410, b"<html>"), Meaning.HOLD),
        (HttpAnswer(408), Meaning.UNKNOWN),
        (HttpAnswer(499), Meaning.UNKNOWN),
        (HttpAnswer(421), Meaning.BROKEN),
        (HttpAnswer(425), Meaning.BROKEN),
        (HttpAnswer(409), Meaning.FORBIDDEN),
        (HttpAnswer(409, b'{"error": "Conflict"}'), Meaning.FORBIDDEN),
        (HttpAnswer(409, JSON_ERROR), Meaning.BAD),
        (HttpAnswer(451, b"<html>"), Meaning.FORBIDDEN),
        (HttpAnswer(429), Meaning.SLOW_DOWN),
        (HttpAnswer(500), Meaning.BROKEN),
        (HttpAnswer(502, b"<html>"), Meaning.BROKEN),
        (HttpAnswer(504), Meaning.BROKEN),
        (HttpAnswer(0, sent=False, trouble="refused"), Meaning.BROKEN),
        (HttpAnswer(0, sent=True, trouble="reset"), Meaning.UNKNOWN),
    ],
)
def test_what_an_answer_means(answer: HttpAnswer, meaning: Meaning) -> None:
    assert judge(answer).meaning is meaning


def test_a_refusal_keeps_the_apis_own_words() -> None:
    failure = judge(HttpAnswer(400, JSON_ERROR)).failure
    assert failure.reason is Reason.SENDER_NOT_ALLOWED
    assert failure.cause == "HTTP 400 INVALID_SENDER field fromName who?"


def test_retry_after_is_honoured_in_seconds() -> None:
    assert judge(HttpAnswer(429, retry_after="7")).retry_after == 7
    assert judge(HttpAnswer(429, retry_after="Wed, 21 Oct 2026 07:28:00 GMT")).retry_after is None
    assert judge(HttpAnswer(429)).retry_after is None


@pytest.mark.parametrize("asked", ["999999999", "9" * 400])
def test_no_retry_after_stops_an_upstream_for_longer_than_ten_minutes(asked: str) -> None:
    assert judge(HttpAnswer(429, retry_after=asked)).retry_after == 600


@pytest.mark.parametrize("asked", ["inf", "nan", "1e9", "-1", "0x10", ""])
def test_a_retry_after_that_is_no_number_of_seconds_is_none(asked: str) -> None:
    assert judge(HttpAnswer(429, retry_after=asked)).retry_after is None


@pytest.mark.parametrize("status", sorted({*range(400, 500)} - {400, 422}))
def test_only_documented_statuses_refuse_a_message_for_good(status: int) -> None:
    assert judge(HttpAnswer(status, b'{"error": "No"}')).meaning is not Meaning.BAD


@given(st.integers(100, 999), st.binary(max_size=50), st.text(max_size=10))
def test_every_answer_has_a_meaning(status: int, body: bytes, retry_after: str) -> None:
    assert isinstance(judge(HttpAnswer(status, body, retry_after)).meaning, Meaning)
