"""Answers of the SMSC dialect, octet by octet, compared with recorded answers of the provider."""

from __future__ import annotations

import json
from xml.etree import ElementTree

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from bridge.dialect.answers import (
    Format,
    Number,
    Row,
    created,
    done,
    encoded,
    listing,
    number_line,
    priced,
    record,
    refused,
    sent,
    written_id,
)
from bridge.model.failure import Failure, Reason

TEXT, NUMBERS, XML, JSON = Format

CONTACT: Row = [
    ("phone", "79112223344"),
    ("name", "Anna"),
    ("group", 5922),
    ("first_name", ""),
    ("last_name", ""),
    ("middle_name", ""),
    ("birthday", "01.02.1990"),
    ("id", "4321"),
    ("comments", "a, b"),
    ("tags", ""),
    ("phone_other", "79112223351,79112223352"),
]


@pytest.mark.parametrize(
    ("fmt", "answer"),
    [
        (TEXT, "ERROR = 2 (authorise error)"),
        (NUMBERS, "0,-2"),
        (XML, "<result>\n<error>authorise error</error>\n<error_code>2</error_code>\n</result>"),
        (JSON, '{\n"error": "authorise error",\n"error_code": 2\n}'),
    ],
)
def test_an_error(fmt: Format, answer: str) -> None:
    assert refused(Failure(Reason.WRONG_LOGIN), fmt) == answer


@pytest.mark.parametrize(
    ("fmt", "answer"),
    [
        (TEXT, "ERROR = 7 (invalid number), ID - 541"),
        (NUMBERS, "541,-7"),
        (
            XML,
            "<result>\n<error>invalid number</error>\n<error_code>7</error_code>\n"
            "<id>541</id>\n</result>",
        ),
        (JSON, '{\n"error": "invalid number",\n"error_code": 7,\n"id": 541\n}'),
    ],
)
def test_an_error_of_a_submission_has_its_id(fmt: Format, answer: str) -> None:
    assert refused(Failure(Reason.WRONG_PHONE), fmt, "541") == answer


@pytest.mark.parametrize(
    ("reason", "code", "text"),
    [
        (Reason.BAD_PARAMETER, 1, "parameters error"),
        (Reason.NOT_FOUND, 3, "record not found"),
        (Reason.ADDRESS_BLOCKED, 4, "ip is blocked"),
        (Reason.OPERATION_FAILED, 5, "save error"),
        (Reason.PROHIBITED, 6, "message is denied"),
        (Reason.REFUSED, 8, "can't to deliver"),
        (Reason.DUPLICATE, 9, "duplicate request, wait a minute"),
        (Reason.TOO_MANY_SESSIONS, 9, "too many concurrent requests"),
        (Reason.BRIDGE_FULL, 9, "bridge full"),
    ],
)
def test_errors_have_the_texts_that_clients_know(reason: Reason, code: int, text: str) -> None:
    assert refused(Failure(reason, "what exactly"), TEXT) == f"ERROR = {code} ({text})"


@pytest.mark.parametrize("reason", Reason)
def test_a_client_finds_code_and_text_of_every_error(reason: Reason) -> None:
    text = refused(Failure(reason), TEXT)
    assert text.startswith(f"ERROR = {reason.codes.fmt} (")
    assert text.count(")") == 1


@pytest.mark.parametrize(
    ("fmt", "answer"),
    [
        (TEXT, "ID = 5135577"),
        (NUMBERS, "5135577"),
        (XML, "<phone>\n<id>5135577</id>\n</phone>"),
        (JSON, '{\n"id": 5135577\n}'),
    ],
)
def test_what_was_created(fmt: Format, answer: str) -> None:
    assert created("phone", 5135577, fmt) == answer


@pytest.mark.parametrize(
    ("fmt", "answer"),
    [
        (TEXT, "OK"),
        (NUMBERS, "OK"),
        (XML, "<result>OK</result>"),
        (JSON, '{\n"result": "OK"\n}'),
    ],
)
def test_a_change(fmt: Format, answer: str) -> None:
    assert done(fmt) == answer


class TestListing:
    def test_text_has_a_line_a_record(self) -> None:
        assert listing("contact", [CONTACT, CONTACT], TEXT).split("\n") == 2 * [
            "phone = 79112223344, name = Anna, group = 5922, first_name = , last_name = , "
            "middle_name = , birthday = 01.02.1990, id = 4321, comments = a, b, tags = , "
            "phone_other = 79112223351,79112223352"
        ]

    def test_numbers(self) -> None:
        assert listing("contact", [CONTACT], NUMBERS) == (
            "79112223344,Anna,5922,,,,01.02.1990,4321,a, b,,79112223351,79112223352"
        )

    def test_xml(self) -> None:
        group: Row = [("id", 5994), ("name", "<A & B>"), ("number", 1234), ("cnt", "0")]
        assert listing("group", [group, group], XML) == (
            "<list>\n"
            + 2
            * (
                "<group>\n<id>5994</id>\n<name>&lt;A &amp; B&gt;</name>\n"
                "<number>1234</number>\n<cnt>0</cnt>\n</group>\n"
            )
            + "</list>"
        )

    def test_json(self) -> None:
        group: Row = [("id", 5994), ("name", 'New "group"'), ("number", 1234), ("cnt", "0")]
        one = '{\n"id": 5994,\n"name": "New \\"group\\"",\n"number": 1234,\n"cnt": "0"\n}'
        assert listing("group", [group], JSON) == f"[{one}]"
        assert listing("group", [group, group], JSON) == f"[{one},\n{one}]"

    def test_an_empty_one_in_json_is_a_list(self) -> None:
        assert listing("message", [], JSON) == "[]"

    def test_a_line_break_in_a_name_begins_no_record(self) -> None:
        rows: list[Row] = [[("name", "a\nb\r\nc\u2028d")]]
        assert listing("group", rows, TEXT) == "name = a b c d"
        assert listing("group", rows, NUMBERS) == "a b c d"


