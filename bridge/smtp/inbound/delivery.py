"""A received mail to its outcome: read, submitted, waited for.

Decides only what a mail that could not be read or submitted is answered, and where the reading of
a large one runs; the words are :mod:`bridge.smtp.reply`'s.
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
from bridge.smtp.inbound.transaction import Transaction
from bridge.smtp.reading.mail import read_line, read_mail, read_reply

log = structlog.get_logger()

#: Mails above this are read in a thread.
LARGE_MAIL = 64 * 1024

T = TypeVar("T")


class Delivery:
    """One mail on its way, from ``address``.

    ``before_waiting`` is called if an outcome is not there at once. A mail that the relay took is
    finished by it, whatever happens here.
    """

    __slots__ = ("_address", "_before_waiting", "_mail", "_service", "_transaction", "account")

    def __init__(
        self,
        service: Service,
        transaction: Transaction,
        mail: bytes,
        *,
        account: Account | None,
        address: str,
        before_waiting: Callable[[], None],
    ) -> None:
        self._service = service
        self._transaction = transaction
        self._mail = mail
        self._address = address
        self._before_waiting = before_waiting
        #: Who sends it; for the SMSC line, known once its credentials were right.
        self.account = account

    async def outcomes(self, *, each: bool) -> list[Outcome]:
        """The outcome of the mail or, with ``each``, of every recipient in order; raises nothing.

        With ``each`` the recipients are submissions of their own: a client that hears of each may
        send again to those alone that were refused for now.
        """
        try:
            submission = await self._submission()
            assert self.account is not None
            submissions = (
                [submission._replace(recipients=(one,)) for one in submission.recipients]
                if each and not self._transaction.smsc
                else [submission]
            )
            answers = [self._service.relay.submit(self.account, one) for one in submissions]
            if not all(answer.done() for answer in answers):
                self._before_waiting()
            return [
                answer.result() if answer.done() else await asyncio.shield(answer)
                for answer in answers
            ]
        except Failure as failure:
            return self._all(failure, each)
        except Exception as error:
            name = self.account.name if self.account else ""
            log.exception("mail_failed", account=name, address=self._address)
            return self._all(Failure(Reason.OPERATION_FAILED, cause=repr(error)), each)

    def _all(self, failure: Failure, each: bool) -> list[Outcome]:
        return [failure] * (len(self._transaction.recipients) if each else 1)

    async def _read(self, read: Callable[[], T]) -> T:
        if len(self._mail) <= LARGE_MAIL:
            return read()
        self._before_waiting()
        return await asyncio.get_running_loop().run_in_executor(self._service.threads, read)

    async def _submission(self) -> Submission:
        if self._transaction.smsc:
            return await self._read_line()
        return await (self._read_reply() if self._transaction.reply else self._read_mail())

    async def _read_reply(self) -> Submission:
        transaction, account = self._transaction, self.account
        assert transaction.reply is not None
        assert account is not None  # Only of such a one is a reply address taken.
        [recipient] = transaction.recipients.values()
        return await self._read(
            partial(
                read_reply,
                self._mail,
                recipient,
                smtp=self._service.settings,
                account=account.settings,
                sender=transaction.reply.sender,
                peer=self._address,
                envelope=transaction.envelope,
                wishes=transaction.wishes,
            )
        )

    async def _read_mail(self) -> Submission:
        assert self.account is not None  # Nobody else's recipients are taken.
        return await self._read(
            partial(
                read_mail,
                self._mail,
                tuple(self._transaction.recipients.values()),
                smtp=self._service.settings,
                account=self.account.settings,
                peer=self._address,
                envelope=self._transaction.envelope,
                wishes=self._transaction.wishes,
            )
        )

    async def _read_line(self) -> Submission:
        line, submission = await self._read(
            partial(
                read_line,
                self._mail,
                now=self._service.wall_clock(),
                max_recipients=self._service.settings.max_recipients,
                peer=self._address,
                envelope=self._transaction.envelope,
                wishes=self._transaction.wishes,
            )
        )
        accounts = self._service.accounts
        self._before_waiting()
        if line.login:
            self.account = await accounts.authenticate(
                line.login, line.password, protocol=Protocol.SMTP, address=self._address
            )
        else:
            self.account = await accounts.authenticate_key(
                line.password, protocol=Protocol.SMTP, address=self._address
            )
        return submission
