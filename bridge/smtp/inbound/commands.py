"""The SMTP dialogue: what each command does and what it is answered (RFC 5321).

Decides about syntax, sequence and SMTP's own limits. Who may send, and whether a message is
possible, is asked of the accounts and the relay. How a session goes on and ends is
:mod:`bridge.smtp.inbound.session`'s.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Protocol
from bridge.smtp import reply
from bridge.smtp.address import Path, parse_path
from bridge.smtp.inbound.auth import MAX_LINE, Exchange, read_credentials
from bridge.smtp.inbound.delivery import Delivery
from bridge.smtp.inbound.recipient import SMSC_LINE, phone_behind, recipient_of
from bridge.smtp.inbound.service import Service
from bridge.smtp.inbound.session import Command, Session, State
from bridge.smtp.inbound.transaction import (
    MAIL_PARAMETERS,
    RCPT_PARAMETERS,
    Transaction,
    parse_parameters,
)
from bridge.smtp.inbound.wire import Endless, Wire
from bridge.smtp.reading.smsc_line import MAX_SIZE as MAX_SMSC_SIZE
from bridge.smtp.reply import Refused
from bridge.smtp.reply_address import Reply

log = structlog.get_logger()

#: A mail has to arrive within this many times the timeout, however steadily it drips.
MAX_TIMEOUTS_OF_A_MAIL = 3


class Dialog(Session):
    """One client's session with what its commands do.

    ``upgrade`` turns TLS on and returns when it is. With ``lmtp`` it is RFC 2033's dialogue.
    Otherwise as :class:`bridge.smtp.inbound.session.Session`.
    """

    def __init__(
        self,
        service: Service,
        wire: Wire,
        address: str,
        *,
        secure: bool,
        lmtp: bool = False,
        upgrade: Callable[[], Awaitable[None]],
    ) -> None:
        commands, protocol = (LMTP_COMMANDS, "LMTP") if lmtp else (COMMANDS, "ESMTP")
        super().__init__(service, wire, address, commands, secure=secure, protocol=protocol)
        self._upgrade = upgrade
        self._lmtp = lmtp
        self._logged_in = False
        self._helo = ""
        self._transaction: Transaction | None = None
        self._receive_until = 0.0
        self._reserved = 0

    # Commands, in the order of a session.

    def ehlo(self, argument: str) -> None:
        self._greet(argument, self._service.extensions(self._address, self.secure))

    def helo(self, argument: str) -> None:
        self._greet(argument, f"250 {self._service.hostname}\r\n".encode())

    def _greet(self, argument: str, answer: bytes) -> None:
        if not argument:
            raise reply.SYNTAX_HELO
        self._helo = argument
        self._transaction = None
        self._wire.reply(answer)

    async def starttls(self, argument: str) -> None:
        if argument:
            raise reply.NO_ARGUMENT
        if self.secure:
            raise reply.TLS_ALREADY
        if not self._service.offers_starttls:
            raise reply.TLS_NOT_AVAILABLE
        # RFC 3207 §4.2: what was learnt before is forgotten, what was sent ahead is not obeyed.
        self._wire.forget_input()
        await self._upgrade()
        self.secure = True
        self._helo = ""
        self._transaction = None
        self._logged_in = False
        self._become(self._service.accounts.trusted(self._address))

    async def auth(self, argument: str) -> None:
        mechanism, *initial = argument.split() or [""]
        mechanism = mechanism.upper()
        if not self._helo:
            raise reply.HELO_FIRST
        if self._logged_in:
            raise reply.ALREADY_LOGGED_IN
        if self._transaction is not None:
            raise reply.AUTH_IN_MAIL
        if not mechanism or len(initial) > 1:
            raise reply.SYNTAX_AUTH
        if mechanism not in self._service.mechanisms:
            raise reply.AUTH_MECHANISM
        if not self._service.may_authenticate(self._address, self.secure):
            raise reply.AUTH_NEEDS_TLS
        self.state = State.WAITING
        exchange = Exchange(self._wire, self._service.hostname, self._service.accounts.get)
        name, password = await read_credentials(
            exchange, mechanism, initial[0] if initial else None
        )
        self.state = State.BUSY
        self._wire.send()
        try:
            account = await self._service.accounts.authenticate(
                name, password, protocol=Protocol.SMTP, address=self._address
            )
            self._become(account)
        except Failure as failure:
            self._login_failed(failure)
            return
        self._logged_in = True
        self._wire.reply(reply.LOGGED_IN)

    def _login_failed(self, failure: Failure) -> None:
        answer = reply.encode(reply.of_failure(failure, self._fmt))
        if failure.reason in (Reason.ADDRESS_BLOCKED, Reason.TOO_MANY_SESSIONS):
            log.warning("session_ended", address=self._address, cause=failure.description)
            self.farewell = answer
            return
        self._wire.reply(answer)
        self._count_failed_login()

    def mail(self, argument: str) -> None:
        if not self._helo:
            raise reply.HELO_FIRST
        if self._transaction is not None:
            raise reply.NESTED_MAIL
        if argument[:5].upper() != "FROM:":
            raise reply.SYNTAX_MAIL
        parsed = parse_path(argument[5:])
        if parsed is None:
            raise reply.BAD_SENDER
        sender, rest = parsed
        parameters = parse_parameters(rest, MAIL_PARAMETERS) if rest else {}
        if parameters.get("SIZE", 0) > self._service.settings.max_size:
            raise reply.MAIL_TOO_BIG
        if "SMTPUTF8" not in parameters and not argument.isascii():
            raise reply.SMTPUTF8_NEEDED
        self._transaction = Transaction(sender, parameters, self._service.wall_clock())
        self._wire.reply(reply.SENDER_OK)

    def rcpt(self, argument: str) -> None:
        transaction = self._transaction
        if transaction is None:
            raise reply.MAIL_FIRST
        if argument[:3].upper() != "TO:":
            raise reply.SYNTAX_RCPT
        parsed = parse_path(argument[3:])
        if parsed is None:
            raise reply.BAD_RECIPIENT
        path, rest = parsed
        parameters = parse_parameters(rest, RCPT_PARAMETERS) if rest else {}
        if not transaction.smtputf8 and not argument.isascii():
            raise reply.SMTPUTF8_NEEDED
        limit = self._service.settings.max_recipients
        transaction.attempts += 1
        if len(transaction.recipients) >= limit or transaction.attempts > 2 * limit:
            self._refuse_recipient(path, reply.TOO_MANY_RECIPIENTS, transaction.smtputf8)
            return
        service = self._service
        try:
            meant = recipient_of(
                path,
                self._account,
                domains=service.domains,
                smsc_address=service.smsc_address,
                check=service.relay.check_recipient,
                reply_of=service.reply_of,
            )
            reply_to = meant if isinstance(meant, Reply) else None
            recipient = (
                phone_behind(meant, transaction, service) if isinstance(meant, Reply) else meant
            )
            if transaction.recipients and transaction.reply != reply_to:
                raise reply.REPLY_ALONE
            if transaction.recipients and transaction.smsc != (recipient is SMSC_LINE):
                raise reply.SMSC_LINE_ALONE
            if recipient is SMSC_LINE and transaction.size > MAX_SMSC_SIZE:
                raise reply.MAIL_TOO_BIG
        except (Refused, Failure) as error:
            self._refuse_recipient(path, error, transaction.smtputf8)
            return
        transaction.smsc = recipient is SMSC_LINE
        transaction.reply = reply_to
        transaction.add(recipient, str(path), parameters)
        self._wire.reply(reply.RECIPIENT_OK)

    def _refuse_recipient(self, path: Path, error: Refused | Failure, smtputf8: bool) -> None:
        text = reply.of_failure(error, self._fmt) if isinstance(error, Failure) else error.reply
        self.note_refused(text)
        log.info(
            "recipient_refused",
            account=self._name,
            address=self._address,
            recipient=path.local,
            reply=text,
        )
        self._wire.reply(reply.encode(text, smtputf8=smtputf8))

    async def data(self, argument: str) -> None:
        transaction = self._transaction
        if argument:
            raise reply.NO_ARGUMENT
        if transaction is None:
            raise reply.MAIL_FIRST
        if not transaction.recipients:
            raise reply.RCPT_FIRST
        self._transaction = None
        self._wire.reply(reply.START_MAIL)
        for text in await self._receive(transaction):
            self._wire.reply(reply.encode(text, smtputf8=transaction.smtputf8))

    async def _receive(self, transaction: Transaction) -> list[str]:
        """Takes the mail; what to answer: one reply, or in LMTP one for every recipient."""
        service = self._service
        limit = service.settings.max_size
        if transaction.smsc:
            limit = min(limit, MAX_SMSC_SIZE)
        self._receive_until = service.clock() + MAX_TIMEOUTS_OF_A_MAIL * service.settings.timeout
        self.state = State.RECEIVING
        try:
            mail = await self._wire.mail(limit, self._received)
            self.state = State.BUSY
            self._idle_commands = 0
            return await self._deliver(transaction, mail)
        except Endless:
            log.warning("mail_endless", account=self._name, address=self._address)
            raise
        except (Failure, Refused) as error:
            text = reply.of_failure(error, self._fmt) if isinstance(error, Failure) else error.reply
            self._log_refused(transaction, self._name, text)
            return [text] * (len(transaction.accepted) if self._lmtp else 1)
        finally:
            self.state = State.BUSY
            service.buffered -= self._reserved
            self._reserved = 0
            self.touch()

    async def _deliver(self, transaction: Transaction, mail: bytes) -> list[str]:
        delivery = Delivery(
            self._service,
            transaction,
            mail,
            account=self._sender_of(transaction),
            address=self._address,
            before_waiting=self._wire.send,
        )
        outcomes = await delivery.outcomes(each=self._lmtp)
        account = delivery.account
        name, fmt = (account.name, account.settings.reply_fmt) if account else ("", 0)
        texts = [reply.of_outcome(outcome, fmt) for outcome in outcomes]
        for outcome, text in zip(outcomes, texts, strict=True):
            if isinstance(outcome, Accepted):
                self.taken += 1
                if self._wire.closed:
                    log.warning("answer_lost", account=name, address=self._address, id=outcome.id)
                continue
            self._log_refused(transaction, name, text)
            if outcome.reason is Reason.WRONG_LOGIN:
                self._count_failed_login()
            elif outcome.reason is Reason.ADDRESS_BLOCKED:
                self.farewell = reply.encode(text)
                return []
        if self._lmtp:
            each = dict(zip(transaction.recipients, texts, strict=True))
            texts = [each[recipient] for recipient in transaction.accepted]
        return texts

    def _sender_of(self, transaction: Transaction) -> Account | None:
        """Whose messages they will be; that of the SMSC line is named in the mail."""
        if transaction.reply is not None:
            return self._service.accounts.get(transaction.reply.account)
        return None if transaction.smsc else self._account

    def _log_refused(self, transaction: Transaction, account: str, text: str) -> None:
        self.note_refused(text)
        log.info(
            "mail_refused",
            account=account,
            address=self._address,
            recipients=len(transaction.recipients),
            reply=text,
        )

    def _received(self, size: int) -> None:
        """A piece of a mail arrived: time goes on, and memory is taken for it."""
        now = self._service.clock()
        self.deadline = min(now + self._service.settings.timeout, self._receive_until)
        self._service.reserve(size)
        self._reserved += size

    def rset(self, argument: str) -> None:
        if argument:
            raise reply.NO_ARGUMENT
        self._transaction = None
        self._wire.reply(reply.OK)

    def noop(self, argument: str) -> None:
        self._wire.reply(reply.OK)

    def vrfy(self, argument: str) -> None:
        self._wire.reply(reply.CANNOT_VRFY)

    def help(self, argument: str) -> None:
        verbs = b" ".join(self._commands)
        self._wire.reply(b"214 2.0.0 " + verbs + b"\r\n")

    def not_implemented(self, argument: str) -> None:
        raise reply.NOT_IMPLEMENTED

    def quit(self, argument: str) -> None:
        if argument:
            raise reply.NO_ARGUMENT
        self.farewell = reply.BYE


COMMANDS: dict[bytes, Command] = {
    b"EHLO": Command(Dialog.ehlo, before_tls=True, idle=True),
    b"HELO": Command(Dialog.helo, before_tls=True, idle=True),
    b"STARTTLS": Command(Dialog.starttls, before_tls=True, idle=True),
    b"AUTH": Command(Dialog.auth, limit=MAX_LINE, idle=True),
    b"MAIL": Command(Dialog.mail),
    b"RCPT": Command(Dialog.rcpt),
    b"DATA": Command(Dialog.data),
    b"RSET": Command(Dialog.rset, idle=True),
    b"NOOP": Command(Dialog.noop, before_tls=True, idle=True),
    b"VRFY": Command(Dialog.vrfy, idle=True),
    b"EXPN": Command(Dialog.not_implemented, idle=True),
    b"HELP": Command(Dialog.help, idle=True),
    b"QUIT": Command(Dialog.quit, before_tls=True),
}
#: RFC 2033 §4.1: LHLO stands in the place of both others.
LMTP_COMMANDS: dict[bytes, Command] = {
    b"LHLO": COMMANDS[b"EHLO"],
    **{verb: command for verb, command in COMMANDS.items() if verb not in (b"EHLO", b"HELO")},
}
