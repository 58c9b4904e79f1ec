"""Markup in plain text."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.markup import html_under_another_label, of_enriched


@pytest.mark.parametrize(
    "text", ["<html><body>Hi</body></html>", "  <p>One</p><p>Two</p>", "<!DOCTYPE html><br>x"]
)
def test_html_is_recognised_under_the_label_of_a_plain_text(text: str) -> None:
    assert html_under_another_label(text) == text


@pytest.mark.parametrize("text", ["Hello", "a <b and c> d", "<p> is a tag", "one<br>two", "1 < 2"])
def test_a_plain_text_stays_one(text: str) -> None:
    assert html_under_another_label(text) is None


def test_line_ends_count_beside_breaks() -> None:
    assert html_under_another_label("a<br>b\nc<br/>d") == "a<br>b<br>c<br/>d"


def test_the_commands_of_enriched_text_are_left_out() -> None:
    assert of_enriched("<bold>Sale</bold> 1 <<2>") == "Sale 1 <2>"
