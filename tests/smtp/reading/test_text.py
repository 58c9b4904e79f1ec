"""The text for the phone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.smtp.reading.text import (
    clean,
    compose,
    cut_at,
    lines_ended_by_lf,
    unflow,
    without_files,
)


def test_a_stop_line_ends_the_text() -> None:
    assert cut_at("a\n ### \nb", "###") == "a"
    assert cut_at("a ### b", "###") == "a ### b"


def test_line_ends_of_every_kind() -> None:
    assert lines_ended_by_lf("a\r\nb\rc\vd\fe\u2028f\x85g") == "a\nb\nc\nd\ne\nf\ng"


def test_joiners_and_direction_marks_stay() -> None:
    text = "\u200fשלום\u200e 👨\u200d👩 क्\u200cष"
    assert clean(text) == text


def test_what_cannot_be_seen_goes() -> None:
    assert clean("\ufeffa\u200bb\xadc\x00\x1b\u2060\ud800") == "abc"
    assert clean("a\tb\xa0c") == "a b c"
    assert clean("\x1b[31mPump\x1b[0m 3 P\bPump\x1b(B") == "Pump 3 Pump"
    assert clean("\ufffc\nPump\ufffc 3") == "Pump 3"


def test_blank_lines_and_blanks() -> None:
    assert clean("\n\n a  \n \n\t\n\nb \n") == "a\n\nb"


@given(st.text())
def test_cleaning_twice_is_cleaning_once(text: str) -> None:
    cleaned = clean(text)
    cleaned.encode()
    assert clean(cleaned) == cleaned


def test_files_in_uuencode_go() -> None:
    file = "begin 644 report.csv\n#86)C\n`\nend\n"
    assert without_files(f"Report\n\n{file}") == "Report\n\n"
    assert without_files(f"{file}\n{file}and more") == "\nand more"
    for own in ("begin 644 work\nat 5\nend\n", "begin 644 x\n#86)C\n`\n", "We begin 5\nend"):
        assert without_files(own) == own


def test_flowed_paragraphs_are_joined_but_not_signatures() -> None:
    assert unflow("a \nb\n c\n-- \nme", delsp=False) == "a b\nc\n-- \nme"
    assert unflow("a \n> b \nc", delsp=False) == "a \n> b \nc"


@pytest.mark.parametrize(
    ("template", "subject", "body", "text"),
    [
        ("{body}", "S", "B", "B"),
        ("{body}", "S", "", "S"),
        ("{subject}: {body}", "S", "B", "S: B"),
        ("{subject}: {body}", "", "B", "B"),
        ("{subject}: {body}", "{body}", "{subject}", "{body}: {subject}"),
        ("{subject}: {body}", "", "", ""),
    ],
)
def test_the_template(template: str, subject: str, body: str, text: str) -> None:
    assert compose(template, subject, body) == text
