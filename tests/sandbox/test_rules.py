"""Requests against the document are refused, with code and field."""

from __future__ import annotations

import contextlib
import time
from datetime import UTC, datetime
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.sandbox.errors import ApiError
from bridge.sandbox.rules import FIELDS, all_plain, check_batch, check_message, check_variables
from tests.sandbox.samples import batch, flashcall, message, survey

NOW = datetime(2025, 1, 25, 10, 0, tzinfo=UTC).timestamp()


def refusal(body: Any) -> ApiError:
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    with pytest.raises(ApiError) as caught:
        check_batch(raw, NOW)
    return caught.value


@pytest.mark.parametrize(
    "item",
    [
        message(),
        message(messageType="promo", ttl=259200),
        message(id="a" * 254),
        message(id="A.b_c-9"),
        message(fromName="E"),
        message(fromName="Магазин 24"),
        message(fromName="12345678901"),
        message(toPhone="+12345678"),
        message(toPhone="+123456789012345"),
        message(text="x" * 2000),
        message(text="👍\n\t"),
        message(ttl=1),
        message(scheduledSent="2025-01-25T10:00:01Z"),
        message(scheduledSent="2025-02-24T10:00:00Z"),
        message(scheduledSent="2025-01-25T12:00:00.123+00:00"),
        message(scheduledSent="2025-01-25T09:59:30Z"),
        survey(text="x" * 85),
        survey(surveyOptions=["1", "2", "3", "4", "x" * 29], ttl=604800),
        flashcall(ttl=300),
        flashcall(fallback={"messageType": "transaction", "text": "Code 1234"}),
    ],
)
def test_documented_messages_are_good(item: dict[str, Any]) -> None:
    assert check_batch(orjson.dumps([item]), NOW) == [item]


@pytest.mark.parametrize(
    ("field", "code", "item"),
    [
        ("id", "1002", message(id=None)),
        ("id", "1001", message(id="")),
        ("id", "1001", message(id="a" * 255)),
        ("id", "1001", message(id="a b")),
        ("id", "1001", message(id="a\n")),
        ("id", "1001", message(id='"')),
        ("id", "1001", message(id="заказ")),
        ("id", "1001", message(id=12345)),
        ("fromName", "1002", message(fromName=None)),
        ("fromName", "INVALID_SENDER", message(fromName="")),
        ("fromName", "INVALID_SENDER", message(fromName="123456789012")),
        ("fromName", "INVALID_SENDER", message(fromName=" Shop")),
        ("fromName", "INVALID_SENDER", message(fromName="Shop\n")),
        ("fromName", "INVALID_SENDER", message(fromName=7)),
        ("toPhone", "1002", message(toPhone=None)),
        ("toPhone", "INVALID_PHONE", message(toPhone="380501234567")),
        ("toPhone", "INVALID_PHONE", message(toPhone="0501234567")),
        ("toPhone", "INVALID_PHONE", message(toPhone="+0501234567")),
        ("toPhone", "INVALID_PHONE", message(toPhone="+1234567")),
        ("toPhone", "INVALID_PHONE", message(toPhone="+1234567890123456")),
        ("toPhone", "INVALID_PHONE", message(toPhone="+38050 1234567")),
        ("toPhone", "INVALID_PHONE", message(toPhone="+38050١٢٣٤٥٦٧")),
        ("toPhone", "INVALID_PHONE", message(toPhone="+380501234567\n")),
        ("toPhone", "INVALID_PHONE", message(toPhone=380501234567)),
        ("messageType", "1002", message(messageType=None)),
        ("messageType", "1001", message(messageType="sms")),
        ("messageType", "1001", message(messageType=["promo"])),
        ("text", "1002", message(text=None)),
        ("text", "1002", message(text="")),
        ("text", "1002", message(text=" \n")),
        ("text", "1001", message(text=5)),
        ("text", "INVALID_ENCODING", message(text="a\0b")),
        ("text", "MESSAGE_TOO_LONG", message(text="x" * 2001)),
        ("text", "MESSAGE_TOO_LONG", survey(text="x" * 86)),
        ("text", "1001", flashcall(text="Code 1234")),
        ("text", "1002", survey(text=None)),
        ("ttl", "1001", message(ttl=0)),
        ("ttl", "1001", message(ttl=-1)),
        ("ttl", "1001", message(ttl=True)),
        ("ttl", "1001", message(ttl=3600.0)),
        ("ttl", "1001", message(ttl="3600")),
        ("scheduledSent", "1001", message(scheduledSent="tomorrow")),
        ("scheduledSent", "1001", message(scheduledSent=1737799200)),
        ("scheduledSent", "1001", message(scheduledSent="2025-01-25T11:00:00")),
        ("scheduledSent", "1001", message(scheduledSent="2025-01-25T11:00:00+02:00")),
        ("scheduledSent", "1001", message(scheduledSent="2025-02-30T11:00:00Z")),
        ("scheduledSent", "1001", message(scheduledSent="2025-02-24T10:00:01Z")),
        ("scheduledSent", "1001", message(scheduledSent="2025-01-25T09:58:59Z")),
        ("surveyOptions", "1002", survey(surveyOptions=None)),
        ("surveyOptions", "1001", survey(surveyOptions=["One"])),
        ("surveyOptions", "1001", survey(surveyOptions=["1", "2", "3", "4", "5", "6"])),
        ("surveyOptions", "1001", survey(surveyOptions=["Good", "x" * 30])),
        ("surveyOptions", "1001", survey(surveyOptions=["Good", ""])),
        ("surveyOptions", "1001", survey(surveyOptions=["Good", 5])),
        ("surveyOptions", "1001", survey(surveyOptions="Good, Bad")),
        ("surveyOptions", "1001", message(surveyOptions=["Good", "Bad"])),
        ("fallback", "1001", message(fallback={"messageType": "promo", "text": "x"})),
        ("fallback", "1001", flashcall(fallback="call me")),
        ("fallback", "1001", flashcall(fallback={"text": "x"})),
        ("fallback", "1001", flashcall(fallback={"messageType": "flashcall", "text": "x"})),
        ("fallback", "1002", flashcall(fallback={"messageType": "promo", "text": ""})),
        (
            "fallback",
            "MESSAGE_TOO_LONG",
            flashcall(fallback={"messageType": "promo", "text": "x" * 2001}),
        ),
        ("reference", "1001", message(reference="A-1")),
        ("trackinId", "1001", message(trackinId="A-1")),
    ],
)
def test_a_mistake_is_named_by_code_and_field(field: str, code: str, item: dict[str, Any]) -> None:
    error = refusal([item])
    assert (error.status, error.code, error.field) == (400, code, field)
    assert error.message


