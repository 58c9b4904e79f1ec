"""Which part of a mail is its text, and that text out of its transfer encoding and charset.

A mail of one text/plain part, which most programs send, never meets the ``email`` package; only
multipart does, after bounds on its size in parts were checked. Raises
:class:`~bridge.model.failure.Failure` for what holds no text that could be sent.
"""

from __future__ import annotations

import re
from binascii import Error as Base64Error
from binascii import a2b_base64, a2b_qp
from collections.abc import Iterator
from email.message import Message
from email.parser import BytesParser
from email.policy import compat32
from typing import Literal

from resiliparse.extract.html2text import extract_plain_text

from bridge.model.failure import Failure, Reason
from bridge.smtp.reading.charset import decode
from bridge.smtp.reading.header import ContentType, Fields, content_type, first
from bridge.smtp.reading.text import (
    is_encrypted,
    lines_ended_by_lf,
    unflow,
    unsigned,
    without_pictures,
)

Attachments = Literal["ignore", "refuse"]

#: Bounds of a multipart mail, checked before it is parsed (lines, levels) and while it is walked.
MAX_LINES = 250_000
MAX_LEVELS = 40
MAX_PARTS = 250
#: Lines that look like a boundary; each may cost a part's parsing before parts are counted.
MAX_BOUNDARIES = 4 * MAX_PARTS
#: An HTML text above this is no short message, and its parser is not linear in every case.
MAX_HTML = 512 * 1024

#: Elements that a reader does not see: preview texts and their like.
HIDDEN = (
    "[hidden]",
    '[style*="display:none" i]',
    '[style*="display: none" i]',
    '[style*="mso-hide:all" i]',
    '[style*="mso-hide: all" i]',
)
#: How mail programs mark what a reply quotes …
QUOTES = (
    ".gmail_quote",
    ".moz-cite-prefix",
    'blockquote[type="cite"]',
    ".yahoo_quoted",
    ".protonmail_quote",
    ".zmail_extra",
)
#: … and signatures, which are cut with it.
SIGNATURES = (".gmail_signature", ".moz-signature", ".protonmail_signature_block")

#: Encrypted, or wrapped in a signature that nothing but its own software opens (RFC 8551 §3.5.2).
_ENCRYPTED = frozenset(
    {"multipart/encrypted", "application/pkcs7-mime", "application/x-pkcs7-mime"}
)
_IDENTITY = frozenset({b"", b"7bit", b"8bit", b"binary"})
_ENCODINGS = _IDENTITY | {b"quoted-printable", b"base64"}
_BLANKS = re.compile(r"[ \t\xa0]+")
#: What may open a level: a multipart's boundary, a forwarded mail.
_LEVELS = re.compile(rb"boundary\s*\*?\d*\*?\s*=|message/", re.IGNORECASE)


def text_of_body(
    mail: bytes,
    fields: Fields,
    body: bytes,
    *,
    fallback: str,
    attachments: Attachments,
    cut_quotes: bool,
) -> str:
    """The mail's text, lines ended by LF; empty where it has none.

    ``mail`` is the whole mail of which ``fields`` and ``body`` are the two halves.
    """
    kind = content_type(fields)
    if kind.kind.startswith("multipart/"):
        return _of_multipart(mail, fallback, attachments, cut_quotes)
    if kind.kind in _ENCRYPTED:
        raise Failure(Reason.UNDECODABLE_TEXT, "encrypted")
    if kind.kind not in _TEXTS or _is_file(kind, first(fields, b"content-disposition")):
        if attachments == "refuse":
            raise Failure(Reason.UNDECODABLE_TEXT, "attachments are not accepted")
        return ""
    octets = _decoded(body, first(fields, b"content-transfer-encoding"))
    return _TEXTS[kind.kind](octets, kind, fallback, cut_quotes)


def _decoded(body: bytes, encoding: bytes) -> bytes:
    """The octets under a Content-Transfer-Encoding (RFC 2045 §6)."""
    encoding = encoding.lower()
    if encoding in _IDENTITY:
        return body
    if encoding == b"quoted-printable":
        return a2b_qp(body)
    if encoding != b"base64":
        raise _unknown_encoding(encoding)
    try:
        return a2b_base64(body)
    except Base64Error:
        pass
    try:  # Cut short or its padding forgotten: what is there is readable.
        return a2b_base64(body.rstrip(b"= \t\n") + b"==")
    except Base64Error:
        raise Failure(Reason.UNDECODABLE_TEXT, "broken base64") from None


def _unknown_encoding(encoding: bytes) -> Failure:
    named = encoding[:30].decode("ascii", "replace")
    return Failure(Reason.UNDECODABLE_TEXT, f"unknown Content-Transfer-Encoding {named}")


def _plain(octets: bytes, kind: ContentType, fallback: str, cut_quotes: bool) -> str:
    text = lines_ended_by_lf(decode(octets, kind.charset, fallback))
    if "-----BEGIN PGP" in text:
        if is_encrypted(text):
            raise Failure(Reason.UNDECODABLE_TEXT, "encrypted")
        text = unsigned(text)
    text = without_pictures(text)
    return unflow(text, kind.delsp) if kind.flowed else text


