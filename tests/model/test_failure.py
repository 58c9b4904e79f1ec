"""The table of failures, compared with the published one, and the ``fmt`` forms."""

from __future__ import annotations

import json
import xml.etree.ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.failure import (
    API_CODES,
    Failure,
    Reason,
    from_api,
    render_accepted,
    render_failure,
    smpp_status,
)

#: The published table: reason, fmt, SMTP reply, SMPP status, the status of 5.0 where it differs.
TABLE = [
    ("BAD_PARAMETER", 1, "554 5.6.0", 0x45, None),
    ("NO_TEXT", 1, "554 5.6.0", 0x01, None),
    ("TEXT_TOO_LONG", 1, "552 5.3.4", 0x01, None),
    ("UNDECODABLE_TEXT", 1, "554 5.6.1", 0x45, 0x104),
    ("BAD_SCHEDULE", 1, "554 5.6.0", 0x61, None),
    ("BAD_VALIDITY", 1, "554 5.6.0", 0x62, None),
    ("WRONG_LOGIN", 2, "535 5.7.8", 0x0E, None),
    ("LOGIN_REQUIRED", 2, "530 5.7.0", 0x04, None),
    ("NOT_ALLOWED", 2, "550 5.7.1", 0x0D, None),
    ("NOT_FOUND", 3, "550 5.1.1", 0x0B, None),
    ("ADDRESS_BLOCKED", 4, "421 4.7.0", 0x0D, None),
    ("OPERATION_FAILED", 5, "451 4.3.0", 0x08, None),
    ("SENDER_NOT_ALLOWED", 6, "550 5.7.1", 0x0A, None),
    ("PROHIBITED", 6, "550 5.7.1", 0x45, 0x101),
    ("WRONG_PHONE", 7, "550 5.1.3", 0x0B, None),
    ("REFUSED", 8, "550 5.1.1", 0x45, None),
    ("TOO_FAST", 9, "451 4.7.1", 0x58, None),
    ("DUPLICATE", 9, "550 5.7.1", 0x45, None),
    ("BRIDGE_FULL", 9, "452 4.3.1", 0x14, None),
    ("TOO_MANY_SESSIONS", 9, "421 4.7.0", 0x0D, None),
]

reasons = st.sampled_from(list(Reason))
failures = st.builds(Failure, reasons, st.text(), cause=st.text())


@pytest.mark.parametrize(("name", "fmt", "smtp", "smpp", "v5"), TABLE)
def test_reason_has_the_codes_of_the_design(
    name: str, fmt: int, smtp: str, smpp: int, v5: int | None
) -> None:
    reason = Reason[name]
    codes = reason.codes
    assert (codes.fmt, f"{codes.smtp} {codes.enhanced}") == (fmt, smtp)
    assert smpp_status(reason, "submit_sm") == smpp
    assert smpp_status(reason, "submit_sm", 0x33) == smpp
    assert smpp_status(reason, "submit_sm", 0x50) == (v5 or smpp)


def test_the_table_is_complete() -> None:
    assert {row[0] for row in TABLE} == set(Reason.__members__)


@pytest.mark.parametrize("reason", Reason)
def test_enhanced_code_is_of_the_replys_class(reason: Reason) -> None:
    # RFC 2034 §4: the first digits of both agree.
    assert str(reason.codes.smtp)[0] == reason.codes.enhanced[0]


@pytest.mark.parametrize("reason", Reason)
def test_a_temporary_cause_is_never_a_wrong_login(reason: Reason) -> None:
    if reason.codes.smtp < 500:
        assert smpp_status(reason, "bind_transmitter") != 0x0E


def test_no_bind_is_refused_with_a_status_that_clients_read_as_success() -> None:
    assert all(smpp_status(reason, "bind_transceiver") != 0x05 for reason in Reason)


@pytest.mark.parametrize(
    ("command", "status"),
    [("query_sm", 0x67), ("cancel_sm", 0x11), ("replace_sm", 0x13), ("submit_sm", 0x0B)],
)
def test_nothing_found_has_the_status_of_its_command(command: str, status: int) -> None:
    assert smpp_status(Reason.NOT_FOUND, command) == status


WRONG_PHONE = Failure(Reason.WRONG_PHONE)


