"""Finds the part of a mail with its text, and decodes its transfer encoding.

:mod:`bridge.smtp.reading.part_text` decodes its charset and its markup. Most programs send a single
text/plain part, for which the rules for parts are skipped. Raises
:class:`~bridge.model.failure.Failure` for a mail without a text that can be sent, with the rule.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal, NamedTuple

from bridge.model.failure import Failure, Reason
from bridge.smtp.reading import header, markup, multipart, transfer
from bridge.smtp.reading.charset import decoded, is_binary
from bridge.smtp.reading.charset_labels import REPLACEMENT
from bridge.smtp.reading.content_type import (
    TEXT_PLAIN,
    ContentType,
    content_type,
    has_file_name,
    is_attachment,
)
from bridge.smtp.reading.header import Fields, first
from bridge.smtp.reading.part_text import MAX_HTML, MAX_PLAIN, PartReader
from bridge.smtp.reading.record import Record
from bridge.smtp.reading.text import clean, lines_ended_by_lf

Attachments = Literal["ignore", "refuse"]

#: Limits for a mail with parts.
MAX_LEVELS = 20
MAX_PARTS = 250

#: Encrypted, or in a signature that only its own software can open (RFC 8551 §3.5.2).
_ENCRYPTED = {
    "multipart/encrypted": "encrypted (multipart/encrypted)",
    "application/pkcs7-mime": "encrypted or signed by S/MIME",
    "application/x-pkcs7-mime": "encrypted or signed by S/MIME",
}
#: In an encrypted mail whose container a relay changed to multipart/mixed.
_PGP_CONTROL = "application/pgp-encrypted"
_AS_IT_IS = frozenset({b"", b"7bit", b"8bit"})
#: Texts for programs.
_NOT_FOR_READERS = frozenset(
    {"text/calendar", "text/vcard", "text/x-vcard", "text/directory", "text/css", "text/rtf"}
    | {"text/javascript", "text/rfc822-headers", "text/x-amp-html", "text/x-vcalendar"}
)
#: Mails within the mail: RFC 2046 §5.2.1, with headers in UTF-8 (RFC 6532), of a news server.
_MAIL = "message/rfc822"
_MAILS = frozenset({_MAIL, "message/global", "message/news"})
_OCTETS = frozenset(
    {"application/octet-stream", "application/x-octet-stream", "binary/octet-stream"}
)

#: Never a text, whatever their octets look like.
_MEDIA = ("image/", "audio/", "video/", "font/", "model/", "multipart/")

#: Beginnings of documents that consist of text octets but are not readable text.
_DOCUMENTS = (b"%PDF", b"%!PS", b"{\\rtf", b"BEGIN:V", b"-----BEGIN ")


class _Place(NamedTuple):
    """The likelihood that a part is the text of the mail's sender."""

    own: bool = True
    why: str = ""


_OWN = _Place()
_NAMED = _Place(own=False, why="read although it bears the name of a file: there is no other text")
_BEFORE = _Place(own=False, why="what stands before the parts: there is no other text")
_PASSED_ON = _Place(own=False, why="the mail that is attached: there is no other text")
_UNTYPED = _Place(own=False, why="read although its type is none of a text")


class _Text(NamedTuple):
    """A found text."""

    kind: str
    text: str
    place: str
    role: _Place
    charset: str = ""
    declared: str = ""


