"""Receives a mail, by DATA or in chunks, and answers it (RFC 5321 §4.1.1.4, RFC 3030).

Decides the time limit of a mail, its chunks, and its answer. :mod:`bridge.smtp.inbound.commands`
has decided its account and its recipients.
"""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping

import structlog

from bridge.model.failure import Reason
from bridge.model.message import Accepted
from bridge.smtp import reply
from bridge.smtp.inbound.delivery import Delivery
from bridge.smtp.inbound.mail_buffer import MailBuffer
from bridge.smtp.inbound.service import Service
from bridge.smtp.inbound.session import Command, Phase, Session
from bridge.smtp.inbound.target import Target, ToSmscLine
from bridge.smtp.inbound.transaction import Transaction
from bridge.smtp.inbound.wire import ENDLESS, Endless, Wire, unstuffed
from bridge.smtp.reading.smsc_line import MAX_SIZE as MAX_SMSC_SIZE
from bridge.smtp.reply import Refused

log = structlog.get_logger()

#: A mail must arrive within this many timeouts, even if it keeps coming slowly.
MAX_TIMEOUTS_OF_A_MAIL = 3
#: A chunk that is smaller than this and not the last counts as a command without a mail (octets).
_SMALL_CHUNK = 1024
_CHUNK = re.compile(r"([0-9]{1,19})(?:\s+(LAST))?", re.IGNORECASE | re.ASCII)


