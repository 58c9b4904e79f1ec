"""Who a path of RCPT means, in the order in which a client may learn it."""

from __future__ import annotations

from collections.abc import Callable

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.model.message import Recipient
from bridge.smtp import reply
from bridge.smtp.address import Path, parse_recipient
from bridge.smtp.inbound.service import Service
from bridge.smtp.inbound.transaction import Transaction
from bridge.smtp.reply_address import Reply

#: Stands for the address that takes the SMSC line: who is meant is said in the mail.
SMSC_LINE = Recipient("")

Check = Callable[[Account, Recipient], object]
ReplyOf = Callable[[str], Reply | None]


def recipient_of(
    path: Path,
    account: Account | None,
    *,
    domains: frozenset[str],
    smsc_address: str,
    check: Check,
    reply_of: ReplyOf = lambda local: None,
) -> Recipient | Reply:
    """Who is meant, :data:`SMSC_LINE`, or the phone behind a reply address.

    ``account`` is who sends, as far as that is known; ``check`` raises the failure that a recipient
    would meet with the relay; ``reply_of`` reads a reply address
    (:meth:`bridge.smtp.reply_address.Replies.read`). Raises :class:`Failure` or
    :class:`~bridge.smtp.reply.Refused`.
    """
    if not path.domain:
        raise reply.NO_DOMAIN
    ours = path.domain in domains
    if ours and smsc_address and path.local.lower() == smsc_address:
        return SMSC_LINE  # The one address that needs no login: the line brings its own.
    if ours and (reply_to := reply_of(path.local)) is not None:
        return reply_to  # Its signature is the login.
    if account is None:
        raise Failure(Reason.LOGIN_REQUIRED)
    if not ours:
        raise reply.UNKNOWN_DOMAIN
    recipient = parse_recipient(path.local)
    check(account, recipient)
    return recipient


def phone_behind(meant: Reply, transaction: Transaction, service: Service) -> Recipient:
    """The phone that a reply address stands for; raises as :func:`recipient_of` does."""
    account = service.accounts.get(meant.account)
    if account is None:
        raise Failure(Reason.NOT_FOUND, "no such reply address")
    if not transaction.envelope.return_path:
        # RFC 3834 §2: what answers by itself must not answer a phone.
        raise reply.NOT_BY_ITSELF
    recipient = Recipient(meant.phone)
    service.relay.check_recipient(account, recipient)
    return recipient
