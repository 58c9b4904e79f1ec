"""Sends the bridge's own mails: takes notices of the queue of mails, and hands them to the
smarthost.

One thread with one kept connection: reports are not urgent, and a smarthost that hangs must not
delay anything else. Decides the meaning of the smarthost's answers; :mod:`bridge.notices.outbox`
decides about retries.
"""

from __future__ import annotations

import asyncio
import queue
import smtplib
import socket
import ssl
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Final, NamedTuple

import structlog

from bridge.config.listening import is_loopback
from bridge.config.settings import AccountSettings, Endpoint, Reports, Settings
from bridge.model.measures import SMARTHOST_FAILURES
from bridge.model.notice import Kind, Owed
from bridge.notices.subscribers import TakerAnswer
from bridge.smtp.address import comparable_domains
from bridge.smtp.outbound import phone_mail as incoming
from bridge.smtp.outbound import report
from bridge.smtp.outbound.mime import Letter
from bridge.smtp.outbound.report import MailIdentity, NoMail
from bridge.smtp.reply_address import ReplyAddresses

log = structlog.get_logger()

#: Most notices that wait for the thread.
ROOM: Final = 64
#: Time limit for each step, and how long a connection is kept for the next mail (seconds).
STEP_TIMEOUT: Final = 30.0
KEPT_FOR: Final = 30.0
#: On stop: how long to wait for the mail in progress (seconds).
CLOSE_WITHIN: Final = 5.0

#: "Log in first" and "not without TLS": errors of the configuration, not of the mail (RFC 4954 §6).
_OURS_TO_MEND: Final = frozenset({530, 534, 535, 538})
NO_SMARTHOST: Final = TakerAnswer(True, "no smarthost is configured")


def mailing_of(
    settings: Settings,
    reply_addresses: ReplyAddresses | None,
    account: Callable[[str], AccountSettings | None],
) -> Mailing:
    """The mailing of a configuration; belongs to the running loop."""
    smtp = settings.smtp
    identity = MailIdentity(
        smtp.hostname or socket.gethostname(),
        settings.reports.from_,
        smtp.domains[0],
        comparable_domains(smtp.domains),
    )
    return Mailing(settings.reports, identity, account, reply_addresses)


class Said(NamedTuple):
    """A reply of the smarthost."""

    code: int
    text: str

    def __str__(self) -> str:
        return f"{self.code} {self.text}"[:200]


