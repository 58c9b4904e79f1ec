"""The configurations in the documents, for tests with their programs."""

from __future__ import annotations

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def blocks(page: str, heading: str, language: str = "") -> list[str]:
    """The fenced blocks of a language under a heading of a page, up to the next heading."""
    text = (DOCS / page).read_text("utf-8")
    found = re.search(rf"^#+ {re.escape(heading)}\n(.*?)(?=^#+ |\Z)", text, re.M | re.S)
    assert found, f"{page} has no heading {heading!r}"
    fenced = re.findall(r"^```(\S*)\n(.*?)^```$", found[1], re.M | re.S)
    return [block for named, block in fenced if named == language]


def block(page: str, heading: str, language: str = "") -> str:
    """The only block of a language under a heading."""
    [only] = blocks(page, heading, language)
    return only


def replaced(text: str, *changes: tuple[str, str]) -> str:
    """A configuration with the addresses and files of the test; each replaced text must occur."""
    for old, new in changes:
        assert old in text, f"{old!r} is not in the recipe"
        text = text.replace(old, new)
    return text