def text_of_body(
    fields: Fields,
    body: bytes,
    record: Record,
    *,
    fallback: str,
    attachments: Attachments,
    cut_quotes: bool,
) -> str:
    """The mail's text, lines ended by LF; empty if there is none.

    ``record`` notes the choice; ``cut_quotes`` is that of
    :class:`~bridge.smtp.reading.part_text.PartReader`.
    """
    declared = fields.get(b"content-type")
    kind = content_type(declared[0].strip()) if declared else TEXT_PLAIN
    if (
        kind.is_plain
        and not body.startswith(b"--")
        and body.find(b"\n--") < 0
        and _encoding_of(fields) in _AS_IT_IS
        and b"content-disposition" not in fields
    ):
        # The form of most mails: fast path.
        text, record.charset = decoded(body, kind.charset, fallback)
        record.part, record.declared = "text/plain", kind.charset
        text = lines_ended_by_lf(text[:MAX_PLAIN])
        if (
            "<" not in text
            and "://" not in text
            and "[" not in text
            and "-----" not in text
            and "begin " not in text
            and ("&" not in text or not markup.has_references(text))
            and ("=" not in text or not transfer.is_quoted(body))
            and (" " in text or not transfer.is_base64(body))
            and record.charset != REPLACEMENT
        ):
            return text
    reader = _Reader(record, fallback, attachments, cut_quotes)
    return reader.read(fields, body)