_META_CHARSET = re.compile(rb"<meta[^>]{1,200}charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)


def _html(octets: bytes, kind: ContentType, fallback: str, cut_quotes: bool) -> str:
    if len(octets) > MAX_HTML:
        raise Failure(Reason.TEXT_TOO_LONG, "HTML of more than 512 KB")
    charset = kind.charset
    if not charset:
        meta = _META_CHARSET.search(octets, 0, 2048)
        charset = meta[1].decode("ascii") if meta else ""
    # A NUL ends the parser's input early.
    html = decode(octets, charset, fallback).replace("\0", "")
    text = extract_plain_text(
        html.encode("utf-8", "replace").decode(),
        preserve_formatting=True,
        alt_texts=False,
        list_bullets=False,
        skip_elements=[*HIDDEN, *QUOTES, *SIGNATURES] if cut_quotes else [*HIDDEN],
    )
    # Blanks are layout in HTML, also those that stand for the indent of a list.
    return _BLANKS.sub(" ", lines_ended_by_lf(text)).replace("\n ", "\n")


_TEXTS = {"text/plain": _plain, "text/html": _html}


def _is_file(kind: ContentType, disposition: bytes) -> bool:
    """Whether a part is something to be saved rather than read (RFC 2183 §2)."""
    disposition = disposition.lower()
    return disposition.startswith(b"attachment") or (kind.named and b"inline" not in disposition)


def _of_multipart(mail: bytes, fallback: str, attachments: Attachments, cut_quotes: bool) -> str:
    if mail.count(b"\n") > MAX_LINES:
        raise Failure(Reason.BAD_PARAMETER, f"more than {MAX_LINES} lines")
    # Every level has a Content-Type with a boundary of its own, or is a forwarded mail: so many
    # in one mail are refused without finding out how they are arranged.
    if len(_LEVELS.findall(mail)) > MAX_LEVELS or mail.count(b"\n--") > MAX_BOUNDARIES:
        raise Failure(Reason.BAD_PARAMETER, "too many parts, or nested too deeply")
    try:
        root = BytesParser(policy=compat32).parsebytes(mail)
        return _Reader(fallback, attachments, cut_quotes).read(root)
    except RecursionError as error:
        raise Failure(Reason.BAD_PARAMETER, "parts nested too deeply") from error


class _Reader:
    """Walks the parts of one parsed mail."""

    def __init__(self, fallback: str, attachments: Attachments, cut_quotes: bool) -> None:
        self._fallback = fallback
        self._attachments = attachments
        self._cut_quotes = cut_quotes
        self._seen = 0

    def read(self, root: Message) -> str:
        return "\n".join(text for _, text in self._texts(root, 0, related=False))

    def _texts(self, part: Message, depth: int, *, related: bool) -> Iterator[tuple[str, str]]:
        """The kind and text of every part to be read under ``part``."""
        self._seen += 1
        if depth > MAX_LEVELS or self._seen > MAX_PARTS:
            raise Failure(Reason.BAD_PARAMETER, "too many parts, or nested too deeply")
        fields = _fields(part)
        kind = content_type(fields)
        if kind.kind in _ENCRYPTED:
            raise Failure(Reason.UNDECODABLE_TEXT, "encrypted")
        if kind.kind.startswith("multipart/") and part.is_multipart():
            yield from self._of_container(kind.kind, part, depth)
        elif kind.kind.startswith("multipart/"):
            # Its boundary never came: what is there is read as text.
            yield from self._of_leaf(part, fields, ContentType(charset=kind.charset))
        elif kind.kind in _TEXTS and not _is_file(kind, first(fields, b"content-disposition")):
            yield from self._of_leaf(part, fields, kind)
        elif self._attachments == "refuse" and not related:
            raise Failure(Reason.UNDECODABLE_TEXT, "attachments are not accepted")

    def _of_container(self, kind: str, part: Message, depth: int) -> Iterator[tuple[str, str]]:
        payload = part.get_payload()
        children = [p for p in payload if isinstance(p, Message)]
        if kind == "multipart/alternative":
            # RFC 2046 §5.1.4 prefers the last; a phone shows text, so the plain one wins here.
            best = ("", "")
            for child in children:
                for found in self._texts(child, depth + 1, related=False):
                    better = not best[0] or (found[0] == "text/plain" != best[0])
                    if better and found[1].strip():
                        best = found
                if best[0] == "text/plain" and self._attachments == "ignore":
                    break  # Nothing is left that matters: the HTML need not be read.
            yield best
        elif kind in ("multipart/related", "multipart/signed"):
            # The root stands first (RFC 2387 §3.2); pictures or a signature follow.
            for child in children[:1]:
                yield from self._texts(child, depth + 1, related=False)
        else:
            for child in children:
                yield from self._texts(child, depth + 1, related=False)

    def _of_leaf(
        self, part: Message, fields: Fields, kind: ContentType
    ) -> Iterator[tuple[str, str]]:
        encoding = first(fields, b"content-transfer-encoding")
        if encoding.lower() not in _ENCODINGS:
            raise _unknown_encoding(encoding)
        # With decode=False the package would decode the charset too, and lossily.
        octets = part.get_payload(decode=True)
        if isinstance(octets, bytes):
            yield kind.kind, _TEXTS[kind.kind](octets, kind, self._fallback, self._cut_quotes)


def _fields(part: Message) -> Fields:
    fields: Fields = {}
    for name, value in part.raw_items():
        octets = str(value).encode("utf-8", "surrogateescape")
        fields.setdefault(name.lower().encode("utf-8", "surrogateescape"), []).append(octets)
    return fields
