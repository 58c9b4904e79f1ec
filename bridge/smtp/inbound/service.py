"""The shared state of all SMTP connections: settings, accounts, the relay, common limits."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import count
from ssl import SSLContext
from typing import Protocol

from bridge.accounts.accounts import Account
from bridge.config.settings import Smtp
from bridge.model import message
from bridge.model.failure import Failure, Reason
from bridge.net.connection_limits import ConnectionLimits, Drop
from bridge.net.repeats import Repeats
from bridge.smtp.address import comparable_domains
from bridge.smtp.inbound.auth import MECHANISMS
from bridge.smtp.inbound.mail_buffer import SharedMemory
from bridge.smtp.inbound.transaction import MAX_HOLD
from bridge.smtp.reply import SHUTTING_DOWN, Refused
from bridge.smtp.reply_address import ReplyAddress, ReplyAddresses

_LOOPBACK = ("127.", "::1", "::ffff:127.")


class Logins(Protocol):
    """The part of :class:`bridge.accounts.accounts.Accounts` that SMTP needs."""

    async def authenticate(
        self, name: str, password: str, *, protocol: message.Protocol, address: str
    ) -> Account: ...

    async def authenticate_key(
        self, key: str, *, protocol: message.Protocol, address: str
    ) -> Account: ...

    def get(self, name: str) -> Account | None: ...

    def trusted(self, address: str) -> Account | None: ...

    def check_address(self, address: str) -> None: ...


class Submitting(Protocol):
    """The part of :class:`bridge.relay.relay.Relay` that SMTP needs."""

    def submit(
        self, account: Account, submission: message.Submission
    ) -> asyncio.Future[message.Outcome]: ...

    def check_recipient(self, account: Account, recipient: message.Recipient) -> object: ...


class Service:
    """Shared by the connections of one listener.

    ``clock`` is monotonic, for time limits; ``wall_clock`` gives Unix time. ``dsn``: reports are
    sent; ``reply_addresses`` reads reply addresses, if there are any.
    """

    def __init__(
        self,
        settings: Smtp,
        accounts: Logins,
        relay: Submitting,
        *,
        hostname: str,
        tls_context: SSLContext | None,
        dsn: bool,
        clock: Callable[[], float],
        wall_clock: Callable[[], float],
        reply_addresses: ReplyAddresses | None = None,
    ) -> None:
        self._reply_addresses = reply_addresses
        self.accounts = accounts
        self.relay = relay
        self.hostname = hostname
        self.clock = clock
        self.wall_clock = wall_clock
        self.limits = ConnectionLimits(0)
        self.apply(settings, tls_context, dsn)
        #: For mails that take long to read; two, so that the event loop gets its share of time.
        self.threads = ThreadPoolExecutor(2, "mail-reader")
        self.memory = SharedMemory()
        self.closing = False
        #: Numbers of the connections since the start.
        self.numbers = count(1)
        self.repeats = Repeats(clock)
        self._by_account: Counter[str] = Counter()

    def apply(self, settings: Smtp, tls_context: SSLContext | None, dsn: bool) -> None:
        """Takes over these settings, also for open sessions."""
        self.settings = settings
        self.limits.limit(settings.max_connections, settings.max_connections_per_address)
        self.tls_context = tls_context
        self.dsn = dsn
        self.domains = comparable_domains(settings.domains)
        self.smsc_address = settings.smsc_address.lower()
        self.mechanisms = [m for m in settings.auth_mechanisms if m in MECHANISMS]
        self.offers_starttls = tls_context is not None and settings.starttls != "off"
        self.requires_tls = settings.starttls == "required"
        #: The replies to EHLO in the second ``_extensions_at``, by what they depend on.
        self._extensions: dict[tuple[bool, bool], bytes] = {}
        self._extensions_at = 0

    def reply_address(self, local: str) -> ReplyAddress | None:
        """The content of a reply address, ``None`` for another local part; raises Failure."""
        if self._reply_addresses is None:
            return None
        return self._reply_addresses.read(local, self.wall_clock())

    def sender_of(self, target: ReplyAddress) -> Account:
        """The account that answers the phone; raises Failure if it is not configured."""
        account = self.accounts.get(target.account)
        if account is None:
            raise Failure(Reason.NOT_FOUND, "no such reply address")
        return account

    def admit(self, address: str, drop: Drop) -> None:
        """Counts a connection; raises Failure if there are too many or its address is blocked.

        ``drop`` is called when a newer connection needs the place. Raises Refused for one whose TLS
        handshake ends when the listener is already closing.
        """
        if self.closing:
            raise Refused(SHUTTING_DOWN)
        self.accounts.check_address(address)
        if not self.limits.begin_handshake(address, drop):
            everybody = not self.limits.full_for(address)
            raise Failure(Reason.TOO_MANY_SESSIONS, "" if everybody else "from this address")

    def enter(self, account: Account) -> None:
        """Counts a session of ``account``; raises Failure if it has too many."""
        if self._by_account[account.name] >= self.settings.max_connections_per_account:
            raise Failure(Reason.TOO_MANY_SESSIONS, "of this account")
        self._by_account[account.name] += 1

    def leave(self, account: Account) -> None:
        """Uncounts the session."""
        self._by_account[account.name] -= 1
        if not self._by_account[account.name]:
            del self._by_account[account.name]

    def may_authenticate(self, address: str, secure: bool) -> bool:
        """Whether a password may cross this connection (RFC 4954 §4)."""
        if secure:
            return True
        if self.requires_tls:
            return False
        return self.settings.clear_text_auth or address.startswith(_LOOPBACK)

    def extensions(self, address: str, secure: bool) -> bytes:
        """The reply to EHLO and LHLO."""
        now = int(self.wall_clock())
        if now != self._extensions_at:
            self._extensions_at = now
            self._extensions.clear()
        key = (secure, self.may_authenticate(address, secure))
        found = self._extensions.get(key)
        if found is None:
            found = self._extensions[key] = self._list_extensions(now, *key)
        return found

    def _list_extensions(self, now: int, secure: bool, may_authenticate: bool) -> bytes:
        latest = datetime.fromtimestamp(now + MAX_HOLD, UTC)
        lines = [
            self.hostname,
            "PIPELINING",
            f"SIZE {self.settings.max_size}",
            "8BITMIME",
            "CHUNKING",
            "SMTPUTF8",
            "ENHANCEDSTATUSCODES",
            "DELIVERBY",
            # RFC 4865 §3: both maxima, the interval and the moment.
            f"FUTURERELEASE {MAX_HOLD} {latest:%Y-%m-%dT%H:%M:%SZ}",
        ]
        if self.dsn:
            lines.append("DSN")
        if self.offers_starttls and not secure:
            lines.append("STARTTLS")
        if self.mechanisms and may_authenticate:
            lines.append("AUTH " + " ".join(self.mechanisms))
        replies = [f"250-{line}\r\n" for line in lines[:-1]]
        return "".join([*replies, f"250 {lines[-1]}\r\n"]).encode("ascii")
