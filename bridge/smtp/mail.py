"""A mail to a submission: the door of everything here that reads mails. No I/O."""

from __future__ import annotations

from bridge import config
from bridge.failure import Failure, Reason
from bridge.message import Protocol, Recipient, Submission
from bridge.smtp import header, text
from bridge.smtp.body import text_of_body
from bridge.smtp.overrides import Overrides, read_overrides

_PLAIN_FIELDS = frozenset(
    {
        b"subject",
        b"message-id",
        b"content-type",
        b"content-transfer-encoding",
        b"content-disposition",
    }
)


def read_mail(
    mail: bytes,
    recipients: tuple[Recipient, ...],
    *,
    smtp: config.Smtp,
    account: config.AccountSettings,
    peer: str = "",
) -> Submission:
    """The submission that a mail's octets stand for.

    ``mail`` is what DATA brought, dots already unstuffed, with any kind of line ends. Raises
    :class:`~bridge.failure.Failure` for a mail that says something wrong or holds nothing
    readable; what the text then may be is for the relay to say.
    """
    if b"\r" in mail:
        mail = mail.replace(b"\r\n", b"\n")
    fallback = smtp.fallback_charset
    fields, octets = header.split(mail)
    try:
        body = text_of_body(
            mail,
            fields,
            octets,
            fallback=fallback,
            attachments=smtp.attachments,
            cut_quotes=account.cut_quotes,
        )
    except RecursionError as error:
        raise Failure(Reason.BAD_PARAMETER, "parts nested too deeply") from error
    if account.cut_quotes:
        body = text.cut_quotes(body)
    if account.stop_line:
        body = text.cut_at(body, account.stop_line)
    body = text.clean(body)
    subject = ""
    if not body or account.text != "{body}":
        subject = text.clean(header.text_of(header.first(fields, b"subject"), fallback))
    written = text.compose(account.text, subject, body)
    overrides: Overrides = {}
    if not fields.keys() <= _PLAIN_FIELDS:
        overrides = read_overrides(fields, fallback)
    return Submission(
        protocol=Protocol.SMTP,
        recipients=recipients,
        text=written,
        peer=peer,
        repeat_key=header.first(fields, b"message-id"),
        **overrides,
    )
