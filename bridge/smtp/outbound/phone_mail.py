"""A message from a phone as a mail, which can be answered by a reply. A plain function."""

from __future__ import annotations

from bridge.config.settings import AccountSettings
from bridge.model.notice import Owed
from bridge.smtp.outbound import mime as letter
from bridge.smtp.outbound.mime import Letter, field
from bridge.smtp.outbound.report import MailIdentity, NoMail, message_id
from bridge.smtp.reply_address import ReplyAddresses


def compose(
    owed: Owed,
    account: AccountSettings | None,
    identity: MailIdentity,
    reply_addresses: ReplyAddresses | None,
) -> Letter | NoMail:
    """The mail to the account's ``incoming_to``. Messages from a phone to a sender are one thread.

    Its reply address expires some time after the message came.
    """
    notice, incoming = owed.notice, owed.incoming
    if incoming is None:
        return NoMail("the message was deleted")
    to = letter.address(account.incoming_to) if account is not None else ""
    if not to:
        return NoMail("the account has no incoming_to")
    head = [
        field("Date", letter.date(incoming.at or incoming.received_at)),
        letter.address_field("From", [identity.sender], incoming.phone),
        letter.address_field("To", [to]),
        field("Subject", f"Message from {incoming.phone} to {incoming.to or incoming.account}"),
        field("Message-ID", message_id(notice, identity)),
    ]
    if reply_addresses is not None:
        made = incoming.account, incoming.phone, incoming.to
        head.append(
            letter.address_field("Reply-To", [reply_addresses.address(*made, incoming.received_at)])
        )
        head.append(field("In-Reply-To", reply_addresses.thread(*made)))
        head.append(field("References", reply_addresses.thread(*made)))
    head += [b"Auto-Submitted: auto-generated\r\n", b"MIME-Version: 1.0\r\n"]
    return Letter((to,), b"".join(head) + letter.entity(letter.text_part(incoming.text)))
