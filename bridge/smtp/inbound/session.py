"""One client's SMTP session: runs its commands one after the other until it ends (RFC 5321).

Decides the session's account, its time limits, the number of errors allowed, and their log.
:mod:`bridge.smtp.inbound.commands` has the commands. No sockets and TLS here.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from enum import Enum
from typing import Any, NamedTuple

import structlog

from bridge.accounts.accounts import Account
from bridge.model.failure import Failure, Reason
from bridge.smtp import reply
from bridge.smtp.inbound.auth import MAX_LINE
from bridge.smtp.inbound.refusals import Refusals
from bridge.smtp.inbound.service import Service
from bridge.smtp.inbound.wire import Wire
from bridge.smtp.reply import Refused

log = structlog.get_logger()

#: Most errors, and commands that do not lead to a mail, since the last mail (RFC 5321 §4.3.2 leaves
#: the number to the server).
MAX_IDLE_COMMANDS = 100
#: One command may count twice: as one that does not lead to a mail, and as an error.
_COUNTED_AT_ONCE = 2
#: Most failed logins with one mechanism. A client that tries three mechanisms with a wrong password
#: must be told at the end that the password is wrong, not that it has tried too often.
MAX_FAILED_LOGINS = 3

#: A temporary error, without internal details, so that the client tries again.
_FAILED = reply.encode(reply.of_failure(Failure(Reason.OPERATION_FAILED)))


class Phase(Enum):
    """The phase of the dialogue; decides how a connection may be ended."""

    WAITING = "waiting for a command"
    RECEIVING = "receiving a mail"
    BUSY = "answering"


class Command(NamedTuple):
    """One command: its method, the longest line, whether it is allowed before a required TLS
    (RFC 3207 §4), whether it does not lead to a mail, whether its argument is ignored and may have
    any octets, and whether it is answered without waiting for anything."""

    run: Callable[[Any, str], Awaitable[None] | None]
    limit: int = 2048
    before_tls: bool = False
    idle: bool = False
    any_octets: bool = False
    at_once: bool = False


class Session:
    """A session from the greeting to the end. ``commands`` maps verbs to commands.

    ``secure``: TLS is on; ``protocol`` is its name in the greeting. Raises :class:`Failure` for a
    trusted client whose account has too many sessions; :meth:`ended` must be called at the end.
    """

    def __init__(
        self,
        service: Service,
        wire: Wire,
        address: str,
        commands: Mapping[bytes, Command],
        *,
        secure: bool,
        protocol: str,
    ) -> None:
        self._service = service
        self._wire = wire
        self._address = address
        self.secure = secure
        self._commands = commands
        self._protocol = protocol
        self.phase = Phase.BUSY
        self._between_commands = False
        self.deadline = 0.0
        #: Reply with which the session ends after the current command.
        self.farewell: bytes | None = None
        self._account: Account | None = None
        self._refusals = Refusals(address)
        self._idle_commands = 0
        self._failed_logins: dict[str, int] = {}
        #: For the list of sessions: mails taken, refusals, and the last refusal.
        self.taken = self.refused = 0
        self.last_refusal = ""
        self.touch()
        self._become(service.accounts.trusted(address))

    def _become(self, account: Account | None) -> None:
        """Sets the sending account; raises Failure if it has too many sessions."""
        self._leave()
        if account is not None:
            self._service.enter(account)
            self._account = account

    def _leave(self) -> None:
        if self._account is not None:
            self._service.leave(self._account)
            self._account = None

    def ended(self) -> None:
        """Uncounts the session; may be called again."""
        self._refusals.log_repeated(self._name)
        self._leave()

    def touch(self) -> None:
        """Restarts the client's time limit."""
        self.deadline = self._service.clock() + self._service.settings.timeout

    async def run(self) -> None:
        """Talks until the client or :attr:`farewell` ends it; raises EOFError, ConnectionError."""
        wire = self._wire
        wire.reply(f"220 {self._service.hostname} {self._protocol} cascade-bridge\r\n".encode())
        while self.farewell is None:
            line = b""
            try:
                self.phase, self._between_commands = Phase.WAITING, True
                try:
                    line = await wire.line(MAX_LINE)
                finally:
                    self.phase, self._between_commands = Phase.BUSY, False
                done = self._obey(line)
                if done is not None:
                    await done
            except (Refused, Failure) as refusal:
                self.phase = Phase.BUSY
                self._refuse(line, refusal)
            except (EOFError, ConnectionError):
                raise
            except Exception:
                log.exception("command_failed", address=self._address, account=self._name)
                wire.reply(_FAILED)
        wire.reply(self.farewell)
        await wire.flush()

    def obey_at_once(self, octets: bytes) -> bool:
        """Answers a command that comes alone and needs no waiting; returns whether it was one.

        It spares the session's task its turn, which takes longer than most commands.
        """
        command = self._commands.get(octets[:4])
        if command is None or not command.at_once or not self._between_commands:
            return False
        line = octets[:-2]
        if not (octets.endswith(b"\r\n") and 0x0A not in line and self._wire.quiet):
            return False
        if len(line) > MAX_LINE:
            return False
        if self._idle_commands > MAX_IDLE_COMMANDS - _COUNTED_AT_ONCE:
            return False  # The session may end with this command, which takes its task.
        try:
            self._obey(line)
        except (Refused, Failure) as refusal:
            self._refuse(line, refusal)
        except Exception:
            log.exception("command_failed", address=self._address, account=self._name)
            self._wire.reply(_FAILED)
        self._wire.send()
        return True

    async def say(self, line: bytes) -> None:
        """Sends a reply at once: TLS begins right after it."""
        self._wire.reply(line + b"\r\n")
        await self._wire.flush()

    def _obey(self, line: bytes) -> Awaitable[None] | None:
        """Carries out a command, or returns what carries it out."""
        self.deadline = self._service.clock() + self._service.settings.timeout
        verb, _, rest = line.partition(b" ")
        command = self._commands.get(verb) or self._commands.get(verb.upper())
        if command is None:
            # A tab instead of the blank.
            verb, rest = [*line.split(None, 1), b"", b""][:2]
            command = self._commands.get(verb.upper())
        if command is None:
            raise Refused(reply.NOT_RECOGNIZED)
        if len(line) > command.limit:
            raise Refused(reply.LINE_TOO_LONG)
        if self._service.requires_tls and not self.secure and not command.before_tls:
            raise Refused(reply.STARTTLS_FIRST)
        if command.idle:
            self._count_idle()
        try:
            argument = rest.decode("utf-8", "replace" if command.any_octets else "strict")
        except UnicodeDecodeError:
            raise Refused(reply.NOT_UTF8) from None
        return command.run(self, argument.strip())

    def _refuse(self, line: bytes, refusal: Refused | Failure) -> None:
        """Answers a refused command, and logs it.

        The command's text is not logged: it may be a password in the wrong place.
        """
        verb = b"".join(line.split(None, 1)[:1]).upper()
        known = verb.decode() if verb in self._commands else "unknown"
        text = reply.of_refusal(refusal, self._fmt)
        self._note_refused("command_refused", text, command=known)
        self._count_idle()
        if isinstance(refusal, Refused) and refusal.ends:
            self.farewell = reply.encode(text)
        else:
            self._wire.reply(reply.encode(text))

    def _note_refused(self, event: str, text: str, **fields: object) -> None:
        """Counts a refusal, and logs it if it is the first of its kind."""
        self.refused += 1
        self.last_refusal = text
        self._refusals.note(event, self._name, text, **fields)

    def _count_idle(self) -> None:
        self._idle_commands += 1
        if self._idle_commands >= MAX_IDLE_COMMANDS and self.farewell is None:
            log.warning("session_ended", address=self._address, cause="too many commands")
            self.farewell = reply.encode(reply.TOO_MANY_COMMANDS)

    @property
    def _fmt(self) -> int:
        return self._account.settings.reply_fmt if self._account else 0

    @property
    def account(self) -> Account | None:
        """The account that sends; ``None`` before a login."""
        return self._account

    @property
    def _name(self) -> str:
        return self._account.name if self._account else ""

    def _count_failed_login(self, mechanism: str) -> None:
        failed = self._failed_logins[mechanism] = self._failed_logins.get(mechanism, 0) + 1
        if failed >= MAX_FAILED_LOGINS:
            log.warning("session_ended", address=self._address, cause="too many failed logins")
            self.farewell = reply.encode(reply.TOO_MANY_LOGINS)
