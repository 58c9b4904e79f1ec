"""Webhooks and answers to status requests, in all spellings."""

from __future__ import annotations

from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cascade.status import (
    ApiStatus,
    NotDocumented,
    Phoned,
    decode_incoming,
    decode_status,
    decode_statuses,
)

ID = "3fa85f64-5717-4562-b3fc-2c963f66afa6"
DOCUMENTED = {
    "messageId": ID,
    "deliverystatus": "delivered",
    "timestamp": "2026-11-22T10:00:00Z",
    "cost": 0.35,
}
FROM_PHONE = {
    "idUuid": "9b1d",
    "alphaName": "Shop",
    "phoneNumber": "380501234567",
    "text": "Yes",
    "dt": "2026-11-22T10:00:00Z",
}
AT = 1795341600


def one(document: object) -> ApiStatus:
    return one_of(orjson.dumps(document))


def one_of(body: bytes) -> ApiStatus:
    [said], bad = decode_statuses(body)
    assert not bad
    return said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ApiStatus(ID, "delivered", "0.35")),
        ({"cost": "0.35"}, ApiStatus(ID, "delivered", "0.35")),
        ({"cost": 1}, ApiStatus(ID, "delivered", "1")),
        ({"cost": None}, ApiStatus(ID, "delivered")),
        ({"cost": True}, ApiStatus(ID, "delivered")),
        ({"cost": {"amount": 1}}, ApiStatus(ID, "delivered")),
        ({"cost": "9" * 33}, ApiStatus(ID, "delivered")),
        ({"timestamp": None}, ApiStatus(ID, "delivered", "0.35")),
        ({"partscount": 3}, ApiStatus(ID, "delivered", "0.35", 3)),
        ({"partscount": "3"}, ApiStatus(ID, "delivered", "0.35", 3)),
        ({"partsCount": 3}, ApiStatus(ID, "delivered", "0.35", 3)),
        ({"partscount": -3}, ApiStatus(ID, "delivered", "0.35")),
        ({"deliverystatus": "Brand New"}, ApiStatus(ID, "Brand New", "0.35")),
        ({"extendedStatuses": [{"channel": "viber"}]}, ApiStatus(ID, "delivered", "0.35")),
    ],
)
def test_the_fields_of_a_status(changes: dict[str, object], said: ApiStatus) -> None:
    assert one(DOCUMENTED | changes) == said


@pytest.mark.parametrize("name", ["messageID", "MessageId", "message_id", "MESSAGEID"])
def test_names_are_alike_however_they_are_spelt(name: str) -> None:
    assert one({name: ID, "deliveryStatus": "read"}) == ApiStatus(ID, "read")


@pytest.mark.parametrize(
    "broken",
    [
        {"deliverystatus": "delivered"},
        {"messageId": ID},
        {"messageId": "", "deliverystatus": "delivered"},
        {"messageId": 5, "deliverystatus": "delivered"},
        {"messageId": ID, "deliverystatus": 1},
        {"messageId": "x" * 129, "deliverystatus": "delivered"},
        {"messageId": ID, "deliverystatus": "x" * 65},
        {"messageId": "a\0b", "deliverystatus": "delivered"},
        "delivered",
        None,
        7,
    ],
)
def test_what_is_no_status_spoils_no_other(broken: object) -> None:
    for document, good, others in (
        (broken, 0, 1),
        ([broken, broken], 0, 2),
        ([DOCUMENTED, broken, DOCUMENTED], 2, 1),
    ):
        said, bad = decode_statuses(orjson.dumps(document))
        assert (len(said), len(bad)) == (good, others)


def test_an_empty_array_says_nothing() -> None:
    assert decode_statuses(b"[]") == ([], [])


def test_what_cannot_be_read_is_named_where_it_names_itself() -> None:
    _, bad = decode_statuses(orjson.dumps([{"messageId": ID}, {"messageId": "a\0b"}, 7]))
    assert [error.id for error in bad] == [ID, "", ""]
    _, bad = decode_incoming(orjson.dumps([FROM_PHONE | {"phoneNumber": "KYIVSTAR"}, {}]))
    assert [(str(error), error.id) for error in bad] == [
        ("no phoneNumber", "9b1d"),
        ("no phoneNumber", ""),
    ]


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff", b"[" * 100_000, b'"\\ud800', b"[NaN", b"1" * 9000]
)
def test_what_is_no_json(body: bytes) -> None:
    for decode in (decode_statuses, decode_incoming):
        with pytest.raises(NotDocumented, match="not JSON"):
            decode(body)
    assert decode_status(body, ID) is None


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"cut \ud83d", "cut \ufffd"),
        (rb"cut \uDE00\uD83D.", "cut \ufffd\ufffd."),
        (rb"\ud83d\ud83d\ude00 \ud83d\n", "\ufffd\U0001f600 \ufffd\n"),
        (rb"\ud83d \\ud83d \\\ud83d", "\ufffd \\ud83d \\\ufffd"),
        (b"\xd0\xa2\xd0", "\u0422\ufffd"),
        (b"\xed\xa0\xbd", "\ufffd\ufffd\ufffd"),
        (b"one\r\ntwo\t\x1b", "one\r\ntwo\t\x1b"),
    ],
)
def test_a_broken_character_costs_nothing_but_itself(written: bytes, read: str) -> None:
    good, broken = orjson.dumps(FROM_PHONE), orjson.dumps(FROM_PHONE).replace(b"Yes", written)
    phoned, bad = decode_incoming(b"[%s,%s]" % (good, broken))
    assert ([one.text for one in phoned], bad) == (["Yes", read], [])
    said = orjson.dumps(DOCUMENTED | {"text": "Yes"}).replace(b"Yes", written)
    assert decode_statuses(said) == ([ApiStatus(ID, "delivered", "0.35")], [])
    assert decode_status(said, ID) == ApiStatus(ID, "delivered", "0.35")


