"""Fields of contacts in the forms that people write."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.directory import fields
from bridge.model.failure import Failure, Reason

ANNA, BORIS = "+380501234567", "+380671112233"


@pytest.mark.parametrize(
    "written",
    [
        "380501234567,380671112233",
        "+380501234567; +380671112233",
        "0501234567|0671112233",
        "(050) 123-45-67, (067) 111-22-33",
        "+38 050 123 45 67\n+38 067 111 22 33",
        "380501234567 380671112233",
        "380501234567, 380671112233, 0501234567",
        "050 123 45 67 067 111 22 33",
        "+38 050 123 45 67 +38 067 111 22 33",
        "380501234567-380671112233",
        "0501234567 - 0671112233",
        "0501234567&0671112233",
        "0501234567\\0671112233",
        "0501234567•0671112233",
        "0501234567+0671112233",
        "(050)123-45-67(067)111-22-33",
    ],
)
def test_numbers_may_be_separated_by_anything(written: str) -> None:
    assert fields.phones(written, "UA") == (ANNA, BORIS)


@pytest.mark.parametrize(
    "written",
    [
        *("", " , ", "nobody", "12 34", "380501234567, 12", "380501234567 12", "*111#"),
        *("050 123 45 67 home", "067 " * 50, "1 " * 500),
    ],
)
def test_a_wrong_number_makes_the_field_wrong(written: str) -> None:
    with pytest.raises(Failure) as caught:
        fields.phones(written, "UA")
    assert caught.value.reason is Reason.BAD_PARAMETER


@pytest.mark.parametrize("written", ["380501234567,0", "380501234567.00", "3,80501234567E+11"])
def test_a_number_that_a_program_took_for_a_figure_is_read_if_it_is_whole(written: str) -> None:
    assert fields.phones(written, "UA") == (ANNA,)


@pytest.mark.parametrize("written", ["3,80501E+11", "3.80501E+11", "3.8e+11"])
def test_a_rounded_number_is_named_as_such(written: str) -> None:
    with pytest.raises(Failure) as caught:
        fields.phones(written, "UA")
    assert caught.value.description == "bad parameter: the spreadsheet has rounded the number"


def test_one_number_is_not_the_first_of_several() -> None:
    assert fields.phone("+38 050 123 45 67", "UA") == ANNA
    with pytest.raises(Failure) as caught:
        fields.phone("380501234567, 380671112233", "UA")
    assert caught.value.description == "bad parameter: one phone number only"


def test_a_contact_has_so_many_numbers_and_no_more() -> None:
    with pytest.raises(Failure) as caught:
        fields.phones(",".join(f"38050{n:07}" for n in range(1_000_000, 1_000_021)), "UA")
    assert caught.value.reason is Reason.BAD_PARAMETER


def test_the_text_of_numbers_has_a_limit() -> None:
    """The same few numbers again and again would take a minute."""
    with pytest.raises(Failure, match="2000 characters"):
        fields.phones(f"{ANNA} {BORIS};" * 100, "UA")


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("01.02.1990", "01.02.1990"),
        ("1.2.1990", "01.02.1990"),
        ("1/2/1990", "01.02.1990"),
        ("12/31/1990", "31.12.1990"),
        ("0/0/00", ""),
        ("00.00.0000", ""),
        ("1990-02-01", "01.02.1990"),
        ("19900201", "01.02.1990"),
        ("1990-02-01T00:00:00Z", "01.02.1990"),
        ("1990-02-01 00:00:00", "01.02.1990"),
        ("01.02.1990 0:00", "01.02.1990"),
        ("--0201", ""),
        (" ", ""),
    ],
)
def test_birthdays(written: str, kept: str) -> None:
    assert fields.birthday(written) == kept


@pytest.mark.parametrize("written", ["31.02.1990", "1990", "tomorrow", "00.01.1990", "٠١.٠٢.١٩٩٠"])
def test_a_day_that_does_not_exist_is_no_birthday(written: str) -> None:
    with pytest.raises(Failure):
        fields.birthday(written)


@pytest.mark.parametrize(("written", "kept"), [("9-21", "9-21"), ("09 - 24", "9-24"), ("", "")])
def test_hours(written: str, kept: str) -> None:
    assert fields.hours(written) == kept


@pytest.mark.parametrize("written", ["9", "9-25", "24-9", "9-9", "9-0", "a-b"])
def test_hours_that_do_not_exist(written: str) -> None:
    with pytest.raises(Failure):
        fields.hours(written)


@pytest.mark.parametrize("name", ["g7", "G12", "123", "", "+380501234567"])
def test_a_name_that_means_a_number_is_no_groups_name(name: str) -> None:
    with pytest.raises(Failure):
        fields.group_name(name)


def test_a_field_is_one_line() -> None:
    assert fields.text("name", " a\r\nb\u2028c\t ") == "a b c"
    assert fields.text("name", "\u202ea\u200b\u00adb\ufeff \ud800\ufffe\x9f") == "ab"
    for whole in ("👨\u200d👩\u200d👧", "می\u200cخواهم", "\U0001fae8", "שלום"):
        assert fields.text("name", whole) == whole
    with pytest.raises(Failure):
        fields.text("name", "x" * 256)


@given(st.text())
def test_whatever_is_written_is_kept_or_refused(written: str) -> None:
    for read in (fields.birthday, fields.hours, fields.group_name):
        with contextlib.suppress(Failure):
            value = read(written)
            assert read(value) == value


@pytest.mark.parametrize(
    ("written", "names"),
    [
        ("Night; Day|Kitchen ::: Bar", ["Night", "Day", "Kitchen", "Bar"]),
        (r"A\; B|C\|D", ["A; B", "C|D"]),
        ("C:\\temp", ["C:\\temp"]),
        (" ; ", []),
    ],
)
def test_names_of_groups_in_one_field(written: str, names: list[str]) -> None:
    assert fields.split_groups(written) == names


def test_names_of_groups_come_back_as_they_were() -> None:
    names = ["Night shift", "A; B", "C|D", "e\\f"]
    assert fields.split_groups(fields.joined_groups(names)) == names
