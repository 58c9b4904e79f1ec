"""What webhooks and answers to questions say, in every spelling that may come."""

from __future__ import annotations

from contextlib import suppress

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.cascade.status import (
    NotDocumented,
    Phoned,
    Said,
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


def one(document: object) -> Said:
    [said], bad = decode_statuses(orjson.dumps(document))
    assert not bad
    return said


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, Said(ID, "delivered", "0.35")),
        ({"cost": "0.35"}, Said(ID, "delivered", "0.35")),
        ({"cost": 1}, Said(ID, "delivered", "1")),
        ({"cost": None}, Said(ID, "delivered")),
        ({"cost": True}, Said(ID, "delivered")),
        ({"cost": {"amount": 1}}, Said(ID, "delivered")),
        ({"cost": "9" * 33}, Said(ID, "delivered")),
        ({"timestamp": None}, Said(ID, "delivered", "0.35")),
        ({"partscount": 3}, Said(ID, "delivered", "0.35", 3)),
        ({"partscount": "3"}, Said(ID, "delivered", "0.35", 3)),
        ({"partsCount": 3}, Said(ID, "delivered", "0.35", 3)),
        ({"partscount": -3}, Said(ID, "delivered", "0.35")),
        ({"deliverystatus": "Brand New"}, Said(ID, "Brand New", "0.35")),
        ({"extendedStatuses": [{"channel": "viber"}]}, Said(ID, "delivered", "0.35")),
    ],
)
def test_the_fields_of_a_status(changes: dict[str, object], said: Said) -> None:
    assert one(DOCUMENTED | changes) == said


@pytest.mark.parametrize("name", ["messageID", "MessageId", "message_id", "MESSAGEID"])
def test_names_are_alike_however_they_are_spelt(name: str) -> None:
    assert one({name: ID, "deliveryStatus": "read"}) == Said(ID, "read")


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
    with pytest.raises(NotDocumented):
        decode_statuses(orjson.dumps(broken))
    with pytest.raises(NotDocumented):
        decode_statuses(orjson.dumps([broken, broken]))
    said, bad = decode_statuses(orjson.dumps([DOCUMENTED, broken, DOCUMENTED]))
    assert (len(said), len(bad)) == (2, 1)


def test_an_empty_array_says_nothing() -> None:
    assert decode_statuses(b"[]") == ([], [])


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'"\\ud800"'])
def test_what_is_no_json(body: bytes) -> None:
    for decode in (decode_statuses, decode_incoming):
        with pytest.raises(NotDocumented, match="not JSON"):
            decode(body)
    assert decode_status(body, ID) is None


def test_an_answer_need_not_repeat_what_was_asked_for() -> None:
    answer = {"messagelistId": "1", "deliverystatus": "processing", "partscount": 2, "cost": 0.7}
    said = Said(ID, "processing", "0.7", 2)
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
    ],
)
def test_the_fields_of_a_message_from_a_phone(changes: dict[str, object], phoned: Phoned) -> None:
    assert decode_incoming(orjson.dumps(FROM_PHONE | changes)) == ([phoned], [])


@pytest.mark.parametrize("phone", ["", "KYIVSTAR", "0501", "+", "3" * 16, "٣٨٠٥٠١٢٣٤٥٦٧"])
def test_nobody_answers_to_what_is_no_phone(phone: str) -> None:
    with pytest.raises(NotDocumented, match="phoneNumber"):
        decode_incoming(orjson.dumps(FROM_PHONE | {"phoneNumber": phone}))


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