class _Reader:
    """Reads the body of a mail with parts, or with an unusual text."""

    def __init__(
        self, record: Record, fallback: str, attachments: Attachments, cut_quotes: bool
    ) -> None:
        self._record = record
        self._attachments = attachments
        self._part = PartReader(record, fallback, cut_quotes)
        self._seen = 0
        self._left_out: list[str] = []
        # Attached mails, read only if there is no other text: body, encoding, place.
        self._mails: list[tuple[bytes, bytes, str]] = []
        self._preamble = b""

    def read(self, fields: Fields, body: bytes) -> str:
        """The text, lines ended by LF; empty if there is none."""
        found = [one for one in self._texts(fields, body, "", 0, _OWN) if clean(one.text)]
        own = [one for one in found if one.role.own]
        if not own:
            found = found or [one for one in self._others() if clean(one.text)]
            own = found[:1]
            for one in own:
                self._record.note(one.role.why)
        if own and all(one.charset == REPLACEMENT for one in own):
            raise Failure(Reason.UNDECODABLE_TEXT, f"charset {own[0].declared[:40]}")
        own = [one for one in own if one.charset != REPLACEMENT]
        if not own:
            if _PGP_CONTROL in self._left_out:
                raise Failure(Reason.UNDECODABLE_TEXT, "encrypted (OpenPGP)")
            if self._left_out:
                self._record.left_out = "only " + ", ".join(dict.fromkeys(self._left_out[:5]))
            return ""
        if len(own) > 1:
            # Some programs send the text and its HTML as parts of a multipart/mixed.
            own = list({"".join(one.text.split()): one for one in reversed(own)}.values())[::-1]
        self._chosen(own[0])
        if len(own) > 1:
            self._record.note(f"and {len(own) - 1} further texts")
        return "\n".join(one.text for one in own)

    def _chosen(self, one: _Text) -> None:
        record = self._record
        record.part, record.place = one.kind, one.place
        record.charset, record.declared = one.charset, one.declared

    # --- parts -----------------------------------------------------------------------------

    def _texts(
        self, fields: Fields, body: bytes, place: str, depth: int, role: _Place
    ) -> Iterator[_Text]:
        """All texts in one part, in order."""
        self._seen += 1
        if depth > MAX_LEVELS or self._seen > MAX_PARTS:
            raise Failure(
                Reason.BAD_PARAMETER, f"more than {MAX_PARTS} parts or {MAX_LEVELS} levels of them"
            )
        kind = _kind_of(fields, body)
        if kind.kind in _ENCRYPTED:
            raise Failure(Reason.UNDECODABLE_TEXT, _ENCRYPTED[kind.kind])
        disposition = first(fields, b"content-disposition")
        encoding = _encoding_of(fields)
        if kind.kind.startswith("multipart/") or kind.boundary or not depth:
            found = self._parts_of(kind, body, encoding)
            if found is not None:
                yield from self._of_container(kind, found, place, depth, role)
                return
        if is_attachment(disposition) and (depth or kind.kind not in _RANKS):
            self._leave_out(kind)
            if kind.kind in _MAILS:
                self._mails.append((body, encoding, place))
            return
        if kind.kind in _MAILS:
            self._leave_out(kind)
            self._mails.append((body, encoding, place))
            return
        if kind.kind.startswith("multipart/"):
            # Without its boundary the content is read as text.
            self._record.note("multipart without parts")
            kind = ContentType(charset=kind.charset)
        if role is _OWN and has_file_name(kind, disposition):
            role = _NAMED
        if kind.kind.startswith("text/") and kind.kind not in _NOT_FOR_READERS:
            octets = transfer.decoded(body, encoding)
            if transfer.is_quoted(octets):
                self._record.note("quoted-printable without its label")
                octets = transfer.decoded(octets, b"quoted-printable")
            elif octets is body and transfer.is_base64(octets):
                self._record.note("base64 without its label")
                octets = transfer.decoded(octets, b"base64")
            if role is _NAMED and is_binary(octets):
                self._leave_out(ContentType("application/octet-stream"))
            else:
                yield self._text(octets, kind, place, role)
        elif self._may_be_text(kind, depth, role):
            self._leave_out(kind)
            octets = transfer.decoded(body, encoding)
            readable = not octets.lstrip().startswith(_DOCUMENTS) and not is_binary(octets)
            if octets and len(octets) < MAX_HTML and readable:
                yield self._text(octets, ContentType(charset=kind.charset), place, _UNTYPED)
        else:
            self._leave_out(kind)

    def _may_be_text(self, kind: ContentType, depth: int, role: _Place) -> bool:
        """Whether a part of another type is looked at: the only one of a mail, or mere octets."""
        if not depth:
            return not kind.kind.startswith(_MEDIA) and kind.kind not in _NOT_FOR_READERS
        return kind.kind in _OCTETS and role is not _NAMED

    def _leave_out(self, kind: ContentType) -> None:
        if self._attachments == "refuse":
            raise Failure(Reason.UNDECODABLE_TEXT, f"attachments are not accepted ({kind.kind})")
        self._left_out.append(kind.kind)

    def _parts_of(self, kind: ContentType, body: bytes, encoding: bytes) -> list[bytes] | None:
        """The parts, also of a multipart that is encoded as a whole or has a wrong label."""
        declared = kind.kind.startswith("multipart/")
        octets = body
        # Encoded as a whole, contrary to RFC 2045 §6.4: the parts have no encoding of their own, or
        # an encoded one.
        begins = body[:8192].lower()
        whole = encoding and (
            b"content-transfer-encoding" not in begins or transfer.is_quoted_header(begins)
        )
        boundary = b"" if whole else self._boundary(kind, body, declared=declared)
        if not boundary and encoding:
            octets = transfer.decoded(body, encoding)
            if octets is not body:
                octets = octets.replace(b"\r\n", b"\n")
                boundary = self._boundary(kind, octets, declared=declared)
            if not boundary and whole:
                octets = body  # Only the label says that it is encoded.
                boundary = self._boundary(kind, octets, declared=declared)
        if not boundary:
            return None
        if not declared:
            self._record.note(f"parts under the label {kind.kind}")
        if self._seen == 1:
            self._preamble = multipart.preamble(octets, boundary)
        parts = []
        for part in multipart.parts(octets, boundary):
            parts.append(part)
            if len(parts) > MAX_PARTS:
                raise Failure(Reason.BAD_PARAMETER, f"more than {MAX_PARTS} parts")
        return parts

    def _boundary(self, kind: ContentType, body: bytes, *, declared: bool) -> bytes:
        if declared or kind.boundary:
            return multipart.delimiter(body, kind.boundary)
        return multipart.undeclared_delimiter(body)

    def _of_container(
        self, kind: ContentType, parts: list[bytes], place: str, depth: int, role: _Place
    ) -> Iterator[_Text]:
        children = []
        for number, part in enumerate(parts, 1):
            fields, body = header.part(part)
            if kind.kind == "multipart/digest" and b"content-type" not in fields:
                fields[b"content-type"] = [_MAIL.encode()]  # RFC 2046 §5.1.5
            children.append((fields, body, f"{place}.{number}" if place else str(number)))
        if kind.kind == "multipart/alternative":
            yield from self._best_of(children, depth, role)
            return
        if kind.kind == "multipart/related":
            children = [_root(children, kind.start)] if children else []
        elif kind.kind == "multipart/signed":
            children = children[:1]  # A signature follows.
        for number, (fields, body, where) in enumerate(children):
            found = self._texts(fields, body, where, depth + 1, role)
            # The first part is the text, even with a file name.
            leads = number == 0 and role is _OWN
            for one in found:
                yield one._replace(role=_OWN) if leads and one.role is _NAMED else one

    def _best_of(
        self, children: list[tuple[Fields, bytes, str]], depth: int, role: _Place
    ) -> Iterator[_Text]:
        """RFC 2046 §5.1.4 prefers the last; a phone shows text, so the plain one wins here."""
        best: _Text | None = None
        for fields, body, where in children:
            for one in self._texts(fields, body, where, depth + 1, role):
                if not clean(one.text):
                    continue
                if best is None or _rank(one) > _rank(best):
                    best = one
            plain = best is not None and best.kind == "text/plain" and best.charset != REPLACEMENT
            if plain and self._attachments == "ignore" and not _stands_in(best):
                break  # The plain text is complete: the HTML need not be read.
        if best is not None:
            yield best._replace(role=role) if best.role is _NAMED else best

    def _others(self) -> Iterator[_Text]:
        """The text before the first part, and the texts of attached mails."""
        if self._preamble:
            yield self._text(self._preamble, TEXT_PLAIN, "", _BEFORE)
        while self._mails:
            body, encoding, place = self._mails.pop(0)
            fields, inner = header.split(transfer.decoded(body, encoding).lstrip(b"\n"))
            for one in self._texts(fields, inner, place, 1, _PASSED_ON):
                yield one._replace(role=_PASSED_ON)

    def _text(self, octets: bytes, kind: ContentType, place: str, role: _Place) -> _Text:
        text, charset = self._part.read(octets, kind)
        self._record.declared = self._record.declared or kind.charset
        return _Text(kind.kind, text, place, role, charset, kind.charset)


