"""Markup in plain text: HTML under a wrong label, and the tags of text/enriched (RFC 1896)."""

from __future__ import annotations

import re

_LOOKS_LIKE_HTML = re.compile(
    r"\s{0,99}(?:<!doctype html|<\?xml[^>]{0,99}\?>\s{0,9}<(?:!doctype )?html|<html|<head|<body"
    r"|<(?:p|div|table|span|font|center|style|meta|h[1-6]|b|br|ul|a)\b[^<>]{0,400}>)",
    re.IGNORECASE,
)
_MARKUP = re.compile(
    r"</(?:p|div|table|span|font|center|style|h[1-6]|b|ul|a|html|body)>|<br "
    r"?/?>",
    re.I,
)
_BREAK = re.compile(r"<br ?/?>", re.IGNORECASE)
_ENRICHED = re.compile(r"<(?:/?[a-z-]{1,60})>|<<", re.IGNORECASE)


def of_enriched(text: str) -> str:
    """The text without its commands."""
    return _ENRICHED.sub(lambda found: "<" if found[0] == "<<" else "", text)


def html_under_another_label(text: str) -> str | None:
    """The HTML in a part labelled as plain text; ``None`` if it is plain text."""
    if _LOOKS_LIKE_HTML.match(text) and _MARKUP.search(text):
        return text
    if len(_BREAK.findall(text)) < 2:
        return None
    # A plain text with <br>: its own line ends count too.
    return text.replace("\n", "<br>") if "\n" in text.strip() else text
