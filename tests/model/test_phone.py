import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.failure import Failure, Reason
from bridge.model.phone import country, normalise


@pytest.mark.parametrize(
    "written",
    [
        "+380501234567",
        "380501234567",
        "00380501234567",
        "0501234567",
        "501234567",
        "+38 (050) 123-45-67",
        "+38\u00a0050.123.45.67",
        "8(050)123-45-67",
        "80501234567",
    ],
)
def test_every_form_of_a_ukrainian_number_is_one_number(written: str) -> None:
    assert normalise(written, "UA") == "+380501234567"


@pytest.mark.parametrize(
    "written",
    [
        "",
        "+",
        "12345",
        "+38050123456",
        "+3805012345678901",
        "+999999999",
        "805012345678",
        "+80501234567",
        "+380501234567;ext=5",
        "38050123456a",
        "٠٥٠١٢٣٤٥٦٧",
        "+0501234567",
    ],
)
def test_what_is_no_number_is_a_wrong_phone_number(written: str) -> None:
    with pytest.raises(Failure) as caught:
        normalise(written, "UA")
    assert caught.value.reason is Reason.WRONG_PHONE


@pytest.mark.parametrize("national", ["951234567", "981234567", "631234567", "661234567"])
def test_a_national_number_without_trunk_prefix_stays_in_its_country(national: str) -> None:
    assert normalise(national, "UA") == "+380" + national


@pytest.mark.parametrize("written", ["380501234567.0", "+380501234567.00", " 380501234567.0 "])
def test_the_zero_of_a_decimal_fraction_is_no_digit(written: str) -> None:
    assert normalise(written, "UA") == "+380501234567"


@pytest.mark.parametrize(
    "written", ["\u202a+380501234567\u202c", "\ufeff380501234567", "050\u200e1234567\u00ad"]
)
def test_invisible_characters_of_a_copied_number_do_not_count(written: str) -> None:
    assert normalise(written, "UA") == "+380501234567"


def test_a_foreign_number_needs_no_plus() -> None:
    assert normalise("420777123456", "UA") == "+420777123456"
    assert normalise("16502530000", "UA") == "+16502530000"


def test_the_country_of_a_number() -> None:
    assert country("+380501234567") == "UA"
    assert country("+16502530000") == "US"


@given(st.text(max_size=30), st.sampled_from(["UA", "CZ", "US", "KZ"]))
def test_any_text_is_a_number_or_a_failure(text: str, region: str) -> None:
    try:
        number = normalise(text, region)
    except Failure:
        return
    assert number.startswith("+")
    assert normalise(number, region) == number