@pytest.mark.parametrize(
    ("fmt", "text"),
    [
        (0, "ERROR = 7 (wrong phone number)"),
        (1, "0,-7"),
        (2, "<result><error>wrong phone number</error><error_code>7</error_code></result>"),
        (3, '{"error": "wrong phone number", "error_code": 7}'),
    ],
)
def test_a_failure_in_each_fmt(fmt: int, text: str) -> None:
    assert render_failure(WRONG_PHONE, fmt) == text


@pytest.mark.parametrize(
    ("fmt", "text"),
    [
        (0, "OK - 2 SMS, ID - 4503599627370497"),
        (1, "4503599627370497,2"),
        (2, "<result><id>4503599627370497</id><cnt>2</cnt></result>"),
        (3, '{"id": 4503599627370497, "cnt": 2}'),
    ],
)
def test_success_in_each_fmt(fmt: int, text: str) -> None:
    assert render_accepted(4503599627370497, 2, False, fmt) == text


def test_only_fmt_0_says_that_a_message_is_queued() -> None:
    assert render_accepted(5, 1, True, 0) == "OK - 1 SMS, ID - 5 (queued)"
    for fmt in (1, 2, 3):
        assert render_accepted(5, 1, True, fmt) == render_accepted(5, 1, False, fmt)


@given(failures)
def test_description_is_one_line_under_100_characters(failure: Failure) -> None:
    description = failure.description
    assert 0 < len(description) < 100
    assert description.splitlines() == [description]
    assert description == description.strip()


@given(failures, st.integers(0, 3))
def test_every_answer_is_one_line_with_the_code(failure: Failure, fmt: int) -> None:
    text = render_failure(failure, fmt)
    assert text.splitlines() == [text]
    assert str(failure.reason.codes.fmt) in text


def test_what_a_client_sent_cannot_break_the_answer() -> None:
    failure = Failure(Reason.BAD_PARAMETER, "X-Cascade-TTL \x1b[2J\r\n250 \ud800\ufffe")
    assert failure.description == "bad parameter: X-Cascade-TTL [2J 250"


@given(failures)
def test_fmt_2_is_well_formed(failure: Failure) -> None:
    root = ET.fromstring(render_failure(failure, 2))
    assert root.tag == "result"
    assert root.findtext("error") == failure.description
    assert root.findtext("error_code") == str(failure.reason.codes.fmt)


@given(failures)
def test_fmt_3_is_json(failure: Failure) -> None:
    assert json.loads(render_failure(failure, 3)) == {
        "error": failure.description,
        "error_code": failure.reason.codes.fmt,
    }


@given(failures)
def test_the_cause_is_told_to_no_client(failure: Failure) -> None:
    secret = Failure(failure.reason, failure.detail, cause="api says 1234567")
    assert all("api says" not in render_failure(secret, fmt) for fmt in range(4))
    assert "api says 1234567" in str(secret)


@pytest.mark.parametrize(
    ("code", "field", "reason"),
    [
        ("INVALID_PHONE", "", Reason.WRONG_PHONE),
        ("invalid_phone", "toPhone", Reason.WRONG_PHONE),
        ("INVALID_RECIPIENT", "", Reason.WRONG_PHONE),
        ("1003", "", Reason.WRONG_PHONE),
        ("INVALID_SENDER", "fromName", Reason.SENDER_NOT_ALLOWED),
        ("MESSAGE_TOO_LONG", "", Reason.TEXT_TOO_LONG),
        ("INVALID_ENCODING", "", Reason.UNDECODABLE_TEXT),
        ("1001", "", Reason.BAD_PARAMETER),
        ("1002", "text", Reason.BAD_PARAMETER),
        ("VALIDATION", "ttl", Reason.BAD_PARAMETER),
        ("VALIDATION", "something", Reason.REFUSED),
        ("2042", "", Reason.REFUSED),
        ("", "", Reason.REFUSED),
    ],
)
def test_the_apis_codes(code: str, field: str, reason: Reason) -> None:
    failure = from_api(code, "words of the API", field)
    assert failure.reason is reason
    assert "words of the API" in failure.cause
    assert code in failure.cause


def test_a_bad_parameter_names_the_field() -> None:
    assert from_api("1002", "missing", "text").description == "bad parameter: text"


def test_every_code_of_the_api_is_in_upper_case_as_it_is_looked_up() -> None:
    assert all(code == code.upper() for code in API_CODES)


def test_a_failure_can_be_raised_and_caught_as_a_value() -> None:
    with pytest.raises(Failure) as caught:
        raise Failure(Reason.TOO_FAST, "10 a second")
    assert caught.value.reason is Reason.TOO_FAST
