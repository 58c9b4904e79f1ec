"""The target of a path of RCPT. The order of the checks decides what a client can find out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.model.message import Recipient
from bridge.smtp import reply
from bridge.smtp.address import Path, parse_recipient
from bridge.smtp.reply import Refused
from bridge.smtp.reply_address import ReplyAddress


class ToPhone(NamedTuple):
    """A phone as named by the path, and the account that sends to it."""

    account: Account
    recipient: Recipient


@dataclass(frozen=True, slots=True)
class ToSmscLine:
    """The address for SMSC lines: the mail itself names account, numbers and text."""


#: A reply address leads to a phone too; its signature is the login.
Target = ToPhone | ToSmscLine | ReplyAddress

Check = Callable[[Account, Recipient], object]
ReadReplyAddress = Callable[[str], ReplyAddress | None]


def target_of(
    path: Path,
    account: Account | None,
    *,
    domains: frozenset[str],
    smsc_address: str,
    check: Check,
    reply_address: ReadReplyAddress = lambda local: None,
) -> Target:
    """The target of ``path`` for a client that sends as ``account``, if that is known.

    ``check`` raises the relay's failure for a recipient. ``reply_address`` reads a local part
    (:meth:`bridge.smtp.reply_address.ReplyAddresses.read`). Raises :class:`Failure` or
    :class:`~bridge.smtp.reply.Refused`.
    """
    if not path.domain:
        raise Refused(reply.NO_DOMAIN)
    ours = path.domain in domains
    if ours and smsc_address and path.local.lower() == smsc_address:
        return ToSmscLine()  # The one address that needs no login: the line brings its own.
    if ours and (answered := reply_address(path.local)) is not None:
        return answered
    if account is None:
        raise Failure(Reason.LOGIN_REQUIRED)
    if not ours:
        raise Refused(reply.UNKNOWN_DOMAIN)
    recipient = parse_recipient(path.local)
    check(account, recipient)
    return ToPhone(account, recipient)