class MailSession(Session):
    """A session with a transaction; with ``lmtp`` a mail is answered for each of its recipients.

    Otherwise as :class:`bridge.smtp.inbound.session.Session`.
    """

    def __init__(
        self,
        service: Service,
        wire: Wire,
        address: str,
        commands: Mapping[bytes, Command],
        *,
        secure: bool,
        lmtp: bool,
    ) -> None:
        protocol = "LMTP" if lmtp else "ESMTP"
        super().__init__(service, wire, address, commands, secure=secure, protocol=protocol)
        self._lmtp = lmtp
        self._transaction: Transaction | None = None
        self._receive_until = 0.0

    def ended(self) -> None:
        self._end_transaction()
        super().ended()

    def _end_transaction(self) -> None:
        if self._transaction is not None:
            self._transaction.end()
            self._transaction = None

    async def data(self, argument: str) -> None:
        if argument:
            raise Refused(reply.NO_ARGUMENT)
        if (transaction := self._transaction) is None:
            raise Refused(reply.MAIL_FIRST)
        if (target := transaction.target) is None:
            raise Refused(reply.RCPT_FIRST)
        if transaction.buffer is not None:
            raise Refused(reply.BDAT_BEGUN)
        self._wire.reply(reply.START_MAIL)
        self._begin_mail()
        buffer = transaction.buffer = self._buffer_for(target)
        try:
            await self._receive(self._wire.mail(buffer, self._arrived))
            await self._answer(transaction, target, buffer, unstuffed(buffer.octets()))
        finally:
            self._end_transaction()
            self.touch()

    async def bdat(self, argument: str) -> None:
        """RFC 3030 §2. The chunk follows even a refused command, and must not be read as commands:
        it is discarded. If its size is unknown, the session ends."""
        size, last = _chunk(argument)
        limit = self._service.settings.max_size
        if size > ENDLESS * limit:
            raise Refused(reply.MAIL_TOO_BIG, ends=True)
        if size < _SMALL_CHUNK and not last:
            self._count_idle()
        transaction = self._transaction
        target = None if transaction is None else transaction.target
        refused = self._why_no_chunk(transaction)
        if transaction is None or target is None or refused:
            buffer = MailBuffer(0, self._service.memory)
            buffer.refuse(Refused(refused))
            self._begin_mail()
            await self._receive(self._wire.chunk(size, buffer, self._arrived))
            if last:
                self._end_transaction()
            raise Refused(refused)
        if transaction.buffer is None:
            self._begin_mail()
            transaction.buffer = self._buffer_for(target)
        buffer = transaction.buffer
        await self._receive(self._wire.chunk(size, buffer, self._arrived))
        if last:
            try:
                await self._answer(transaction, target, buffer, buffer.octets())
            finally:
                self._end_transaction()
                self.touch()
        elif buffer.refusal is not None:
            text = reply.of_refusal(buffer.refusal, self._fmt)
            self._log_refused(transaction, self._name, text)
            self._wire.reply(reply.encode(text))
        else:
            self._wire.reply(b"250 2.0.0 %d octets received\r\n" % size)

    def _why_no_chunk(self, transaction: Transaction | None) -> str:
        if self._service.requires_tls and not self.secure:
            return reply.STARTTLS_FIRST
        if transaction is None:
            return reply.MAIL_FIRST
        if failed(transaction):
            return reply.CHUNK_FAILED
        return reply.RCPT_FIRST if transaction.target is None else ""

    def _buffer_for(self, target: Target) -> MailBuffer:
        limit = self._service.settings.max_size
        if isinstance(target, ToSmscLine):
            limit = min(limit, MAX_SMSC_SIZE)
        return MailBuffer(limit, self._service.memory)

    def _begin_mail(self) -> None:
        timeout = self._service.settings.timeout
        self._receive_until = self._service.clock() + MAX_TIMEOUTS_OF_A_MAIL * timeout

    def _arrived(self) -> None:
        """Restarts the time limit after a piece of a mail."""
        now = self._service.clock()
        self.deadline = min(now + self._service.settings.timeout, self._receive_until)

    async def _receive(self, reading: Awaitable[None]) -> None:
        self.phase = Phase.RECEIVING
        try:
            await reading
        except Endless:
            log.warning("mail_endless", account=self._name, address=self._address)
            raise
        finally:
            self.phase = Phase.BUSY

    async def _answer(
        self, transaction: Transaction, target: Target, buffer: MailBuffer, mail: bytes
    ) -> None:
        """Answers a complete mail: once, or in LMTP for every recipient."""
        if buffer.refusal is None:
            texts = await self._deliver(transaction, target, mail)
        else:
            text = reply.of_refusal(buffer.refusal, self._fmt)
            self._log_refused(transaction, self._name, text)
            texts = [text] * (len(transaction.accepted) if self._lmtp else 1)
        for text in texts:
            self._wire.reply(reply.encode(text, smtputf8=transaction.smtputf8))

    async def _deliver(self, transaction: Transaction, target: Target, mail: bytes) -> list[str]:
        delivery = Delivery(
            self._service,
            transaction,
            target,
            mail,
            address=self._address,
            before_waiting=self._wire.send,
        )
        outcomes = await delivery.outcomes(each=self._lmtp)
        account = delivery.account
        name, fmt = (account.name, account.settings.reply_fmt) if account else ("", 0)
        texts = [reply.of_outcome(outcome, fmt) for outcome in outcomes]
        for outcome, text in zip(outcomes, texts, strict=True):
            if isinstance(outcome, Accepted):
                self._accepted(outcome, name)
                continue
            self._log_refused(transaction, name, text)
            if outcome.reason is Reason.WRONG_LOGIN:
                self._count_failed_login("SMSC line")
            elif outcome.reason is Reason.ADDRESS_BLOCKED:
                self.farewell = reply.encode(text)
                return []
        if self._lmtp:
            each = dict(zip(transaction.recipients, texts, strict=False))
            return [texts[0] if one is None else each[one] for one in transaction.accepted]
        return texts

    def _accepted(self, outcome: Accepted, account: str) -> None:
        self.taken += 1
        self._idle_commands = 0
        self._refusals.log_repeated(account)
        if self._wire.closed:
            log.warning("answer_lost", account=account, address=self._address, id=outcome.id)

    def _log_refused(self, transaction: Transaction, account: str, text: str) -> None:
        recipients = max(len(transaction.recipients), 1)
        if account:
            self._idle_commands = 0
            self.refused += 1
            self.last_refusal = text
            log.info(
                "mail_refused",
                account=account,
                address=self._address,
                recipients=recipients,
                reply=text,
            )
        else:
            # An unknown client: limit its log lines and its session.
            self._count_idle()
            self._note_refused("mail_refused", text, recipients=recipients)


def failed(transaction: Transaction) -> bool:
    """Whether a chunk of its mail was refused."""
    return transaction.buffer is not None and transaction.buffer.refusal is not None


def _chunk(argument: str) -> tuple[int, bool]:
    """The size of a chunk, and whether it is the last; raises Refused, which ends the session."""
    found = _CHUNK.fullmatch(argument)
    if found is None:
        raise Refused(reply.SYNTAX_BDAT, ends=True)
    return int(found[1]), bool(found[2])
