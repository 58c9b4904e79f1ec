"""Reads a mail: octets → submission. The entry point of this folder. No I/O."""

from __future__ import annotations

from typing import cast

from bridge.config import settings as config
from bridge.model.failure import Failure, Reason
from bridge.model.message import Envelope, Protocol, Recipient, Submission
from bridge.smtp.reading import header, markup, quotes, signatures, text
from bridge.smtp.reading import smsc_line as smsc
from bridge.smtp.reading.body import text_of_body
from bridge.smtp.reading.encoded_words import charset_of_words, text_of
from bridge.smtp.reading.overrides import Overrides, Wishes, read_overrides
from bridge.smtp.reading.quotes import Reply
from bridge.smtp.reading.record import Record
from bridge.smtp.reading.subject import SubjectKind, kind_of

_PLAIN_FIELDS = frozenset(
    {
        b"subject",
        b"message-id",
        b"content-type",
        b"content-transfer-encoding",
        b"content-disposition",
        b"content-id",
    }
)

_NO_WISHES: Wishes = {}

#: Longer than the most parts that an account can allow (255 of 153 characters): longer texts need
#: not be counted.
MAX_TEXT = 40_000

#: Most characters of a header field that are kept for reports.
MAX_NAME = 250


def read_mail(
    mail: bytes,
    recipients: tuple[Recipient, ...],
    *,
    smtp: config.Smtp,
    account: config.AccountSettings,
    peer: str = "",
    envelope: Envelope | None = None,
    wishes: Wishes | None = None,
    record: Record | None = None,
) -> Submission:
    """The submission of a mail.

    ``mail`` is the content of DATA, with dots unstuffed and any line ends; ``wishes`` are fields
    from its envelope, over which the header takes precedence. ``record`` gets the details of the
    reading. Raises :class:`~bridge.model.failure.Failure` for a mail with a wrong value or without
    a readable text; the relay checks the text.
    """
    mail = header.lines_by_lf(mail)
    fallback = smtp.fallback_charset
    fields, octets = header.split(mail)
    if record is None:
        record = Record()
    raw_subject = header.first(fields, b"subject")
    if b"=?" in raw_subject:
        fallback = charset_of_words(raw_subject, fallback)
    body = text_of_body(
        fields,
        octets,
        record,
        fallback=fallback,
        attachments=smtp.attachments,
        cut_quotes=account.cut_quotes,
    )
    # A final line end begins no further line.
    if account.cut_quotes and body.find("\n", 0, -1) >= 0:
        body = _own_text(mail[: len(mail) - len(octets)], raw_subject, body, record, fallback)
    if account.stop_line:
        body = record.cut(body, text.cut_at(body, account.stop_line), "below the stop line")
    body = text.clean(body)
    subject = ""
    if not body or account.text != "{body}":
        subject = text.clean(text_of(raw_subject, fallback, record.declared))
        if "&" in subject:
            subject = markup.without_references(subject)
        if not body and subject:
            record.note("no text of its own: the subject")
    written = text.compose(account.text, subject, body)
    if not written and record.left_out and b"x-cascade-template" not in fields:
        raise Failure(Reason.NO_TEXT, record.left_out)
    if len(written) > MAX_TEXT:
        if account.long_text == "refuse":
            raise Failure(Reason.TEXT_TOO_LONG, f"more than {MAX_TEXT} characters")
        written = written[:MAX_TEXT]
    if envelope is not None:
        subject = subject or text_of(raw_subject, fallback, record.declared)
        envelope = _named(envelope, fields, subject)
    # Its keys are among theirs.
    overrides = cast("Overrides", wishes or _NO_WISHES)
    if not fields.keys() <= _PLAIN_FIELDS:
        overrides = {**overrides, **read_overrides(fields, fallback)}
    return Submission(
        protocol=Protocol.SMTP,
        recipients=recipients,
        text=written,
        peer=peer,
        repeat_key=header.first(fields, b"message-id"),
        envelope=envelope,
        reading=record.summary(),
        **overrides,
    )


def _own_text(section: bytes, subject: bytes, body: str, record: Record, fallback: str) -> str:
    """The sender's own text, without signature, quotations and footers.

    ``section`` is the mail's header.
    """

    def reply() -> Reply:
        return _reply(section, text_of(subject, fallback, record.declared))

    left = signatures.cut_footer(body)
    signed = signatures.cut_signature(left)
    if signed is not left and not quotes.passes_on(left[len(signed) :], reply()):
        left = signed
    if left is not body:
        body = record.cut(body, left, "signature or footer")
    body = _without_advertisement(body, record)  # Some programs put it below the quotation.
    left, why = quotes.cut_quotes(body, reply)
    return _without_advertisement(record.cut(body, left, why), record) if why else body


