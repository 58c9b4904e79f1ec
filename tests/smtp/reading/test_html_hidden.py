"""Elements that styles hide."""

from __future__ import annotations

import pytest

from bridge.smtp.reading.html_hidden import NO_MARKS, Hidden, font_is_tiny, hides, own_style


@pytest.mark.parametrize(
    ("style", "hidden"),
    [
        ("display: none", True),
        ("DISPLAY:NONE !important", True),
        ("visibility: hidden", True),
        ("overflow: hidden; height: 0", True),
        ("height: 0", False),
        ("display: block", False),
        ("", False),
    ],
)
def test_a_style_attribute_may_hide(style: str, hidden: bool) -> None:
    assert hides(own_style({"style": style})) is hidden


@pytest.mark.parametrize(
    ("style", "tiny"), [("font-size:1px", True), ("font-size:0", True), ("font-size:12px", False)]
)
def test_letters_may_be_too_small_to_see(style: str, tiny: bool) -> None:
    assert font_is_tiny(own_style({"style": style})) is tiny
    assert font_is_tiny("color:red") is None


def test_a_style_sheet_hides_by_class_id_and_place() -> None:
    hidden = Hidden()
    hidden.add(".preview, #top { display:none } td .note { display:none } p { display:none }")

    def is_hidden(name: str, within: str = "", **attributes: str) -> bool:
        above = [hidden.marks(within, {})] if within else []
        return hidden.effect(hidden.marks(name, attributes), lambda: above)[0]

    assert is_hidden("div", **{"class": "big preview"})
    assert is_hidden("div", id="top")
    assert is_hidden("span", within="td", **{"class": "note"})
    assert not is_hidden("span", **{"class": "note"})
    # A rule for all elements of a name is undone by scripts or other rules.
    assert not is_hidden("p")


def test_media_queries_are_not_read() -> None:
    hidden = Hidden()
    hidden.add("@media print { .x { display:none } }")
    assert hidden.marks("div", {"class": "x"}) == NO_MARKS
