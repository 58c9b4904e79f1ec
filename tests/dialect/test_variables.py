"""Variables of templates as clients write them."""

from __future__ import annotations

import pytest

from bridge.dialect.variables import read_variable
from bridge.model.failure import Failure, Reason


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("name=Anna", ("name", "Anna")),
        (" order_1 = 17 ", ("order_1", "17")),
        ("сума=1=2", ("сума", "1=2")),
        ("empty=", ("empty", "")),
    ],
)
def test_a_name_and_a_value(written: str, read: tuple[str, str]) -> None:
    assert read_variable(written) == read


@pytest.mark.parametrize("written", ["", "name", "=Anna", "1name=x", "a b=x", "x" * 41 + "=y"])
def test_anything_else_is_refused(written: str) -> None:
    with pytest.raises(Failure) as caught:
        read_variable(written)
    assert caught.value.reason is Reason.BAD_PARAMETER