def _without_advertisement(body: str, record: Record) -> str:
    left = signatures.cut_mobile(body)
    return body if left is body else record.cut(body, left, "line of a mobile program")


def _reply(section: bytes, subject: str) -> Reply:
    """Whether a mail is a reply, by its header."""
    kind = kind_of(subject)
    if kind is SubjectKind.FORWARD:
        return Reply.FORWARD  # The forwarded mail is the content of a forward.
    if kind is SubjectKind.ANSWER:
        # A program that answers, such as a ticket system, sends its own text too.
        return Reply.PERHAPS if header.is_generated(section) else Reply.SURE
    if header.is_generated(section) or not header.names_an_answered_mail(section):
        return Reply.NO
    return Reply.SURE if kind is SubjectKind.NONE else Reply.PERHAPS


def read_reply(
    mail: bytes,
    recipient: Recipient,
    *,
    smtp: config.Smtp,
    account: config.AccountSettings,
    sender: str = "",
    peer: str = "",
    envelope: Envelope | None = None,
    wishes: Wishes | None = None,
    record: Record | None = None,
) -> Submission:
    """The answer to a phone in a mail to its reply address.

    Only the text counts, no field of the header: the address's holder is not the account. Raises
    :class:`~bridge.model.failure.Failure` as :func:`read_mail` does, and for automatic answers.
    """
    mail = header.lines_by_lf(mail)
    fields, octets = header.split(mail)
    section = mail[: len(mail) - len(octets)]
    if header.is_automatic(section):
        raise Failure(Reason.PROHIBITED, "no automatic mails to a phone")
    if record is None:
        record = Record()
    fallback = smtp.fallback_charset
    body = text_of_body(
        fields,
        octets,
        record,
        fallback=fallback,
        attachments=smtp.attachments,
        cut_quotes=True,
    )
    body = _own_text(section, b"Re: ", body, record, fallback)
    if account.stop_line:
        body = record.cut(body, text.cut_at(body, account.stop_line), "below the stop line")
    body = text.clean(body)
    if not body:
        raise Failure(Reason.NO_TEXT)
    if len(body) > MAX_TEXT:
        raise Failure(Reason.TEXT_TOO_LONG, f"more than {MAX_TEXT} characters")
    if envelope is not None:
        subject = text_of(header.first(fields, b"subject"), fallback, record.declared)
        envelope = _named(envelope, fields, subject)
    return Submission(
        protocol=Protocol.SMTP,
        recipients=(recipient,),
        text=body,
        peer=peer,
        sender=sender,
        repeat_key=header.first(fields, b"message-id"),
        envelope=envelope,
        reading=record.summary(),
        **(wishes or _NO_WISHES),
    )


def _named(envelope: Envelope, fields: header.Fields, subject: str) -> Envelope:
    """Adds the mail's Message-ID and subject."""
    message_id = header.first(fields, b"message-id")[:MAX_NAME].decode("ascii", "replace")
    # Runs for every mail: half the time of _replace.
    return Envelope(*envelope[:-2], message_id, subject[:MAX_NAME])


def read_line(
    mail: bytes,
    *,
    now: float,
    max_recipients: int,
    peer: str = "",
    envelope: Envelope | None = None,
    wishes: Wishes | None = None,
    record: Record | None = None,
) -> tuple[smsc.Line, Submission]:
    """The SMSC line in a mail, and its submission.

    ``now`` is Unix time in seconds. The line takes precedence over the envelope. Raises
    :class:`~bridge.model.failure.Failure` as :func:`bridge.smtp.reading.smsc_line.parse_line` does.
    """
    mail = header.lines_by_lf(mail)
    fields, octets = header.split(mail)
    if record is None:
        record = Record()
    body = text_of_body(
        fields, octets, record, fallback=smsc.CHARSET, attachments="ignore", cut_quotes=False
    )
    line = smsc.parse_line(smsc.find_line(body), now=now, max_recipients=max_recipients)
    overrides: Wishes = {**(wishes or _NO_WISHES)}
    if line.scheduled_at is not None:
        overrides["scheduled_at"] = line.scheduled_at
    if envelope is not None:
        # The mail contains a password: reports must not return it.
        envelope = _named(envelope, fields, "")._replace(ret="HDRS")
    submission = Submission(
        protocol=Protocol.SMTP,
        recipients=line.recipients,
        text=line.text,
        peer=peer,
        sender=line.sender,
        route=line.route,
        reference=line.reference,
        repeat_key=header.first(fields, b"message-id"),
        dry_run=line.test,
        envelope=envelope,
        reading=record.summary(),
        **overrides,
    )
    return line, submission