@pytest.mark.parametrize("number", [b"NaN", b"-Infinity", b"1e999", b"9" * 400])
def test_a_number_that_is_none_costs_nothing_but_itself(number: bytes) -> None:
    broken = orjson.dumps(DOCUMENTED | {"rate": 7}).replace(b"7}", number + b"}")
    said = ApiStatus(ID, "delivered", "0.35")
    assert decode_statuses(b"[%s,%s]" % (orjson.dumps(DOCUMENTED), broken)) == ([said, said], [])
    costly = orjson.dumps(DOCUMENTED | {"cost": 7}).replace(b"7}", number + b"}")
    assert decode_status(costly, ID) == ApiStatus(ID, "delivered")


def test_a_byte_order_mark_says_nothing() -> None:
    assert one_of(b"\xef\xbb\xbf" + orjson.dumps(DOCUMENTED)) == ApiStatus(ID, "delivered", "0.35")


def test_an_answer_need_not_repeat_what_was_asked_for() -> None:
    answer = {"messagelistId": "1", "deliverystatus": "processing", "partscount": 2, "cost": 0.7}
    said = ApiStatus(ID, "processing", "0.7", 2)
    assert decode_status(orjson.dumps(answer), ID) == said
    assert decode_status(orjson.dumps([answer]), ID) == said
    assert decode_status(orjson.dumps([answer, answer]), ID) is None
    assert decode_status(b'{"error": "not found"}', ID) is None
    assert decode_status(b"null", ID) is None


def test_an_answer_about_another_message_is_none() -> None:
    assert decode_status(orjson.dumps(DOCUMENTED | {"messageId": "other"}), ID) is None


@pytest.mark.parametrize(
    ("changes", "phoned"),
    [
        ({}, Phoned("9b1d", "Shop", "+380501234567", "Yes", AT)),
        ({"phoneNumber": "+380501234567"}, Phoned("9b1d", "Shop", "+380501234567", "Yes", AT)),
        ({"phoneNumber": "00380501234567"}, Phoned("9b1d", "Shop", "+380501234567", "Yes", AT)),
        ({"phoneNumber": 380501234567}, Phoned("9b1d", "Shop", "+380501234567", "Yes", AT)),
        ({"text": ""}, Phoned("9b1d", "Shop", "+380501234567", "", AT)),
        ({"text": "a\0b"}, Phoned("9b1d", "Shop", "+380501234567", "ab", AT)),
        ({"text": None}, Phoned("9b1d", "Shop", "+380501234567", "", AT)),
        ({"idUuid": None}, Phoned("", "Shop", "+380501234567", "Yes", AT)),
        ({"dt": AT}, Phoned("9b1d", "Shop", "+380501234567", "Yes", AT)),
        ({"dt": AT * 1000}, Phoned("9b1d", "Shop", "+380501234567", "Yes", AT)),
        ({"dt": "2026-11-22 10:00:00"}, Phoned("9b1d", "Shop", "+380501234567", "Yes", AT)),
        ({"dt": "2026-11-22T12:00:00.5+02:00"}, Phoned("9b1d", "Shop", "+380501234567", "Yes", AT)),
        ({"dt": "yesterday"}, Phoned("9b1d", "Shop", "+380501234567", "Yes")),
        ({"dt": None}, Phoned("9b1d", "Shop", "+380501234567", "Yes")),
        ({"dt": "0001-01-01T00:00:00"}, Phoned("9b1d", "Shop", "+380501234567", "Yes")),
        ({"dt": "0001-01-01T00:00:00+14:00"}, Phoned("9b1d", "Shop", "+380501234567", "Yes")),
        ({"dt": "000000000"}, Phoned("9b1d", "Shop", "+380501234567", "Yes")),
        ({"idUuid": "9\x1b[b\r\n"}, Phoned("9[b", "Shop", "+380501234567", "Yes", AT)),
        ({"alphaName": "Sh\x1bop "}, Phoned("9b1d", "Shop", "+380501234567", "Yes", AT)),
    ],
)
def test_the_fields_of_a_message_from_a_phone(changes: dict[str, object], phoned: Phoned) -> None:
    assert decode_incoming(orjson.dumps(FROM_PHONE | changes)) == ([phoned], [])


@pytest.mark.parametrize("phone", ["", "KYIVSTAR", "0501", "+", "3" * 16, "٣٨٠٥٠١٢٣٤٥٦٧"])
def test_nobody_answers_to_what_is_no_phone(phone: str) -> None:
    phoned, [error] = decode_incoming(orjson.dumps(FROM_PHONE | {"phoneNumber": phone}))
    assert (phoned, str(error)) == ([], "no phoneNumber")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
_FIELDS = st.sampled_from([*DOCUMENTED, *FROM_PHONE, "partscount"])


@given(st.dictionaries(_FIELDS, _JSON) | st.lists(st.dictionaries(_FIELDS, _JSON)) | _JSON)
def test_nothing_but_what_is_said_here_comes_of_any_json(document: object) -> None:
    body = orjson.dumps(document, default=str, option=orjson.OPT_NON_STR_KEYS)
    for decode in (decode_statuses, decode_incoming):
        with suppress(NotDocumented):
            decode(body)
    decode_status(body, ID)
