"""Which messages have the same fingerprint, and for how long."""

from __future__ import annotations

from bridge.relay.fingerprints import (
    REPEAT_WITHIN,
    duplicate_key,
    fingerprints_of,
    firsts_of,
    repeat_key,
)
from bridge.store import Acceptance, Fingerprint
from tests.samples import NOW, account, message, submission

MAIL = submission(repeat_key=b"<1@shop.example>")


def test_a_message_of_neither_kind_has_no_fingerprint() -> None:
    assert fingerprints_of(account(), submission(), [message(1)]) == ()


def test_a_mail_has_a_fingerprint_for_an_hour() -> None:
    [found] = fingerprints_of(account(), MAIL, [message(1)])
    assert (found.message_id, found.until) == (1, NOW + REPEAT_WITHIN)


def test_a_message_has_a_fingerprint_for_the_duplicate_window() -> None:
    [found] = fingerprints_of(account(duplicate_window="5m"), submission(), [message(1)])
    assert found.until == NOW + 300


def test_a_repeated_mail_is_found_before_a_duplicate() -> None:
    own = account(duplicate_window="5m")
    repeat, duplicate = fingerprints_of(own, MAIL, [message(1)])
    assert repeat.key == fingerprints_of(account(), MAIL, [message(1)])[0].key
    assert duplicate.key == fingerprints_of(own, submission(), [message(1)])[0].key


def test_a_repeated_mail_is_known_by_id_phone_and_text() -> None:
    mail = submission(repeat_key=b"id-1")
    one = message(1)
    key = repeat_key(account(), mail, one)
    assert key == repeat_key(account(), mail, one._replace(id=9, sender="Shop UA")) != b""
    assert key not in (
        repeat_key(account("other"), mail, one),
        repeat_key(account(), submission(repeat_key=b"id-2"), one),
        repeat_key(account(), mail, one._replace(phone="+380671234567")),
        repeat_key(account(), mail, one._replace(text="other")),
    )
    assert repeat_key(account(), submission(), one) == b""


def test_a_duplicate_is_known_by_sender_phone_and_text() -> None:
    one = message(1)
    window = account(duplicate_window="1m")
    assert duplicate_key(window, one) == duplicate_key(window, one._replace(id=9)) != b""
    assert duplicate_key(window, one) != duplicate_key(window, one._replace(sender="Shop UA"))
    assert duplicate_key(window, one) != duplicate_key(window, one._replace(text="other"))
    assert duplicate_key(account(), one) == b""


def test_a_refused_message_is_mapped_to_the_first_of_its_strongest_fingerprint() -> None:
    acceptance = Acceptance(
        (message(10), message(11)),
        (
            Fingerprint(b"mail", 10, NOW),
            Fingerprint(b"text", 10, NOW),
            Fingerprint(b"other", 11, NOW),
        ),
    )
    assert firsts_of(acceptance, {b"mail": 1, b"text": 2}) == {10: 1}
