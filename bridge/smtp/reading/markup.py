"""Markup in plain text: HTML under a wrong label, character references, and the tags of
text/enriched (RFC 1896)."""

from __future__ import annotations

import re
from html import unescape

#: The beginning of a document.
_DOCUMENT = re.compile(
    r"(?:\s|<!--[^<>]{0,200}-->){0,99}(?:<!doctype html"
    r"|<\?xml[^>]{0,99}\?>\s{0,9}<(?:!doctype )?html|<html|<head|<body|<meta|<style)",
    re.IGNORECASE,
)
_BLOCKS = "p|div|table|tbody|tr|td|th|ul|ol|li|center|h[1-6]|html|body|blockquote|pre|section"
_INLINE = "span|font|b|i|u|s|a|em|strong|small|big|sub|sup|code|tt"
#: An end tag, which a text without markup does not have, and what it needs before it.
_END = re.compile(rf"</({_BLOCKS}|{_INLINE})>", re.IGNORECASE)
_START = re.compile(rf"<({_BLOCKS}|{_INLINE})(?:\s[^<>]{{0,400}})?>", re.IGNORECASE)
_BLOCK = re.compile(rf"<(?:{_BLOCKS})[\s>]", re.IGNORECASE)
#: A line break: one that touches a word, or two; a text about it has blanks around it.
_BREAK = re.compile(
    r"(?<=\S)<br\s{0,3}/?>|<br\s{0,3}/?>(?=\S)|<br\s{0,3}/?>[^<]*+<br\s{0,3}/?>", re.IGNORECASE
)
#: A bracket of the text: an address, a comparison.
_BRACKET = re.compile(
    rf"<(?!/?(?:{_BLOCKS}|{_INLINE}|br|hr|img|title|head|style|meta|script|thead|tfoot|dl|dt|dd|o:p)"
    r"(?=[\s/>])|!--|!doctype|!\[|\?xml)",
    re.IGNORECASE,
)
#: Character references: programs escape plain texts as if they were HTML (Grafana), and no person
#: types them.
_REFERENCE = re.compile(
    r"&(?:#\d{2,7}|#[xX][0-9a-fA-F]{2,6}|amp|lt|gt|nbsp|quot|apos|[lr]s?aquo|[nm]dash|hellip|euro"
    r"|deg|middot|bull|[lrbs][sd]quo|[aeiouyAEIOUY](?:uml|acute|grave|circ)|szlig|[cC]cedil|[nN]tilde);"
)
#: Any reference that ends as it must: "&copy=1" in an address is none.
_ENDED = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
#: A tag that is cut, at the end of the text.
_CUT_TAG = re.compile(
    rf"<(?:/(?:{_BLOCKS}|{_INLINE})|(?:{_BLOCKS}|{_INLINE})\s[^<>]{{0,400}})\Z", re.I
)
_ENRICHED = re.compile(r"<(?:/?[a-z-]{1,60})>|<<", re.IGNORECASE)


def of_enriched(text: str) -> str:
    """The text without its commands."""
    return _ENRICHED.sub(lambda found: "<" if found[0] == "<<" else "", text)


def html_under_another_label(text: str) -> str | None:
    """The HTML in a part labelled as plain text; ``None`` if it is plain text.

    It is HTML if it begins as a document, or has an element with start and end, or a line break.
    """
    if _DOCUMENT.match(text):
        return text
    ends = {name.lower() for name in _END.findall(text)}
    starts = {name.lower() for name in _START.findall(text)} if ends else ends
    if ends.isdisjoint(starts) and not _BREAK.search(text):
        return None
    html = _BRACKET.sub("&lt;", _CUT_TAG.sub("", text))
    # Between inline elements the text's own line ends count.
    return html if _BLOCK.search(html) or "\n" not in text.strip() else html.replace("\n", "<br>")


def has_references(text: str) -> bool:
    """Whether a plain text has character references of HTML."""
    return _REFERENCE.search(text) is not None


def without_references(text: str) -> str:
    """The text with the characters in place of their references."""
    if not has_references(text):
        return text
    return _ENDED.sub(lambda found: unescape(found[0]), text)
