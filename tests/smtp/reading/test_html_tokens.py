"""HTML as tags, raw texts and texts."""

from __future__ import annotations

from bridge.smtp.reading.html_tokens import Tag, tokens


def test_tags_as_they_are_written() -> None:
    [tag] = tokens("<A HREF = 'x>y' b=\"&amp;\" c=d/ e href=z>")
    assert tag == Tag("a", False, {"href": "x>y", "b": "&", "c": "d/", "e": ""})
    assert list(tokens("a<b")) == ["a"]
    assert list(tokens("</>x</ b>y")) == ["x", "y"]