def test_null_is_no_value_for_any_field() -> None:
    for field in FIELDS:
        assert refusal([{**message(), field: None}]).field == field


def test_one_bad_message_refuses_the_batch() -> None:
    items = batch(50)
    items[37]["toPhone"] = "380501234567"
    error = refusal(items)
    assert (error.status, error.code) == (400, "INVALID_PHONE")


def test_a_batch_has_1_to_1000_messages() -> None:
    assert len(check_batch(orjson.dumps(batch(1000)), NOW)) == 1000
    assert refusal([]).status == 400
    assert refusal(batch(1001)).status == 413


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "1001"),
        (b"{", "1001"),
        (b'"text"', "1001"),
        (orjson.dumps(message()), "1001"),
        (b"[[]]", "1001"),
        (b"[1]", "1001"),
        (b"[null]", "1001"),
        (b"[{}]", "1002"),
        ('[{"text": "Привет"}]'.encode("cp1251"), "INVALID_ENCODING"),
        (b'[{"text": "\\ud83d"}]', "INVALID_ENCODING"),
    ],
)
def test_a_body_that_is_no_array_of_objects_is_refused(body: bytes, code: str) -> None:
    error = refusal(body)
    assert (error.status, error.code) == (400, code)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(), inner, max_size=5),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from([*FIELDS, "other"]), json_values), st.booleans())
def test_whatever_comes_is_taken_or_refused(changes: dict[str, Any], complete: bool) -> None:
    item = {**message(), **changes} if complete else changes
    try:
        raw = orjson.dumps([item])
    except orjson.JSONEncodeError:  # texts that are no characters never reach JSON
        return
    with contextlib.suppress(ApiError):
        check_batch(raw, NOW)


plain_changes = st.fixed_dictionaries(
    {},
    optional={
        "id": st.sampled_from(["a", "", "a b", 5, None]),
        "fromName": st.sampled_from(["Shop", "", "much too long", 5, ["Shop"]]),
        "toPhone": st.sampled_from(["+380501234568", "380501234567", 380501234567]),
        "messageType": st.sampled_from(["promo", "flashcall", "sms", ["promo"]]),
        "text": st.sampled_from(["x", "", " ", "x" * 2000, "x" * 2001, "a\0b", 5, None]),
        "ttl": st.sampled_from([1, 0, True, 1.0, "1"]),
        "scheduledSent": st.sampled_from(["2025-01-25T11:00:00Z", "2024-01-25T11:00:00Z"]),
        "reference": st.just("x"),
    },
)


@given(st.lists(plain_changes, min_size=1, max_size=3))
def test_columns_are_never_good_where_a_message_is_not(changes: list[dict[str, Any]]) -> None:
    items = [message(**change) for change in changes]
    plain = all_plain(items)
    try:
        for item in items:
            check_message(item, NOW)
    except ApiError:
        assert not plain
    else:
        assert plain or any("scheduledSent" in i or i["messageType"] == "flashcall" for i in items)


def test_elements_that_are_no_objects_are_not_plain() -> None:
    elements: list[Any] = [[], "text", 5, None, {}]
    for element in elements:
        assert not all_plain([message(), element])


@given(st.binary(max_size=200))
def test_any_bytes_are_taken_or_refused(raw: bytes) -> None:
    with pytest.raises(ApiError):
        check_batch(raw, time.time())


def test_variables_have_id_type_and_value() -> None:
    variables = [{"id": 1, "type": "short_url", "value": "https://example.com"}]
    assert check_variables(orjson.dumps({"variables": variables})) == variables


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"variables": []},
        {"variables": {}},
        {"variables": [1]},
        {"variables": [{"id": 1, "type": "name"}]},
        {"variables": [{"id": 0, "type": "name", "value": "x"}]},
        {"variables": [{"id": "1", "type": "name", "value": "x"}]},
        {"variables": [{"id": 1, "type": "image", "value": "x"}]},
        {"variables": [{"id": 1, "type": [], "value": "x"}]},
        {"variables": [{"id": 1, "type": "name", "value": ""}]},
        {"variables": [{"id": 1, "type": "name", "value": "x"}], "more": 1},
    ],
)
def test_other_variables_are_refused(body: Any) -> None:
    with pytest.raises(ApiError):
        check_variables(orjson.dumps(body))
