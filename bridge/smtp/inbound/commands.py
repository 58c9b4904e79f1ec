"""The SMTP dialogue: the effect of each command and its reply (RFC 5321).

Decides about syntax, sequence and SMTP's own limits. The accounts and the relay decide who may send
and which messages are possible; :mod:`bridge.smtp.inbound.session` decides how a session continues
and ends.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from bridge.model.failure import Failure, Reason
from bridge.model.message import Protocol, Recipient
from bridge.smtp import reply
from bridge.smtp.address import Path, parse_path
from bridge.smtp.inbound.auth import MAX_LINE, Exchange, read_credentials
from bridge.smtp.inbound.mail_session import MailSession, failed
from bridge.smtp.inbound.service import Service
from bridge.smtp.inbound.session import Command, Phase
from bridge.smtp.inbound.target import Target, ToSmscLine, target_of
from bridge.smtp.inbound.transaction import (
    MAIL_PARAMETERS,
    RCPT_PARAMETERS,
    Transaction,
    parse_parameters,
)
from bridge.smtp.inbound.wire import Wire
from bridge.smtp.reading.smsc_line import MAX_SIZE as MAX_SMSC_SIZE
from bridge.smtp.reply import Refused
from bridge.smtp.reply_address import ReplyAddress

log = structlog.get_logger()


class Dialog(MailSession):
    """One client's session with the commands.

    ``upgrade`` turns TLS on and returns when it is on. ``lmtp``: the dialogue is that of RFC 2033.
    For the rest see :class:`bridge.smtp.inbound.session.Session`.
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
        commands = LMTP_COMMANDS if lmtp else COMMANDS
        super().__init__(service, wire, address, commands, secure=secure, lmtp=lmtp)
        self._upgrade = upgrade
        self._logged_in = False
        self._login_refused = False
        self._greeted = False

    # Commands, in the order of a session.

    def ehlo(self, argument: str) -> None:
        self._greet(self._service.extensions(self._address, self.secure))

    def helo(self, argument: str) -> None:
        self._greet(f"250 {self._service.hostname}\r\n".encode())

    def _greet(self, answer: bytes) -> None:
        # Nothing depends on the client's name: it may be missing (RFC 5321 §4.1.1.1 wants one).
        self._greeted = True
        self._end_transaction()
        self._wire.reply(answer)

    async def starttls(self, argument: str) -> None:
        if argument:
            raise Refused(reply.NO_ARGUMENT)
        if self.secure:
            raise Refused(reply.TLS_ALREADY)
        if not self._service.offers_starttls:
            raise Refused(reply.TLS_NOT_AVAILABLE)
        # RFC 3207 §4.2: forget the session so far, discard pipelined input.
        self._wire.forget_input()
        await self._upgrade()
        self.secure = True
        self._greeted = False
        self._end_transaction()
        self._logged_in = self._login_refused = False
        self._become(self._service.accounts.trusted(self._address))

    async def auth(self, argument: str) -> None:
        mechanism, *initial = argument.split() or [""]
        mechanism = mechanism.upper()
        if not self._greeted:
            raise Refused(reply.HELO_FIRST)
        if self._logged_in:
            raise Refused(reply.ALREADY_LOGGED_IN)
        if self._transaction is not None:
            raise Refused(reply.AUTH_IN_MAIL)
        if not mechanism or len(initial) > 1:
            raise Refused(reply.SYNTAX_AUTH)
        if mechanism not in self._service.mechanisms:
            raise Refused(reply.AUTH_MECHANISM)
        if not self._service.may_authenticate(self._address, self.secure):
            raise Refused(reply.AUTH_NEEDS_TLS)
        self.phase = Phase.WAITING
        exchange = Exchange(self._wire, self._service.hostname, self._service.accounts.get)
        name, password = await read_credentials(
            exchange, mechanism, initial[0] if initial else None
        )
        self.phase = Phase.BUSY
        self._wire.send()
        try:
            account = await self._service.accounts.authenticate(
                name, password, protocol=Protocol.SMTP, address=self._address
            )
            self._become(account)
        except Failure as failure:
            self._login_failed(failure, mechanism)
            return
        self._logged_in = True
        self._wire.reply(reply.LOGGED_IN)

    def _login_failed(self, failure: Failure, mechanism: str) -> None:
        self._login_refused = True
        answer = reply.encode(reply.of_failure(failure, self._fmt))
        if failure.reason in (Reason.ADDRESS_BLOCKED, Reason.TOO_MANY_SESSIONS):
            log.warning("session_ended", address=self._address, cause=failure.description)
            self.farewell = answer
            return
        self._wire.reply(answer)
        self._count_failed_login(mechanism)

    def mail(self, argument: str) -> None:
        if not self._greeted:
            raise Refused(reply.HELO_FIRST)
        if self._transaction is not None:
            if not failed(self._transaction):
                raise Refused(reply.NESTED_MAIL)
            self._end_transaction()
        sender, rest = _path_after("FROM", argument, reply.SYNTAX_MAIL, reply.BAD_SENDER)
        parameters = parse_parameters(rest, MAIL_PARAMETERS) if rest else {}
        if parameters.get("SIZE", 0) > self._service.settings.max_size:
            raise Refused(reply.MAIL_TOO_BIG)
        if not argument.isascii() and not _may_be_used(sender, smtputf8="SMTPUTF8" in parameters):
            raise Refused(reply.SMTPUTF8_NEEDED)
        self._transaction = Transaction(sender, parameters, self._service.wall_clock())
        self._wire.reply(reply.SENDER_OK)

    def rcpt(self, argument: str) -> None:
        transaction = self._transaction
        if transaction is None:
            raise Refused(reply.MAIL_FIRST)
        if transaction.buffer is not None:
            raise Refused(reply.BDAT_BEGUN)
        path, rest = _path_after("TO", argument, reply.SYNTAX_RCPT, reply.BAD_RECIPIENT)
        parameters = parse_parameters(rest, RCPT_PARAMETERS) if rest else {}
        if not argument.isascii() and not _may_be_used(path, smtputf8=transaction.smtputf8):
            raise Refused(reply.SMTPUTF8_NEEDED)
        limit = self._service.settings.max_recipients
        transaction.attempts += 1
        try:
            if len(transaction.recipients) >= limit or transaction.attempts > 2 * limit:
                raise Refused(reply.TOO_MANY_RECIPIENTS)
            transaction.add(self._target_of(path, transaction), str(path), parameters)
        except (Refused, Failure) as error:
            self._refuse_recipient(path, error, transaction.smtputf8)
            return
        self._wire.reply(reply.RECIPIENT_OK)

    def _target_of(self, path: Path, transaction: Transaction) -> Target:
        service = self._service
        target = target_of(
            path,
            self._account,
            domains=service.domains,
            smsc_address=service.smsc_address,
            check=service.relay.check_recipient,
            reply_address=service.reply_address,
        )
        if isinstance(target, ReplyAddress):
            account = service.sender_of(target)
            if not transaction.envelope.return_path:
                # RFC 3834 §2: automatic replies must not go to a phone.
                raise Refused(reply.NOT_BY_ITSELF)
            service.relay.check_recipient(account, Recipient(target.phone))
        elif isinstance(target, ToSmscLine):
            if not service.may_authenticate(self._address, self.secure):
                raise Refused(reply.SMSC_LINE_NEEDS_TLS)
            if transaction.size > MAX_SMSC_SIZE:
                raise Refused(reply.MAIL_TOO_BIG)
        return target

    def _refuse_recipient(self, path: Path, error: Refused | Failure, smtputf8: bool) -> None:
        if self._account is None:
            # For a client that has logged in, the limits of a transaction apply.
            self._count_idle()
            if self._login_refused and getattr(error, "reason", None) is Reason.LOGIN_REQUIRED:
                error = Failure(Reason.LOGIN_REQUIRED, "the login was refused")
        text = reply.of_refusal(error, self._fmt)
        self._note_refused("recipient_refused", text, recipient=path.local)
        self._wire.reply(reply.encode(text, smtputf8=smtputf8))

    def rset(self, argument: str) -> None:
        if argument:
            raise Refused(reply.NO_ARGUMENT)
        self._end_transaction()
        self._wire.reply(reply.OK)

    def noop(self, argument: str) -> None:
        self._wire.reply(reply.OK)

    def vrfy(self, argument: str) -> None:
        if not argument:
            raise Refused(reply.SYNTAX_VRFY)
        self._wire.reply(reply.CANNOT_VRFY)

    def help(self, argument: str) -> None:
        verbs = b" ".join(self._commands)
        self._wire.reply(b"214 2.0.0 " + verbs + b"\r\n")

    def not_implemented(self, argument: str) -> None:
        raise Refused(reply.NOT_IMPLEMENTED)

    def quit(self, argument: str) -> None:
        if argument:
            raise Refused(reply.NO_ARGUMENT)
        self.farewell = reply.BYE


