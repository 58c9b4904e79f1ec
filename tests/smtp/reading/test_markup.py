"""Markup in plain text."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.markup import html_under_another_label, of_enriched, without_references


@pytest.mark.parametrize(
    "text",
    [
        *("<html><body>Hi</body></html>", "  <p>One</p><p>Two</p>", "<!DOCTYPE html><br>x"),
        *("Alarms:<ul><li>a</li></ul>", "<!-- x -->\n<html>Hi", "one<br>two", "<strong>a</strong>"),
    ],
)
def test_html_is_recognised_under_the_label_of_a_plain_text(text: str) -> None:
    assert html_under_another_label(text) == text


@pytest.mark.parametrize(
    "text", ["Hello", "a <b and c> d", "<p> is a tag", "<one> and </one>", "a <br> b", "1 < 2"]
)
def test_a_plain_text_stays_one(text: str) -> None:
    assert html_under_another_label(text) is None


def test_line_ends_count_beside_breaks() -> None:
    assert html_under_another_label("a<br>b\nc<br/>d") == "a<br>b<br>c<br/>d"
    assert html_under_another_label("<p>a\nb</p>") == "<p>a\nb</p>"


def test_other_brackets_are_the_text_s_own() -> None:
    text = "<b>Jan</b> <jan@example.com> <https://example.com> 1<2"
    html = "<b>Jan</b> &lt;jan@example.com> &lt;https://example.com> 1&lt;2"
    assert html_under_another_label(text) == html


def test_a_tag_that_is_cut_at_the_end_is_no_text() -> None:
    assert html_under_another_label("<p>one</p><p>two</p") == "<p>one</p><p>two"
    assert html_under_another_label('<p>one</p><td class="x') == "<p>one</p>"
    assert html_under_another_label("1 <b") is None


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("&#1059;&#x432;&#1072;&#1075;&#1072; &lt;5&gt;", "Увага <5>"),
        ("Pump&nbsp;3 &quot;on&quot;", 'Pump\xa03 "on"'),
        # Grafana escapes the plain text of its mails as HTML.
        ("load &gt; 5", "load > 5"),
        ("a &lt; b", "a < b"),
        ("https://example.com/?a=1&amp;b=2", "https://example.com/?a=1&b=2"),
        ("AT&T, a &gt b, &amplitude;", "AT&T, a &gt b, &amplitude;"),
        ("&lt;5&gt; https://example.com/?a=1&copy=2", "<5> https://example.com/?a=1&copy=2"),
        ("&amp;lt; is &lt;", "&lt; is <"),
        ("https://example.com/?a=1&deg=2&#5", "https://example.com/?a=1&deg=2&#5"),
    ],
)
def test_character_references(text: str, read: str) -> None:
    assert without_references(text) == read


def test_the_commands_of_enriched_text_are_left_out() -> None:
    assert of_enriched("<bold>Sale</bold> 1 <<2>") == "Sale 1 <2>"
