"""Splits HTML into tags and texts, in linear time.

No tree is built: mails are often not well-formed, and only a few rules of the standard (implied
ends, raw text) change the visible content. The layout (:mod:`bridge.smtp.reading.html`) applies
them.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

_NAME = re.compile(r"[a-zA-Z][^\s/>]*+")
# The standard's attribute: characters that are not allowed in names are skipped.
_ATTRIBUTE = re.compile(r"[\s/]*+([^\s/>=]*+)(?:\s*+=\s*+(\"[^\"]*+\"|'[^']*+'|[^\s>]*+))?")
_COMMENT_END = re.compile("--!?>")
#: Elements whose content is neither markup nor visible.
_RAW = frozenset({"script", "style", "title", "textarea", "xmp", "iframe", "noembed", "noframes"})
_RAW_ENDS = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in _RAW}
#: Most attributes of an element, and the longest value.
MAX_ATTRIBUTES = 64
MAX_VALUE = 4096


class Tag(NamedTuple):
    """A start or end tag; names in lower case; of equal attributes the first counts."""

    name: str
    end: bool
    attributes: dict[str, str]


class Raw(NamedTuple):
    """The content of an element with raw text."""

    name: str
    text: str


Token = Tag | Raw | str
_NONE: dict[str, str] = {}


def tokens(html: str) -> Iterator[Token]:
    """The tags and the texts between them, without comments and declarations.

    A tag or a script without an end continues to the end of the input. A comment ends then at its
    first ``>``, and other raw text at the next tag: the rest of the mail must not be lost.
    """
    at = 0
    #: Names of raw texts, and "!" for comments, without a further end: it is not searched again.
    endless: set[str] = set()
    while (opens := html.find("<", at)) >= 0:
        if opens > at:
            yield _text(html[at:opens])
        following = html[opens + 1 : opens + 2]
        if following == "/" or following.isalpha():
            name = _NAME.match(html, opens + 1 + (following == "/"))
            if name is None:
                # "</>" and "</ …" are skipped, as in the standard.
                at = html.find(">", opens) + 1
                if at == 0:
                    return
                continue
            tag, at = _tag(html, name, end=following == "/")
            if tag is None:
                return
            yield tag
            if not tag.end and tag.name in _RAW:
                stop = _end_of_raw(html, at, tag.name, endless)
                yield Raw(tag.name, html[at:stop])
                at = stop
        elif following in ("!", "?"):
            at = _after_declaration(html, opens, endless)
        else:
            yield "<"
            at = opens + 1
    if at < len(html):
        yield _text(html[at:])


def _end_of_raw(html: str, at: int, name: str, endless: set[str]) -> int:
    if name not in endless and (closing := _RAW_ENDS[name].search(html, at)):
        return closing.start()
    endless.add(name)
    end = html.find("<", at) if name != "script" else -1
    return end if end >= 0 else len(html)


def _text(text: str) -> str:
    return unescape(text) if "&" in text else text


def _after_declaration(html: str, opens: int, endless: set[str]) -> int:
    """The position after a comment, a doctype, a conditional or a processing instruction."""
    if html.startswith("<!--", opens):
        if html.startswith((">", "->"), opens + 4):
            return html.find(">", opens) + 1
        if "!" not in endless and (ended := _COMMENT_END.search(html, opens + 4)):
            return ended.end()
        endless.add("!")
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
            at += 1  # "=" in place of a name
            continue
        at = found.end()
        if found[1] and len(attributes) < MAX_ATTRIBUTES:
            value = (found[2] or "")[:MAX_VALUE]
            if value[:1] in ('"', "'"):
                value = value.strip(value[0])
            attributes.setdefault(found[1].lower(), _text(value))
    return None, at
