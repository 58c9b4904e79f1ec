"""The documents, cut into what the tests look at: fenced blocks, tables, code in sentences."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).parents[2]
#: The front page and every page behind it, by their paths.
PAGES = {
    str(file.relative_to(REPOSITORY)): file.read_text("utf-8")
    for file in [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("**/*.md"))]
}
#: And those for developers.
ALL = PAGES | {
    name: (REPOSITORY / name).read_text("utf-8")
    for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")
}
FENCED = re.compile(r"^```([\w-]*)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """A fenced block."""

    page: str
    #: The nearest heading above it.
    heading: str
    language: str
    text: str

    @property
    def lines(self) -> list[str]:
        """Its lines, those that a backslash continues joined."""
        return self.text.replace("\\\n", " ").splitlines()


def blocks_of(page: str) -> Iterator[Block]:
    text = ALL[page]
    for found in FENCED.finditer(text):
        # A comment of a shell or a configuration is no heading.
        before = FENCED.sub("", text[: found.start()])
        headings = re.findall(r"^#+ (.+)$", before, re.M)
        yield Block(page, headings[-1] if headings else "", found[1], found[2])


BLOCKS = [block for page in ALL for block in blocks_of(page)]


def in_code(text: str) -> list[str]:
    """The text between single backquotes, outside of fenced blocks."""
    text = FENCED.sub("", text)
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]
