"""Decodes the text of one part of a mail: charset, markup, armour.

:mod:`bridge.smtp.reading.body` chooses the part. Raises :class:`~bridge.model.failure.Failure` for
HTML that is too large.
"""

from __future__ import annotations

import re

from bridge.model.failure import Failure, Reason
from bridge.smtp.reading import markup
from bridge.smtp.reading.charset import decoded, fallback_of
from bridge.smtp.reading.content_type import ContentType
from bridge.smtp.reading.html import text_of_html
from bridge.smtp.reading.links import tidied
from bridge.smtp.reading.record import Record
from bridge.smtp.reading.text import (
    clean,
    lines_ended_by_lf,
    unflow,
    without_armour,
    without_files,
)

#: Most octets and tags of an HTML text.
MAX_HTML = 512 * 1024
MAX_TAGS = 20_000
#: Most characters of a plain text that are read: several times the longest message, with room for
#: cuts.
MAX_PLAIN = 256 * 1024

_MARKED_UP = frozenset({"text/enriched", "text/richtext"})

_META_CHARSET = re.compile(
    rb"(?:<meta[^>]{1,200}charset|<\?xml[^>]{1,60}encoding)\s{0,9}=\s{0,9}[\"']?([\w.:-]+)",
    re.IGNORECASE,
)
_DATA_URL = re.compile(rb"data:[a-z]{1,20}/[^\"'\s>]++", re.IGNORECASE)


class PartReader:
    """Reads the parts of one mail.

    ``record`` notes what was unusual, ``fallback`` is the charset of unlabelled texts.
    ``cut_quotes`` omits signatures marked in HTML, and marks quotations
    (:data:`bridge.smtp.reading.html.QUOTED`).
    """

    def __init__(self, record: Record, fallback: str, cut_quotes: bool) -> None:
        self._record = record
        self._fallback = fallback
        self._cut_quotes = cut_quotes

    def read(self, octets: bytes, kind: ContentType) -> tuple[str, str]:
        """The text, lines ended by LF, and the charset by which it was read."""
        if kind.kind == "text/html":
            return self._html(octets, kind.charset)
        text, charset = decoded(octets, kind.charset, self._fallback)
        text = lines_ended_by_lf(text[:MAX_PLAIN])
        if "<" in text:
            text = self._without_markup(text, kind)
        if "&" in text:
            text = markup.without_references(text)
        return self._plain(text, kind), charset

    def _plain(self, text: str, kind: ContentType) -> str:
        if "-----BEGIN PGP" in text:
            text = without_armour(text)
        if "begin " in text and (left := without_files(text)) != text:
            self._record.note("files in uuencode left out")
            text = left
        if kind.flowed:
            text = unflow(text, kind.delsp)
        return tidied(text) if "[" in text or "<" in text or "://" in text else text

    def _without_markup(self, text: str, kind: ContentType) -> str:
        if kind.kind in _MARKED_UP:
            return markup.of_enriched(text)
        html = markup.html_under_another_label(text)
        if html is None:
            return text
        self._record.note("HTML under the label of a plain text")
        return self._rendered(html)

    def _html(self, octets: bytes, charset: str) -> tuple[str, str]:
        if len(octets) > MAX_HTML:
            octets = _DATA_URL.sub(b"", octets)  # Embedded pictures.
            if len(octets) > MAX_HTML:
                raise Failure(Reason.TEXT_TOO_LONG, f"HTML of more than {MAX_HTML // 1024} KB")
        meta = _META_CHARSET.search(octets, 0, 4096) if not octets.isascii() else None
        written = meta[1].decode("ascii") if meta else ""
        if written and not charset:
            charset = written
            self._record.note("charset by the HTML itself")
        html, codec = decoded(octets, charset, fallback_of(written, self._fallback))
        return self._rendered(html), codec

    def _rendered(self, html: str) -> str:
        if html.count("<") > MAX_TAGS:
            raise Failure(Reason.TEXT_TOO_LONG, f"HTML of more than {MAX_TAGS} tags")
        html = lines_ended_by_lf(html)
        text = text_of_html(html, signatures=not self._cut_quotes, marks=self._cut_quotes)
        if self._cut_quotes and not clean(text):
            text = text_of_html(html, signatures=True, marks=True)
        # Unpaired surrogates are replaced.
        text = text.encode("utf-8", "replace").decode()
        return without_armour(text) if "-----BEGIN PGP" in text else text
