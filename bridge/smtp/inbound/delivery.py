"""From a received mail to its outcome: reads it, submits it and waits.

Decides the answer to a mail that cannot be read or submitted, and whether it is read in a thread.
:mod:`bridge.smtp.reply` writes the replies.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import structlog

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.model.message import Outcome, Protocol, Submission
from bridge.smtp.inbound.service import Service
from bridge.smtp.inbound.target import Target, ToPhone, ToSmscLine
from bridge.smtp.inbound.transaction import Transaction
from bridge.smtp.reading.mail import read_line, read_mail, read_reply
from bridge.smtp.reply_address import ReplyAddress

log = structlog.get_logger()

#: Mails above this are read in a thread.
LARGE_MAIL = 64 * 1024

T = TypeVar("T")


class Delivery:
    """One mail on its way, from the client at ``address`` to ``target``.

    ``before_waiting`` is called if the outcome is not known at once. The relay finishes a mail that
    it took, even if the connection ends.
    """

    __slots__ = (
        "_address",
        "_before_waiting",
        "_mail",
        "_service",
        "_target",
        "_transaction",
        "account",
    )

    def __init__(
        self,
        service: Service,
        transaction: Transaction,
        target: Target,
        mail: bytes,
        *,
        address: str,
        before_waiting: Callable[[], None],
    ) -> None:
        self._service = service
        self._transaction = transaction
        self._target = target
        self._mail = mail
        self._address = address
        self._before_waiting = before_waiting
        #: The sending account, as soon as it is known.
        self.account: Account | None = None

    async def outcomes(self, *, each: bool) -> list[Outcome]:
        """The outcome of the mail or, with ``each``, of every recipient in order; raises nothing.

        With ``each`` every recipient is a submission of its own: the client gets a reply for each,
        and may retry only those that were refused temporarily.
        """
        each = each and not isinstance(self._target, ToSmscLine)
        try:
            account, submission = await self._submission(self._target)
            self.account = account
            submissions = (
                [submission._replace(recipients=(one,)) for one in submission.recipients]
                if each
                else [submission]
            )
            answers = [self._service.relay.submit(account, one) for one in submissions]
            if not all(answer.done() for answer in answers):
                self._before_waiting()
            return [
                answer.result() if answer.done() else await asyncio.shield(answer)
                for answer in answers
            ]
        except Failure as failure:
            return self._all(failure, each)
        except Exception as error:  # the client must get an answer
            name = self.account.name if self.account else ""
            log.exception("mail_failed", account=name, address=self._address)
            return self._all(Failure(Reason.OPERATION_FAILED, cause=repr(error)), each)

    def _all(self, failure: Failure, each: bool) -> list[Outcome]:
        return [failure] * (len(self._transaction.recipients) if each else 1)

    async def _read(self, read: Callable[[], T]) -> T:
        """Reads a large mail in a thread."""
        self._before_waiting()
        return await asyncio.get_running_loop().run_in_executor(self._service.threads, read)

    async def _submission(self, target: Target) -> tuple[Account, Submission]:
        if isinstance(target, ToSmscLine):
            return await self._read_line()
        if isinstance(target, ToPhone):
            account = target.account
            read = self._mail_reader(account)
        else:
            account = self._service.sender_of(target)
            read = self._reply_reader(account, target)
        self.account = account
        return account, await self._read(read) if self._is_large else read()

    @property
    def _is_large(self) -> bool:
        return len(self._mail) > LARGE_MAIL

    def _reply_reader(self, account: Account, target: ReplyAddress) -> Callable[[], Submission]:
        transaction = self._transaction
        [recipient] = transaction.recipients.values()
        return partial(
            read_reply,
            self._mail,
            recipient,
            smtp=self._service.settings,
            account=account.settings,
            sender=target.sender,
            peer=self._address,
            envelope=transaction.envelope,
            wishes=transaction.wishes,
        )

    def _mail_reader(self, account: Account) -> Callable[[], Submission]:
        transaction = self._transaction
        return partial(
            read_mail,
            self._mail,
            tuple(transaction.recipients.values()),
            smtp=self._service.settings,
            account=account.settings,
            peer=self._address,
            envelope=transaction.envelope,
            wishes=transaction.wishes,
        )

    async def _read_line(self) -> tuple[Account, Submission]:
        read = partial(
            read_line,
            self._mail,
            now=self._service.wall_clock(),
            max_recipients=self._service.settings.max_recipients,
            peer=self._address,
            envelope=self._transaction.envelope,
            wishes=self._transaction.wishes,
        )
        line, submission = await self._read(read) if self._is_large else read()
        accounts = self._service.accounts
        self._before_waiting()
        if line.login:
            account = await accounts.authenticate(
                line.login, line.password, protocol=Protocol.SMTP, address=self._address
            )
        else:
            account = await accounts.authenticate_key(
                line.password, protocol=Protocol.SMTP, address=self._address
            )
        return account, submission
