"""HTML as tags, raw texts and texts, also where it is not well-formed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.smtp.reading.html_tokens import (
    MAX_ATTRIBUTES,
    MAX_VALUE,
    Raw,
    Tag,
    Token,
    tokens,
)


def start(name: str, **attributes: str) -> Tag:
    return Tag(name, False, attributes)


def end(name: str) -> Tag:
    return Tag(name, True, {})


@pytest.mark.parametrize(
    ("html", "found"),
    [
        ("a", ["a"]),
        ("<p>a</p>", [start("p"), "a", end("p")]),
        ("<BR/>a<br />", [start("br"), "a", start("br")]),
        ("a &lt; b &amp; c", ["a < b & c"]),
        ("a < b", ["a ", "<", " b"]),
        ("1<2", ["1", "<", "2"]),
        # Without its end a tag goes to the end of the input.
        ("a<b", ["a"]),
        ("a<b href='", ["a"]),
        ("a</", ["a"]),
        ("</>x</ b>y", ["x", "y"]),
        # Comments, declarations, instructions.
        ("a<!-- <p> -->b", ["a", "b"]),
        ("a<!-->b", ["a", "b"]),
        ("a<!--->b", ["a", "b"]),
        ("a<!-- x --!>b", ["a", "b"]),
        ("a<!-- x > b", ["a", " b"]),
        ("<!DOCTYPE html>a<?xml?>b<![if !mso]>c", ["a", "b", "c"]),
        ("a<!", ["a"]),
        # The content of some elements is no markup.
        ("<style>p{}</style>a", [start("style"), Raw("style", "p{}"), end("style"), "a"]),
        ("<TEXTAREA><b>", [start("textarea"), Raw("textarea", ""), start("b")]),
        ("<script>if(a<b)</SCRIPT >", [start("script"), Raw("script", "if(a<b)"), end("script")]),
        ("<title>a</titles>b", [start("title"), Raw("title", "a"), end("titles"), "b"]),
        ("<script>a<p>b", [start("script"), Raw("script", "a<p>b")]),
    ],
)
def test_html_is_cut_into_tags_and_texts(html: str, found: list[Token]) -> None:
    assert list(tokens(html)) == found


@pytest.mark.parametrize(
    ("html", "attributes"),
    [
        (
            "<a HREF = 'x>y' b=\"&amp;\" c=d/ e href=z>",
            {"href": "x>y", "b": "&", "c": "d/", "e": ""},
        ),
        ("<a b=c/d>", {"b": "c/d"}),
        ("<a =b c>", {"c": ""}),
        ("<a/b/c=d>", {"b": "", "c": "d"}),
        ("<a b='&lt;\"'>", {"b": '<"'}),
        ("<a b=''>", {"b": ""}),
        ("<a\nb\t=\n'c'>", {"b": "c"}),
    ],
)
def test_attributes_are_read_however_they_are_quoted(html: str, attributes: dict[str, str]) -> None:
    assert list(tokens(html)) == [Tag("a", False, attributes)]


def test_attributes_are_limited_in_number_and_length() -> None:
    many = "".join(f" a{n}='{'x' * 5000}'" for n in range(100))
    [tag] = tokens(f"<p{many}>")
    assert isinstance(tag, Tag)
    assert len(tag.attributes) == MAX_ATTRIBUTES
    assert max(map(len, tag.attributes.values())) <= MAX_VALUE


def test_after_a_comment_without_an_end_each_ends_at_its_first_bracket() -> None:
    assert list(tokens("<!-- a > b <!-- c > d")) == [" b ", " d"]


@given(st.text("<>/!-?='\" abp&;", max_size=60))
def test_whatever_comes_texts_and_tags_come_out_in_order(html: str) -> None:
    at = 0
    for token in tokens(html):
        if isinstance(token, str) and "&" not in html:
            at = html.index(token, at) + len(token)
