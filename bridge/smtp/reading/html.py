"""HTML to text: the visible content, line by line.

Decides which elements begin a line or are omitted, and the form of links and table cells. Lines in
quotations can be marked (:data:`QUOTED`), so that the rules for plain texts decide about cuts.
"""

from __future__ import annotations

import re
from itertools import islice
from typing import NamedTuple

from bridge.smtp.reading.html_hidden import (
    NO_MARKS,
    Hidden,
    Marks,
    font_is_tiny,
    hides,
    is_shown,
    own_style,
)
from bridge.smtp.reading.html_quotes import draws_rule, quote_or_signature
from bridge.smtp.reading.html_tokens import Raw, Tag, tokens
from bridge.smtp.reading.links import MAX_LINKS, target_of

#: Marks every line in a quotation. No text contains it, and cleaning removes it.
QUOTED = "\x01"
#: Marks the first line below the rule that Outlook draws above a quoted header.
BELOW_RULE = "\x02"

_CONTROLS = re.compile("[\x00-\x08\x0b\x0e-\x1f]+")
#: HTML's white space, which collapses into one space.
_BLANKS = re.compile("[ \t\n\r\f]+")
_VISIBLE = re.compile("[^\\s\xa0\u200b-\u200f\u2060\xad\u034f\ufeff]")

_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param"}
    | {"source", "track", "wbr"}
)
_UNSEEN = frozenset({"head", "template", "svg", "math", "datalist", "object", "select", "map"})
#: What may stand in the head.
_OF_HEAD = frozenset(
    {"base", "link", "meta", "title", "style", "script", "noscript", "template", "object", "head"}
    | {"xml", "basefont", "bgsound"}
)
#: Raw text that is shown.
_SHOWN_RAW = frozenset({"textarea", "xmp"})
#: Elements on their own lines …
_LINES = frozenset(
    {"address", "article", "aside", "body", "caption", "center", "dd", "details", "dialog", "dir"}
    | {"div", "dt", "fieldset", "figcaption", "figure", "footer", "form", "header", "hgroup"}
    | {"html", "li", "legend", "main", "menu", "nav", "section", "summary", "tbody", "tfoot"}
    | {"thead", "tr", "pre"}
)
#: … and elements with blank lines around them.
_PARAGRAPHS = frozenset(
    {"blockquote", "dl", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "ol", "p", "table", "ul"}
)
_CELLS = frozenset({"td", "th"})
#: Start tag → the open elements that it closes, and the elements that limit this.
_ENDS: dict[str, tuple[str, ...]] = {
    "li": ("ul", "ol", "menu", "dir"),
    "dt": ("dl",),
    "dd": ("dl",),
    "td": ("tr", "table", "tbody", "thead", "tfoot"),
    "th": ("tr", "table", "tbody", "thead", "tfoot"),
    "tr": ("table", "tbody", "thead", "tfoot"),
}
_INLINE = frozenset({"a", "b", "big", "code", "em", "font", "i", "small", "span", "strong", "u"})


class _Open(NamedTuple):
    """An open element, and its properties for the content."""

    name: str
    hidden: bool
    tiny: bool
    quoted: int
    verbatim: bool
    in_cell: bool
    marks: Marks


class _Target(NamedTuple):
    """The target of a link, written after its text; ``begins``: the link began its line."""

    url: str
    begins: bool


_Line = list["str | _Target"]
_ROOT = _Open("", hidden=False, tiny=False, quoted=0, verbatim=False, in_cell=False, marks=NO_MARKS)


def text_of_html(html: str, *, signatures: bool, marks: bool) -> str:
    """The text, lines ended by LF.

    ``signatures``: include signatures. ``marks``: begin lines of quotations with :data:`QUOTED`,
    and lines below a rule with :data:`BELOW_RULE`.
    """
    if _CONTROLS.search(html):
        html = _CONTROLS.sub("", html)
    layout = _Layout(signatures=signatures, marks=marks)
    for token in tokens(html):
        if isinstance(token, str):
            layout.text(token)
        elif isinstance(token, Raw):
            if token.name == "style":
                layout.hidden.add(token.text)
            elif token.name in _SHOWN_RAW:
                layout.text(token.text)
        elif token.end:
            layout.end(token.name)
        else:
            layout.start(token)
    return layout.result()


