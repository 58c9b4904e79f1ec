"""HTML as a row of tags and texts. Every character is looked at a bounded number of times.

No tree is built: what stands in a mail is often no tree, and only a few rules of the standard
(implied ends, raw text) change what a reader sees. Those are the layout's
(:mod:`bridge.smtp.reading.html`).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

_NAME = re.compile(r"[a-zA-Z][^\s/>]*+")
# The standard's attribute: what is no name's character is passed over.
_ATTRIBUTE = re.compile(r"[\s/]*+([^\s/>=]*+)(?:\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|[^\s>]*+))?")
#: Elements whose contents are no markup, and for no reader.
_RAW = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"})
_RAW_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _RAW}
#: No element has more attributes that matter, and what they say is short.
MAX_ATTRIBUTES = 64
MAX_VALUE = 4096


class Tag(NamedTuple):
    """A start or an end of an element; names in lower case, the first of equal attributes."""

    name: str
    end: bool
    attributes: dict[str, str]


class Raw(NamedTuple):
    """What stands in an element whose contents are no markup."""

    name: str
    text: str


Token = Tag | Raw | str
_NONE: dict[str, str] = {}


def tokens(html: str) -> Iterator[Token]:
    """The tags and the texts between them; comments and declarations are left out.

    A comment, a tag or a raw text without an end goes on to the end of it all.
    """
    at = 0
    while (opens := html.find("<", at)) >= 0:
        if opens > at:
            yield _text(html[at:opens])
        following = html[opens + 1 : opens + 2]
        if following == "/" or following.isalpha():
            name = _NAME.match(html, opens + 1 + (following == "/"))
            if name is None:
                # "</>" and "</ …" say nothing; the standard passes over them too.
                at = html.find(">", opens) + 1
                if at == 0:
                    return
                continue
            tag, at = _tag(html, name, end=following == "/")
            if tag is None:
                return
            yield tag
            if not tag.end and tag.name in _RAW:
                closing = _RAW_ENDS[tag.name].search(html, at)
                stop = closing.start() if closing else len(html)
                yield Raw(tag.name, html[at:stop])
                at = stop
        elif following in ("!", "?"):
            at = _after_declaration(html, opens)
        else:
            yield "<"
            at = opens + 1
    if at < len(html):
        yield _text(html[at:])


def _text(text: str) -> str:
    return unescape(text) if "&" in text else text


def _after_declaration(html: str, opens: int) -> int:
    """Where it goes on behind a comment, a doctype, a conditional or a processing instruction."""
    if html.startswith("<!--", opens):
        if html.startswith((">", "->"), opens + 4):
            return html.find(">", opens) + 1
        end = html.find("-->", opens + 4)
        return len(html) if end < 0 else end + 3
    end = html.find(">", opens)
    return len(html) if end < 0 else end + 1


def _tag(html: str, name: re.Match[str], *, end: bool) -> tuple[Tag | None, int]:
    at = name.end()
    word = name[0].lower()
    if html.startswith(">", at):
        return Tag(word, end, _NONE), at + 1
    attributes: dict[str, str] = {}
    while at < len(html):
        if html[at] == ">":
            return Tag(word, end, attributes), at + 1
        found = _ATTRIBUTE.match(html, at)
        if found is None or found.end() == at:
            at += 1  # "=" where a name should be.
            continue
        at = found.end()
        if found[1] and len(attributes) < MAX_ATTRIBUTES:
            value = (found[2] or "")[:MAX_VALUE]
            if value[:1] in ('"', "'"):
                value = value.strip(value[0])
            attributes.setdefault(found[1].lower(), _text(value))
    return None, at