def _kind_of(fields: Fields, body: bytes) -> ContentType:
    """The type; of several, the one whose boundary stands in the body."""
    declared = fields.get(b"content-type", [b""])
    kind = content_type(declared[0].strip())
    for another in declared[1:4] if not kind.boundary else ():
        container = content_type(another.strip())
        if container.boundary and b"--" + container.boundary in body:
            return container
    return kind


def _encoding_of(fields: Fields) -> bytes:
    """The transfer encoding; of several, one that changes the octets."""
    declared = fields.get(b"content-transfer-encoding")
    if declared is None:
        return b""
    if len(declared) > 1:
        for each in declared:
            if b"base64" in each.lower() or b"quoted" in each.lower():
                return each.strip()
    return declared[0].strip()


_RANKS = {"text/plain": 2, "text/html": 1}


def _stands_in(one: _Text | None) -> bool:
    """Whether a text only says that the mail is HTML, in any language."""
    return (
        one is not None
        and one.kind == "text/plain"
        and len(one.text) < 400
        and "html" in one.text.lower()
    )


def _rank(one: _Text) -> int:
    if one.charset == REPLACEMENT or _stands_in(one):
        return -1
    return _RANKS.get(one.kind, 0) + (10 if one.role.own or one.role is _NAMED else 0)


def _root(children: list[tuple[Fields, bytes, str]], start: bytes) -> tuple[Fields, bytes, str]:
    """The root part of a multipart/related (RFC 2387 §3.2)."""
    readable = [
        child
        for child in children
        if content_type(first(child[0], b"content-type")).kind.startswith(("text/", "multipart/"))
    ]
    if start:
        for child in readable:
            if first(child[0], b"content-id").strip(b"<> ") == start:
                return child
    return (readable or children)[0]