class _Layout:
    """Lays the visible content out in lines."""

    def __init__(self, *, signatures: bool, marks: bool) -> None:
        self.hidden = Hidden()
        self._signatures = signatures
        self._marks = marks
        self._open: list[_Open] = [_ROOT]
        self._count: dict[str, int] = {}
        self._lines: list[tuple[bool, _Line]] = []
        self._line: _Line = []
        self._quoted = False
        self._below_rule = False
        self._gap = 0
        self._link: tuple[str, int, int] | None = None
        self._links = 0
        self._pictures: list[str] = []
        # The start of the row and of the cell, for cells that fit on one line.
        self._row = 0
        self._cell = 0
        self._cell_is_empty = False
        self._in_head = False

    # --- what the tags say -----------------------------------------------------------------

    def start(self, tag: Tag) -> None:
        name, attributes = tag.name, tag.attributes
        if self._in_head and name not in _OF_HEAD:
            self._end_head()
        elif name == "head":
            self._in_head = True
        if name in _VOID:
            self._void(name, attributes)
            return
        self._imply_ends(name)
        top = self._open[-1]
        style = own_style(attributes) if attributes else ""
        tiny = font_is_tiny(style) if style else None
        is_one = quote_or_signature(attributes) if attributes else ""
        hidden = top.hidden or name in _UNSEEN or "hidden" in attributes
        hidden = hidden or (style != "" and hides(style))
        marks = self.hidden.marks(name, attributes)
        if marks and not hidden:
            hiding, by_sheet = self.hidden.effect(marks, self._ancestors)
            hidden = hiding and not is_shown(style)
            tiny = by_sheet if tiny is None else tiny
        hidden = hidden or (is_one == "signature" and not self._signatures)
        self._open.append(
            _Open(
                name,
                hidden,
                top.tiny if tiny is None else tiny,
                top.quoted + (name == "blockquote" or is_one == "quote"),
                top.verbatim or name == "pre" or "white-space:pre" in style,
                name in _CELLS or (top.in_cell and name != "table"),
                marks,
            )
        )
        self._count[name] = self._count.get(name, 0) + 1
        if hidden:
            return
        if draws_rule(attributes, style):
            self._below_rule = self._marks
        self._break_before(name, self._margin(name, attributes, style))
        if name == "a":
            self._end_link()
            href = attributes.get("href", "")
            self._link = (href, len(self._lines), len(self._line)) if href else None

    def _end_head(self) -> None:
        """Its end tag may be missing: it ends before the first element or text of the body."""
        self._in_head = False
        self.end("head")

    def _ancestors(self) -> list[Marks]:
        return [one.marks for one in self._open[-100:]]

    def end(self, name: str) -> None:
        if name == "p" and not self._count.get(name):
            self._break(2)  # By the standard, an end tag without a start makes an empty paragraph.
            return
        if not self._count.get(name):
            return
        while True:
            closed = self._close()
            if closed.name == name:
                return

    def _close(self) -> _Open:
        closed = self._open.pop()
        self._count[closed.name] -= 1
        if closed.name == "a" and not closed.hidden:
            self._end_link()
        if not closed.hidden and (closed.name in _LINES or closed.name in _PARAGRAPHS):
            loose = closed.name in _PARAGRAPHS and not closed.in_cell
            self._break(2 if loose and closed.name != "table" else 1)
        return closed

    def _imply_ends(self, name: str) -> None:
        """Closes elements that the standard closes before this start tag."""
        holders = _ENDS.get(name)
        if holders is not None:
            if any(map(self._count.get, holders)):
                while self._open[-1].name not in holders:
                    self._close()
        elif (name in _LINES or name in _PARAGRAPHS) and self._count.get("p"):
            at = len(self._open) - 1
            while at and self._open[at].name in _INLINE and len(self._open) - at < 16:
                at -= 1
            if self._open[at].name == "p":
                link, links = self._link, self._links
                closed = [self._close() for _ in self._open[at:]]
                anchor = next((one for one in closed if one.name == "a"), None)
                if link and anchor and self._links == links:
                    # It goes on behind the paragraph.
                    self._open.append(anchor)
                    self._count["a"] += 1
                    self._link = (link[0], len(self._lines), len(self._line))

    def _void(self, name: str, attributes: dict[str, str]) -> None:
        top = self._open[-1]
        if top.hidden:
            return
        if name == "br":
            self._break(1 if self._line else 2)
        elif name == "hr":
            self._break(1)
        elif name == "img":
            alt = attributes.get("alt", "").strip()
            if alt and len(self._pictures) < 20:
                self._pictures.append(alt)

    def _margin(self, name: str, attributes: dict[str, str], style: str) -> int:
        """The number of line ends before an element: 0, 1, or 2 for a blank line."""
        if name in _LINES or name == "table":
            return 1
        if name not in _PARAGRAPHS:
            return 0
        return 1 if self._open[-1].in_cell else 2

    def _break_before(self, name: str, margin: int) -> None:
        if name == "tr":
            self._break(1)
            self._row = self._cell = len(self._lines)
        elif name in _CELLS:
            self._begin_cell()
        elif margin and not self._cell_is_empty:
            self._break(margin)

    def _begin_cell(self) -> None:
        """Continues the line of the previous cell, if that was a single line."""
        lines = len(self._lines)
        if not self._line and self._row < lines == self._cell + 1 and self._gap <= 1:
            self._quoted, self._line = self._lines.pop()
            self._gap = 0
        if self._line:
            last = self._line[-1]
            if not isinstance(last, str) or not last.endswith(" "):
                self._line.append(" ")
            self._cell_is_empty = True
        self._cell = len(self._lines)

    # --- texts and lines -------------------------------------------------------------------

    def text(self, text: str) -> None:
        if self._in_head and self._open[-1].name == "head" and not text.isspace():
            self._end_head()
        top = self._open[-1]
        if top.hidden or top.tiny:
            return
        if top.verbatim and "\n" in text:
            for number, line in enumerate(text.split("\n")):
                if number:
                    self._break(1 if self._line else 2)
                if line.strip():
                    self._append(line, top)
            return
        text = _BLANKS.sub(" ", text)
        if text == " ":
            if self._line and not self._ends_in_a_blank():
                self._line.append(" ")
            return
        if text[:1] == " " and (not self._line or self._ends_in_a_blank()):
            text = text[1:]
        if text:
            self._append(text, top)

    def _ends_in_a_blank(self) -> bool:
        last = self._line[-1]
        return isinstance(last, str) and last.endswith(" ")

    def _append(self, text: str, top: _Open) -> None:
        if not self._line:
            self._quoted = top.quoted > 0
            if self._below_rule:
                text = BELOW_RULE + text
                self._below_rule = False
        self._cell_is_empty = False
        self._line.append(text)

    def _break(self, gap: int) -> None:
        """Ends the line; with ``gap`` 2 a blank line follows."""
        line = self._line
        if line:
            self._line = []
            if any(_VISIBLE.search(piece) for piece in line if isinstance(piece, str)):
                if self._gap > 1 and self._lines:
                    self._lines.append((self._quoted, []))
                    self._cell += 1
                self._lines.append((self._quoted, line))
                self._gap = gap
                return
            gap = 2  # A line with only a space is a blank line.
        self._gap = max(self._gap, gap)

    def _end_link(self) -> None:
        if self._link is None:
            return
        href, lines, pieces = self._link
        self._link = None
        if len(self._lines) != lines:
            pieces = 0
            if not self._line and self._lines:
                # The element with the link's text has ended its line.
                last = self._lines[-1][1]
                self._add_target(last, href, 0)
                return
        self._add_target(self._line, href, pieces)

    def _add_target(self, line: _Line, href: str, begins_at: int) -> None:
        text = "".join(piece for piece in line[begins_at:] if isinstance(piece, str)).strip("\xa0 ")
        url = target_of(href, text) if _VISIBLE.search(text) else ""
        if url:
            self._links += 1
            before = any(
                not isinstance(one, str) or one.strip("\xa0 ") for one in islice(line, begins_at)
            )
            line.append(_Target(url, begins=not before))

    # --- the whole -------------------------------------------------------------------------

    def result(self) -> str:
        self._end_link()
        self._break(0)
        with_links = self._links <= MAX_LINKS
        out = []
        for quoted, line in self._lines:
            mark = QUOTED if quoted and self._marks and line else ""
            out.append(mark + _written(line, with_links=with_links))
        text = "\n".join(out)
        return text if text.strip() else "\n".join(self._pictures)


def _written(line: _Line, *, with_links: bool) -> str:
    out = []
    last = len(line) - 1
    while last >= 0 and line[last] == " ":
        last -= 1
    for at, piece in enumerate(line):
        if isinstance(piece, str):
            out.append(piece)
        elif with_links:
            # A space before the full stop, so that phones find the end of the address.
            ends = at == last and not piece.begins
            blank = "" if out and out[-1].endswith(" ") else " "
            out.append(f"{blank}{piece.url}" if ends else f"{blank}({piece.url})")
    text = "".join(out)
    # The space belongs to a signature's mark (RFC 3676 §4.3).
    return text.strip(" ") if text not in ("-- ", "--\xa0") else "-- "
