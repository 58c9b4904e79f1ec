"""The record of a mail's origin, written and read."""

from __future__ import annotations

from bridge.model.failure import Failure, Reason
from bridge.model.mail_record import (
    Original,
    dump,
    dump_reading,
    dump_refused,
    load,
    load_refused,
    original_of,
)
from bridge.model.message import Envelope, Recipient

ENVELOPE = Envelope("erp@shop.example", "HDRS", "env-1", message_id="<1@shop>", subject="Order 17")


def test_the_record_of_one_recipient_has_the_address_as_written() -> None:
    recipient = Recipient("+380501234567", written="0501234567@sms.example", orcpt="rfc822;a@b.c")
    original = original_of(ENVELOPE, recipient, "text/plain, utf-8")
    assert (original.to, original.orcpt) == ("0501234567@sms.example", "rfc822;a@b.c")
    assert (original.subject, original.reading) == ("Order 17", "text/plain, utf-8")
    assert original_of(ENVELOPE, Recipient("+380501234567")).to == "+380501234567"


def test_a_record_is_read_as_it_was_written() -> None:
    original = original_of(ENVELOPE, Recipient("+380501234567"))
    assert load(dump(original)) == original
    assert load("") == Original()


def test_empty_values_are_not_written_and_unknown_ones_not_read() -> None:
    assert dump(Original(subject="x")) == '{"subject":"x"}'
    assert load('{"subject":"x","of_a_later_version":1}') == Original(subject="x")


def test_the_reading_of_a_submission_that_is_no_mail() -> None:
    assert load(dump_reading("data_coding 8")).reading == "data_coding 8"
    assert dump_reading("") == ""


def test_refused_recipients_keep_their_reasons() -> None:
    refused = [(Original(to="12"), Failure(Reason.WRONG_PHONE, "too short"))]
    [(original, failure)] = load_refused(dump_refused(refused))
    assert original.to == "12"
    assert (failure.reason, failure.detail) == (Reason.WRONG_PHONE, "too short")
