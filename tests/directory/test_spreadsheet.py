"""CSV as spreadsheets of several languages write it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory.spreadsheet import COLUMNS, SheetRecord, read_rows, write_rows
from bridge.model.failure import Failure, Reason

WANTED = ("phone", "name", "group", "birthday")
ROW = {"phone": "+380501234567", "name": "Анна, Київ", "group": "Дежурные"}


@pytest.mark.parametrize(
    "octets",
    [
        'phone,name,group\r\n+380501234567,"Анна, Київ",Дежурные\r\n'.encode(),
        'phone;name;group\n+380501234567;"Анна, Київ";Дежурные\n'.encode("cp1251"),
        "\ufeffТелефон;Название;Группа\r\n+380501234567;Анна, Київ;Дежурные".encode(),
        "Номер телефону\tНазва\tГрупа\n+380501234567\tАнна, Київ\tДежурные\n".encode("utf-16"),
        # playSMS's phone book.
        b'"Name","Mobile","Email","Group code","Tags"\n'
        + '"Анна, Київ","+380501234567","a@example.com","Дежурные",""\n'.encode(),
        'Mobile Phone,Shoe size,FULL NAME,Groups\n+380501234567,38,"Анна, Київ",Дежурные'.encode(),
    ],
)
def test_a_file_as_spreadsheets_write_it(octets: bytes) -> None:
    [record] = read_rows(octets, WANTED)
    assert record == SheetRecord(2, ROW)


def test_a_line_that_tells_the_delimiter_is_not_the_first_row() -> None:
    octets = 'sep=;\r\nphone;name\r\n+380501234567;"a, b, c"\r\n'.encode("utf-16")
    [record] = read_rows(octets, WANTED)
    assert record == SheetRecord(3, {"phone": "+380501234567", "name": "a, b, c"})


@pytest.mark.parametrize("cell", ['="380501234567"', "'380501234567", "'+380501234567"])
def test_the_signs_that_keep_a_number_as_it_is_are_no_part_of_it(cell: str) -> None:
    [record] = read_rows(f"phone\n{cell}\n".encode(), WANTED)
    assert record.fields["phone"].lstrip("+") == "380501234567"


def test_an_apostrophe_before_a_word_stays() -> None:
    [record] = read_rows(b"phone,name\n1,'neath\n", WANTED)
    assert record.fields["name"] == "'neath"


def test_an_address_book_has_a_column_for_each_phone() -> None:
    octets = (
        b"First Name,Group Membership,Phone 1 - Label,Phone 1 - Value,Phone 2 - Value\n"
        b"Anna,Night ::: * myContacts,Mobile,+380501234567 ::: 0671112233,0631112233\n"
        b"Boris,,Home,,0631112244\n"
    )
    anna, boris = read_rows(octets, (*WANTED, "first_name"))
    assert anna.fields == {
        "first_name": "Anna",
        "group": "Night ::: * myContacts",
        "phone": "+380501234567 ::: 0671112233,0631112233",
    }
    assert boris.fields["phone"] == "0631112244"


@pytest.mark.parametrize("name", ["Jiří Novák", "Żółć Gęślą", "Řehoř Čížek", "Anna"])
def test_a_file_of_central_europe(name: str) -> None:
    octets = f"telefon;jméno;příjmení\r\n+420777123456;{name};Dvořák\r\n".encode("cp1250")
    [record] = read_rows(octets, ("phone", "first_name", "last_name"))
    assert record.fields == {"phone": "+420777123456", "first_name": name, "last_name": "Dvořák"}


def test_a_cyrillic_file_with_words_of_both_stays_cyrillic() -> None:
    octets = "phone;name\n1;Тест SMSка Анна Іванівна, відділ ІТ\n".encode("cp1251")
    [record] = read_rows(octets, WANTED)
    assert record.fields["name"] == "Тест SMSка Анна Іванівна, відділ ІТ"


def test_an_unpaired_quotation_mark_does_not_hide_the_rows_below() -> None:
    with pytest.raises(Failure) as caught:
        list(read_rows(b'phone,name\n1,"A\n2,B\n', WANTED))
    why = "bad parameter: line 2: a quotation mark has no second one"
    assert caught.value.description == why


def test_the_delimiter_is_not_one_within_quotation_marks() -> None:
    [record] = read_rows(b'"Shoe, left, right";phone\n38;1\n', WANTED)
    assert record.fields == {"phone": "1"}


def test_the_first_row_may_come_after_empty_ones() -> None:
    [record] = read_rows(b"\r\n;\r\nphone;name\r\n1;Anna\r\n", WANTED)
    assert record == SheetRecord(4, {"phone": "1", "name": "Anna"})


def test_rows_are_named_by_the_lines_on_which_they_begin() -> None:
    octets = b'phone,name\n1,"two\nlines"\n\n3,c\n'
    assert [record.line for record in read_rows(octets, WANTED)] == [2, 5]


def test_empty_rows_and_short_rows() -> None:
    assert list(read_rows(b"phone,name\n1\n,\n  ,\n2,b,surplus\n", WANTED)) == [
        SheetRecord(2, {"phone": "1"}),
        SheetRecord(5, {"phone": "2", "name": "b"}),
    ]


@pytest.mark.parametrize("octets", [b"", b"name\nAnna\n", b"phone,tel\n1,2\n", b"\x00\xff"])
def test_what_is_no_such_table_is_refused(octets: bytes) -> None:
    with pytest.raises(Failure) as caught:
        list(read_rows(octets, WANTED))
    assert caught.value.reason is Reason.BAD_PARAMETER


@pytest.mark.parametrize(
    "table",
    [
        (
            "phone",
            "name",
            "group",
            "first_name",
            "last_name",
            "middle_name",
            "birthday",
            "id",
            "comments",
            "tags",
            "phone_other",
        ),
        ("name", "number", "hours", "max_parts"),
        ("phone", "type", "comments"),
    ],
)
def test_no_name_stands_for_two_columns_of_a_table(table: tuple[str, ...]) -> None:
    for name, others in COLUMNS.items():
        for written in (name, *others.split(", ")):
            with_it = {column for column in table if written in COLUMNS[column].split(", ")}
            assert len(with_it | ({written} & set(table))) <= 1, written


def test_what_is_written_is_read_again() -> None:
    text = "".join(write_rows(("phone", "name"), [["+380501234567", 'a "b"; c,\nd']]))
    assert list(read_rows(text.encode(), WANTED)) == [
        SheetRecord(2, {"phone": "+380501234567", "name": 'a "b"; c,\nd'})
    ]


def test_an_exported_text_is_no_formula() -> None:
    text = "".join(write_rows(("phone", "name"), [["+380501234567", "=1+1"], ["", "+SUM(A1)"]]))
    assert "+380501234567,'=1+1" in text
    assert "'+SUM" in text


@given(st.binary())
def test_whatever_comes_is_read_or_refused(octets: bytes) -> None:
    try:
        records = list(read_rows(b"phone,name\n" + octets, WANTED))
    except Failure:
        records = []
    assert all(set(record.fields) <= set(WANTED) for record in records)


@pytest.mark.parametrize(
    "name", ["Mobile Phone", "Мобильный телефон", "Мобільний телефон", "Mobilní telefon", "Cell"]
)
def test_the_column_of_mobile_numbers_is_known_as_address_books_name_it(name: str) -> None:
    [record] = read_rows(f"{name},Name\n0501234567,Anna\n".encode(), WANTED)
    assert record.fields == {"phone": "0501234567", "name": "Anna"}