def _path_after(keyword: str, argument: str, syntax: str, malformed: str) -> tuple[Path, str]:
    """The path after ``FROM:`` or ``TO:``, and its parameters; raises Refused with one of the two
    replies."""
    found, colon, address = argument.partition(":")
    if not colon or found.rstrip().upper() != keyword:
        raise Refused(syntax)
    parsed = parse_path(address)
    if parsed is None:
        raise Refused(malformed)
    return parsed


def _may_be_used(path: Path, *, smtputf8: bool) -> bool:
    """Whether the client may write such an address; display names and parameters do not count."""
    written = str(path)
    return written.isascii() or (smtputf8 and "\ufffd" not in written)


COMMANDS: dict[bytes, Command] = {
    b"EHLO": Command(Dialog.ehlo, before_tls=True, idle=True, any_octets=True, at_once=True),
    b"HELO": Command(Dialog.helo, before_tls=True, idle=True, any_octets=True, at_once=True),
    b"STARTTLS": Command(Dialog.starttls, before_tls=True, idle=True),
    b"AUTH": Command(Dialog.auth, limit=MAX_LINE, idle=True),
    b"MAIL": Command(Dialog.mail, any_octets=True, at_once=True),
    b"RCPT": Command(Dialog.rcpt, any_octets=True, at_once=True),
    b"DATA": Command(Dialog.data),
    # Its octets follow even if it is refused, so that it checks for TLS itself.
    b"BDAT": Command(Dialog.bdat, limit=MAX_LINE, before_tls=True, any_octets=True),
    b"RSET": Command(Dialog.rset, idle=True, at_once=True),
    b"NOOP": Command(Dialog.noop, before_tls=True, idle=True, any_octets=True, at_once=True),
    b"VRFY": Command(Dialog.vrfy, idle=True, any_octets=True),
    b"EXPN": Command(Dialog.not_implemented, idle=True),
    b"HELP": Command(Dialog.help, idle=True, any_octets=True),
    b"QUIT": Command(Dialog.quit, before_tls=True),
}
#: RFC 2033 §4.1: LHLO stands in the place of both others.
LMTP_COMMANDS: dict[bytes, Command] = {
    b"LHLO": COMMANDS[b"EHLO"],
    **{verb: command for verb, command in COMMANDS.items() if verb not in (b"EHLO", b"HELO")},
}
