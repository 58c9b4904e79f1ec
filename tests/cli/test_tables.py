"""Tables, times and numbers as commands print them."""

from __future__ import annotations

import click
import pytest

from bridge.cli.tables import counted, duration, echo_table, number, one_of, printable, with_node

COLUMNS = {"name": lambda row: row["name"], "n": lambda row: str(row["n"])}
ROWS = [{"name": "crm", "n": 1, "node": 0}, {"name": "sh\x1bop", "n": 20, "node": 0}]


def test_columns_are_aligned_and_controls_are_not_printed(
    capsys: pytest.CaptureFixture[str],
) -> None:
    echo_table(COLUMNS, ROWS, "Nothing.")
    assert capsys.readouterr().out == "name   n\ncrm    1\nsh op  20\n"


def test_no_rows_are_a_sentence(capsys: pytest.CaptureFixture[str]) -> None:
    echo_table(COLUMNS, [], "Nothing.")
    assert capsys.readouterr().out == "Nothing.\n"


def test_the_node_is_a_column_where_there_are_several() -> None:
    assert list(with_node(COLUMNS, ROWS)) == ["name", "n"]
    assert list(with_node(COLUMNS, [*ROWS, {"node": 1}])) == ["node", "name", "n"]


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0s"), (42.4, "42s"), (190, "3m 10s"), (7500, "2h 5m"), (357_000, "4d 3h"), (-5, "0s")],
)
def test_a_duration_has_its_two_largest_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_numbers_have_separated_thousands() -> None:
    assert (number(1234567), number(1234.5)) == ("1,234,567", "1,234.50")


def test_a_count_has_its_word_in_one_or_many() -> None:
    assert [counted(count, "contact") for count in (0, 1, 2000)] == [
        "0 contacts",
        "1 contact",
        "2,000 contacts",
    ]


def test_one_line_stays_one_line() -> None:
    assert printable("a\nb\x00c") == "a b c"


def test_exactly_one_option_must_be_given() -> None:
    one_of(id="7", account=None)
    for given in ({"id": None, "account": None}, {"id": "7", "account": "crm"}):
        with pytest.raises(click.UsageError, match="id or account"):
            one_of(**given)