class Mailing:
    """The taker of the queue of mails (:class:`bridge.notices.subscribers.Taker`).

    ``account`` gives an account's settings, ``clock`` Unix time. Belongs to one event loop;
    :meth:`close` it.
    """

    def __init__(
        self,
        settings: Reports,
        identity: MailIdentity,
        account: Callable[[str], AccountSettings | None],
        reply_addresses: ReplyAddresses | None,
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._identity = identity
        self._account = account
        self._reply_addresses = reply_addresses
        self._clock = clock
        self._loop = asyncio.get_running_loop()
        self._waiting = 0
        self._ended = asyncio.Event()
        self._thread: threading.Thread | None = None
        self._tasks: queue.SimpleQueue[tuple[Owed, asyncio.Future[TakerAnswer]] | None] = (
            queue.SimpleQueue()
        )
        self._smarthost = Smarthost(settings, identity.hostname) if settings.smarthost else None
        #: Notices that only some of their readers have got, with these readers.
        self._went: dict[int, set[str]] = {}

    @property
    def name(self) -> str:
        return self._settings.smarthost

    def room(self) -> int:
        return ROOM - self._waiting

    def tell(self, owed: Owed) -> asyncio.Future[TakerAnswer]:
        """Sends the mail. The future gets the smarthost's answer, never an exception."""
        answer: asyncio.Future[TakerAnswer] = self._loop.create_future()
        if self._smarthost is None:
            answer.set_result(NO_SMARTHOST)
            return answer
        if self._thread is None:
            # A daemon thread: a smarthost that hangs does not keep the process from ending.
            self._thread = threading.Thread(target=self._run, name="mail-sender", daemon=True)
            self._thread.start()
        self._waiting += 1
        self._tasks.put((owed, answer))
        return answer

    async def close(self) -> None:
        """Waits a short time for the mail in progress; the others are sent after the next start."""
        thread, self._thread = self._thread, None
        if thread is None:
            return
        assert self._smarthost is not None
        self._smarthost.stopping = True
        self._tasks.put(None)
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSE_WITHIN):
                await self._ended.wait()

    # --- in the thread -----------------------------------------------------------------------

    def _run(self) -> None:
        smarthost = self._smarthost
        assert smarthost is not None
        while True:
            try:
                task = self._tasks.get(timeout=KEPT_FOR if smarthost.connected else None)
            except queue.Empty:
                smarthost.leave()
                continue
            if task is None:
                break
            owed, answer = task
            try:
                said = self._take(smarthost, owed)
            except Exception:
                # A faulty mail must not end the thread.
                log.exception("report_failed", notice=owed.notice.id)
                said = TakerAnswer(False, "operation failed")
            self._in_loop(self._answer, answer, said)
        smarthost.leave()
        self._in_loop(self._ended.set)

    def _in_loop(self, call: Callable[..., object], *arguments: object) -> None:
        with suppress(RuntimeError):  # The loop has ended; no one waits.
            self._loop.call_soon_threadsafe(call, *arguments)

    def _answer(self, answer: asyncio.Future[TakerAnswer], said: TakerAnswer) -> None:
        self._waiting -= 1
        if not answer.done():
            answer.set_result(said)

    def _compose(self, owed: Owed) -> Letter | NoMail:
        account = self._account(owed.notice.account)
        if owed.notice.kind is Kind.INCOMING:
            return incoming.compose(owed, account, self._identity, self._reply_addresses)
        return report.compose(owed, account, self._identity)

    def _take(self, smarthost: Smarthost, owed: Owed) -> TakerAnswer:
        """Writes the mail and sends it; returns the result for the notice."""
        notice = owed.notice
        if smarthost.stopping:
            return TakerAnswer(False, "stopped")
        letter = self._compose(owed)
        if isinstance(letter, NoMail):
            return TakerAnswer(True, letter.cause)
        went = self._went.pop(notice.id, set())
        readers = [reader for reader in letter.recipients if reader not in went]
        said = smarthost.send(readers, letter.octets)
        ended = all(_is_final(one) for one in said.values())
        outcome = f"{self.name}: " + ", ".join(dict.fromkeys(map(str, said.values())))
        about = {"notice": notice.id, "kind": notice.kind.value, "about": notice.about}
        if not ended:
            if self._clock() - notice.at > self._settings.keep:
                log.error("report_given_up", account=notice.account, outcome=outcome, **about)
                return TakerAnswer(True, f"given up: {outcome}")
            went |= {reader for reader, one in said.items() if one.code < 300}
            if went:
                self._went[notice.id] = went
        elif any(one.code >= 500 for one in said.values()):
            log.error("report_refused", account=notice.account, outcome=outcome, **about)
        else:
            log.info("report_sent", account=notice.account, outcome=outcome, **about)
        return TakerAnswer(ended, outcome)


def _is_final(said: Said) -> bool:
    """Whether this reply ends the notice, without a retry (RFC 5321 §4.2.1)."""
    return 200 <= said.code < 300 or (said.code >= 500 and said.code not in _OURS_TO_MEND)


