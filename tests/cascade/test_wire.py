from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cascade.wire import ErrorBody, decode_error, decode_ids, encode
from bridge.model.message import MessageType
from tests.samples import NOW, message


def wire(**fields: Any) -> dict[str, Any]:
    [item] = json.loads(encode([message(42, **fields)], NOW))
    return dict(item)


def test_a_message_has_the_documented_fields_and_no_others() -> None:
    assert wire(text="Привіт", expires_at=NOW + 3600) == {
        "id": "42",
        "fromName": "Shop",
        "toPhone": "+380501234567",
        "messageType": "transaction",
        "text": "Привіт",
        "ttl": 3600,
    }


def test_ttl_is_what_is_left_rounded_up_to_a_second() -> None:
    [item] = json.loads(encode([message(1, expires_at=NOW + 100)], NOW + 40.2))
    assert item["ttl"] == 60
    [item] = json.loads(encode([message(1, expires_at=NOW)], NOW + 5))
    assert item["ttl"] == 1


def test_a_schedule_is_told_in_utc_and_the_validity_begins_there() -> None:
    item = wire(scheduled_at=NOW + 3600, expires_at=NOW + 7200)
    assert item["scheduledSent"] == "2026-01-01T01:00:00Z"
    assert item["ttl"] == 3600
    assert "scheduledSent" not in wire(scheduled_at=NOW - 1)


def test_the_schedule_field_can_have_its_other_spelling() -> None:
    [item] = json.loads(encode([message(1, scheduled_at=NOW + 60)], NOW, "scheduledTime"))
    assert item["scheduledTime"] == "2026-01-01T00:01:00Z"


def test_a_survey_has_its_options() -> None:
    item = wire(message_type=MessageType.VIBER_SURVEY, options=("Так", "Ні"))
    assert item["surveyOptions"] == ["Так", "Ні"]


def test_a_flash_call_has_no_text_but_may_have_a_fallback() -> None:
    assert "text" not in wire(message_type=MessageType.FLASHCALL, text="")
    item = wire(message_type=MessageType.FLASHCALL, text="", fallback="Code 1234")
    assert item["fallback"] == {"messageType": "transaction", "text": "Code 1234"}


@pytest.mark.parametrize("spelling", ["trackinId", "trackingId"])
def test_answers_are_matched_by_tracking_id(spelling: str) -> None:
    body = json.dumps([{"messageId": "b", spelling: "2"}, {"messageId": "a", spelling: "1"}])
    assert decode_ids(body.encode()) == {"1": "a", "2": "b"}


def test_what_does_not_name_a_message_is_passed_over() -> None:
    elements: list[object] = [None, 5, {}, {"messageId": "x"}, {"trackinId": "1"}]
    elements += [{"messageId": "", "trackinId": "1"}, {"messageId": "a", "trackinId": 2}]
    elements += [{"messageId": "b", "trackinId": "2"}]
    assert decode_ids(json.dumps(elements).encode()) == {"2": "a"}


@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b'"x"', b"[1", b"null", b"\xff"])
def test_a_body_that_is_no_array_has_no_ids(body: bytes) -> None:
    assert decode_ids(body) is None


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (
            b'{"error": {"code": "INVALID_PHONE", "message": "bad", "field": "toPhone"}}',
            ErrorBody("INVALID_PHONE", "bad", "toPhone"),
        ),
        (
            b'{"status": 401, "error": "Unauthorized", "message": "no key", "code": 1002}',
            ErrorBody("1002", "no key"),
        ),
        (
            b'{"error": "Too Many Requests", "message": "slow down", "status": 429}',
            ErrorBody("", "slow down"),
        ),
        (b'{"error": "Unauthorized"}', ErrorBody("", "Unauthorized")),
        (b"{}", ErrorBody()),
        (b"[]", None),
        (b"<html>Bad Gateway</html>", None),
    ],
)
def test_every_documented_error_body_is_understood(body: bytes, error: ErrorBody | None) -> None:
    assert decode_error(body) == error


@given(st.binary() | st.text().map(str.encode))
def test_no_body_raises(body: bytes) -> None:
    decode_ids(body)
    decode_error(body)