class TestSent:
    """Answers to accepted submissions, by the client's parameters."""

    @pytest.mark.parametrize(
        ("fmt", "answer"),
        [
            (TEXT, "OK - 1 SMS, ID - 1234"),
            (NUMBERS, "1234,1"),
            (XML, "<result>\n<id>1234</id>\n<cnt>1</cnt>\n</result>"),
            (JSON, '{\n"id": 1234,\n"cnt": 1\n}'),
        ],
    )
    def test_the_id_and_the_number_of_parts(self, fmt: Format, answer: str) -> None:
        assert sent("1234", 1, fmt) == answer

    def test_with_the_cost(self) -> None:
        assert sent("12345", 2, TEXT, cost="4.48") == "OK - 2 SMS, ID - 12345, COST - 4.48"
        assert sent("12345", 2, NUMBERS, cost="4.48") == "12345,2,4.48"

    def test_with_cost_and_balance(self) -> None:
        assert sent("1", 2, NUMBERS, cost="3.8", balance="282.75") == "1,2,3.8,282.75"
        assert sent("1", 2, JSON, cost="3.8", balance="282.75") == (
            '{\n"id": 1,\n"cnt": 2,\n"cost": "3.8",\n"balance": "282.75"\n}'
        )

    def test_an_id_of_text_is_text(self) -> None:
        assert sent("order-7", 1, JSON) == '{\n"id": "order-7",\n"cnt": 1\n}'
        assert sent("007", 1, JSON) == '{\n"id": "007",\n"cnt": 1\n}'

    def test_a_price_comes_first_and_has_no_id(self) -> None:
        assert priced("0.4", 1, JSON) == '{\n"cost": "0.4",\n"cnt": 1\n}'
        assert priced("0.4", 1, NUMBERS) == "0.4,1"

    def test_numbers_have_all_five_members(self) -> None:
        numbers = [Number("79051234567", cost="1.44"), Number("12", status="-1", error="7")]
        lines = [number_line(number, JSON) for number in numbers]
        document = json.loads(sent("1", 1, JSON, numbers=lines))
        assert document["phones"] == [
            {"phone": "79051234567", "mccmnc": "", "cost": "1.44", "status": "", "error": ""},
            {"phone": "12", "mccmnc": "", "cost": "", "status": "-1", "error": "7"},
        ]
        lines = [number_line(number, XML) for number in numbers]
        root = ElementTree.fromstring(sent("1", 1, XML, numbers=lines))
        assert [phone.text for phone in root.iter("phone")] == ["79051234567", "12"]
        assert [phone.get("error") for phone in root.iter("phone")] == [None, "7"]


def test_a_record_alone() -> None:
    row: Row = [("balance", "15.00")]
    assert record(row, JSON) == '{\n"balance": "15.00"\n}'
    assert len(record(row, JSON)) == 22


class TestEncoded:
    def test_xml_writes_what_the_charset_lacks_as_a_number(self) -> None:
        answer = listing("group", [[("name", "Да ☎")]], XML)
        root = ElementTree.fromstring(encoded(answer, XML, "cp1251").decode("cp1251"))
        assert root.findtext("group/name") == "Да ☎"

    def test_json_means_the_same_in_every_charset(self) -> None:
        answer = listing("group", [[("name", "Да ☎ 😀")]], JSON)
        for charset in ("cp1251", "koi8-r", "utf-8"):
            octets = encoded(answer, JSON, charset)
            assert json.loads(octets.decode(charset)) == [{"name": "Да ☎ 😀"}]

    def test_text_is_written_in_the_clients_charset(self) -> None:
        assert encoded("Да", TEXT, "koi8-r") == "Да".encode("koi8-r")


@given(st.text(), st.sampled_from([XML, JSON]))
@example("\ufffe \uffff \x7f", XML)
def test_whatever_a_name_holds_the_answer_is_well_formed(name: str, fmt: Format) -> None:
    answer = encoded(listing("group", [[("name", name)]], fmt), fmt, "utf-8")
    if fmt is JSON:
        assert json.loads(answer) == [{"name": name}]
    else:
        assert ElementTree.fromstring(answer).find("group/name") is not None


@pytest.mark.parametrize(
    ("id", "written"),
    [
        ("7", 7),
        ("0", 0),
        ("9007199254740992", 2**53),
        # Some parsers round greater numbers.
        ("9007199254740993", "9007199254740993"),
        ("007", "007"),
        ("order-1", "order-1"),
        ("", ""),
    ],
)
def test_an_id_is_a_number_where_every_parser_reads_it_exactly(id: str, written: int | str) -> None:
    assert written_id(id) == written