class Smarthost:
    """A mail server and the connection to it. Belongs to one thread; raises only for bugs."""

    def __init__(self, settings: Reports, hostname: str) -> None:
        host, _, port = settings.smarthost.rpartition(":")
        self._endpoint = Endpoint(host.strip("[]"), int(port))
        self._settings = settings
        self._hostname = hostname
        self._connection: smtplib.SMTP | None = None
        self._failing = False
        #: Set by another thread: begin nothing new.
        self.stopping = False

    @property
    def connected(self) -> bool:
        return self._connection is not None

    def send(self, readers: list[str], octets: bytes) -> dict[str, Said]:
        """Sends a mail with the null return path; returns the reply for each reader.

        Errors of the connection are returned as temporary replies (RFC 3463: 4.4).
        """
        kept = self.connected
        while True:
            try:
                if self._connection is None:
                    self._connection = self._connect()
                said = self._hand_over(self._connection, readers, octets)
                self._note("")
                return said
            except (OSError, smtplib.SMTPException) as error:
                self._drop()
                if kept and isinstance(error, smtplib.SMTPServerDisconnected | ConnectionError):
                    kept = False  # The server closed it while it was idle.
                    continue
                trouble = _trouble(error)
                SMARTHOST_FAILURES.add()
                self._note(str(trouble))
                return dict.fromkeys(readers, trouble)

    def _note(self, trouble: str) -> None:
        """Logs the first error, and its end."""
        if trouble and not self._failing:
            log.warning("smarthost_failed", smarthost=self._settings.smarthost, cause=trouble)
        elif self._failing and not trouble:
            log.info("smarthost_recovered", smarthost=self._settings.smarthost)
        self._failing = bool(trouble)

    def _connect(self) -> smtplib.SMTP:
        settings, endpoint = self._settings, self._endpoint
        connection = smtplib.SMTP(
            endpoint.host, endpoint.port, local_hostname=self._hostname, timeout=STEP_TIMEOUT
        )
        try:
            connection.ehlo_or_helo_if_needed()
            # A password is sent only over TLS with a verified certificate, except on the loopback.
            checked = settings.smarthost_tls == "required" or (
                bool(settings.smarthost_user) and not is_loopback(endpoint)
            )
            offered = settings.smarthost_tls != "off" and connection.has_extn("starttls")
            if offered:
                connection.starttls(context=_context(checked))
                connection.ehlo()
            elif checked:
                raise smtplib.SMTPNotSupportedError("it offers no STARTTLS")
            if settings.smarthost_password is not None:
                connection.login(
                    settings.smarthost_user, settings.smarthost_password.get_secret_value()
                )
        except BaseException:
            connection.close()
            raise
        return connection

    def _hand_over(
        self, connection: smtplib.SMTP, readers: list[str], octets: bytes
    ) -> dict[str, Said]:
        options = [] if octets.isascii() else ["SMTPUTF8", "BODY=8BITMIME"]
        if options and not connection.has_extn("smtputf8"):
            return dict.fromkeys(readers, Said(553, "5.6.7 it does not know SMTPUTF8"))
        began = _said(connection.mail("", options))
        if began.code >= 400:
            self._reset(connection, began)
            return dict.fromkeys(readers, began)
        said = {reader: _said(connection.rcpt(reader)) for reader in readers}
        taken = [reader for reader, one in said.items() if one.code < 400]
        if not taken:
            self._reset(connection, *said.values())
            return said
        try:
            done = _said(connection.data(octets))
        except smtplib.SMTPDataError as error:
            done = _said((error.smtp_code, error.smtp_error))
        self._reset(connection, done, again=done.code >= 400)
        return said | dict.fromkeys(taken, done)

    def _reset(self, connection: smtplib.SMTP, *said: Said, again: bool = True) -> None:
        """Resets the session for the next mail; closes it if the server is about to (RFC 5321
        §3.8)."""
        if any(one.code == 421 for one in said):
            self._drop()
        elif again:
            connection.rset()

    def leave(self) -> None:
        """Ends the connection with QUIT, if there is one."""
        if self._connection is not None:
            with suppress(OSError, smtplib.SMTPException):
                self._connection.quit()
            self._drop()

    def _drop(self) -> None:
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _said(answer: tuple[int, bytes | str]) -> Said:
    code, text = answer
    if isinstance(text, bytes):
        text = text.decode("ascii", "replace")
    # smtplib's code for an invalid reply is -1.
    return Said(code if code >= 200 else 451, " ".join(text.split()))


def _trouble(error: Exception) -> Said:
    """A failed or lost connection as a temporary reply: not the mail's fault."""
    if isinstance(error, smtplib.SMTPResponseException):
        said = _said((error.smtp_code, error.smtp_error))
        return Said(421, f"4.4.0 it said {said}")
    words = getattr(error, "strerror", None) or str(error) or type(error).__name__
    return Said(421, f"4.4.1 {words}")


def _context(checked: bool) -> ssl.SSLContext:
    context = ssl.create_default_context()
    if not checked:
        # Unverified TLS is better than clear text (RFC 7435).
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
