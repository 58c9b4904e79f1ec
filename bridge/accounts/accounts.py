"""Accounts at run time: logins, networks, rates.

Decides whether a login is correct and whether its address and protocol are allowed.
:mod:`bridge.accounts.passwords` checks passwords, :mod:`bridge.accounts.lockout` counts failed
logins. The relay decides what an account may send, with the lookups that :class:`Account` prepares.
"""

from __future__ import annotations

import hmac
import re
import secrets
import time
from collections.abc import Callable, Iterator

import structlog
from pydantic import SecretStr

from bridge.accounts.lockout import Lockout
from bridge.accounts.passwords import PasswordChecks, dummy_hash, md5_of
from bridge.config.settings import AccountSettings, Settings
from bridge.model.failure import Failure, Reason
from bridge.model.measures import LOGINS
from bridge.model.message import MessageType, Protocol
from bridge.net.networks import NetworkMap, network_set
from bridge.net.networks import origin as origin_of
from bridge.net.token_bucket import TokenBucket

log = structlog.get_logger()

_MD5 = re.compile(r"[0-9a-f]{32}", re.ASCII)

#: Verified logins that are remembered.
MAX_CACHED = 10_000
#: The longest password; a longer one is refused without being hashed.
MAX_PASSWORD = 1024


class Account:
    """One configured account at run time: its name, its settings and its rate.

    ``senders`` has every sender that it may use, ``message_types`` every type (all, if the settings
    name none), ``countries`` every destination (empty: any).
    """

    __slots__ = (
        "_bucket",
        "_spellings",
        "countries",
        "message_types",
        "name",
        "protocols",
        "senders",
        "settings",
    )

    def __init__(self, name: str, settings: AccountSettings) -> None:
        self.name = name
        self._bucket = TokenBucket(0, 0, 0.0)
        self.apply(settings)

    def apply(self, settings: AccountSettings) -> None:
        """Takes over new settings, also for open sessions."""
        self.settings = settings
        self.senders = frozenset({settings.sender, *settings.senders} - {""})
        self._spellings = {_spelling(sender): sender for sender in self.senders}
        self.message_types = (
            frozenset({settings.message_type, *settings.message_types})
            if settings.message_types
            else frozenset(MessageType)
        )
        self.countries = frozenset(settings.countries)
        self.protocols = frozenset(map(Protocol, settings.protocols))
        # The default burst is one second's messages.
        burst = max(settings.burst or settings.rate, 1.0)
        if (settings.rate, burst) != (self._bucket.rate, self._bucket.burst):
            self._bucket = TokenBucket(settings.rate, burst, 0.0)

    def __repr__(self) -> str:
        return f"Account({self.name!r})"

    def spelled(self, sender: str) -> str:
        """One of its senders as the settings spell it: some clients write all names in capitals,
        and numbers with or without a plus. Any other sender as it is."""
        if sender in self.senders:
            return sender
        return self._spellings.get(_spelling(sender), sender)

    def take(self, now: float, n: int = 1) -> bool:
        """Whether ``n`` messages are within ``rate`` at the time ``now`` (seconds)."""
        return self._bucket.take(now, n)

    def wait(self, now: float, n: int = 1) -> float:
        """Seconds until :meth:`take` would succeed."""
        return self._bucket.wait(now, n)


def _spelling(sender: str) -> str:
    number = sender.removeprefix("+")
    return number if number.isdecimal() else sender.casefold()


def _secret(value: SecretStr | None) -> bytes | None:
    return None if value is None else value.get_secret_value().encode("utf-8", "surrogatepass")


class Accounts:
    """The configured accounts: their logins, trusted networks and blocks.

    ``clock`` is monotonic. Belongs to one event loop; :meth:`close` it.
    """

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        login = settings.login
        self._clock = clock
        self._lockout = Lockout(login, clock)
        self._key = secrets.token_bytes(32)
        self._checks = PasswordChecks(self._lockout, login.concurrent_checks)
        self._accounts: dict[str, Account] = {}
        self.reload(settings)

    def reload(self, settings: Settings) -> list[str]:
        """Takes over accounts, passwords, networks and limits; returns the names of removed ones.

        An account that stays is the same object, so that open sessions follow it.
        """
        before = self._accounts
        self._accounts = {}
        for name, own in settings.accounts.items():
            account = before.get(name)
            if account is None:
                account = Account(name, own)
            else:
                account.apply(own)
            self._accounts[name] = account
        self._networks = {
            name: network_set(own.networks) for name, own in settings.accounts.items()
        }
        self._trusted = NetworkMap(
            (network, account)
            for account in self._accounts.values()
            if Protocol.SMTP in account.protocols
            for network in account.settings.trusted_networks
        )
        self._lockout.apply(settings.login)
        self._cache_for = settings.login.cache
        # Old passwords are not remembered.
        self._cached: dict[bytes, float] = {}
        self._keys = {
            self._digest("", secret): account
            for account in self._accounts.values()
            if (secret := _secret(account.settings.api_key)) is not None
        }
        # As slow as the accounts' hashes, so that the time does not reveal an unknown name.
        hashes = [own.password_hash for own in settings.accounts.values() if own.password_hash]
        self._dummy = dummy_hash(hashes)
        return [name for name in before if name not in self._accounts]

    def __iter__(self) -> Iterator[Account]:
        return iter(self._accounts.values())

    def get(self, name: str) -> Account | None:
        return self._accounts.get(name)

    def knows(self, name: str) -> bool:
        """Whether the settings have an account of this name."""
        return name in self._accounts

    def settings_of(self, name: str) -> AccountSettings | None:
        """The settings of an account, if it exists."""
        account = self._accounts.get(name)
        return None if account is None else account.settings

    @property
    def lockout(self) -> Lockout:
        """Blocks after failed logins."""
        return self._lockout

    def trusted(self, address: str) -> Account | None:
        """The account that may send mails from ``address`` without a login."""
        return self._trusted.find(address)

    def check_address(self, address: str) -> None:
        """Raises Failure(ADDRESS_BLOCKED) while ``address`` is blocked after failed logins."""
        if self._lockout.blocked(origin_of(address)):
            raise Failure(Reason.ADDRESS_BLOCKED)

    async def authenticate(
        self, name: str, password: str, *, protocol: Protocol, address: str
    ) -> Account:
        """The account with this name and password.

        Raises Failure: WRONG_LOGIN (also for an unknown name, after the same time),
        ADDRESS_BLOCKED, NOT_ALLOWED if only protocol or address are wrong, OPERATION_FAILED if the
        check is not possible now.
        """
        digest = self._digest(name, password.encode("utf-8", "surrogatepass"))
        return await self._log_in(name, password, digest, protocol, address)

    async def authenticate_smsc(self, name: str, password: str, *, address: str) -> Account:
        """The account of a login in the SMSC dialect: ``password`` may also be the hexadecimal MD5
        of the password. Raises as :meth:`authenticate`."""
        if _MD5.fullmatch(password) is None:
            return await self.authenticate(name, password, protocol=Protocol.HTTP, address=address)
        # An MD5 that is accepted here must not be accepted by another protocol.
        digest = self._digest(f"md5\0{name}", password.encode())
        return await self._log_in(name, password, digest, Protocol.HTTP, address, md5=True)

    async def authenticate_key(self, key: str, *, protocol: Protocol, address: str) -> Account:
        """The account with this ``api_key``; raises as :meth:`authenticate`."""
        origin = origin_of(address)
        if self._lockout.blocked(origin, ""):
            raise Failure(Reason.ADDRESS_BLOCKED)
        account = self._keys.get(self._digest("", key.encode("utf-8", "surrogatepass")))
        if account is None:
            raise self._wrong(origin, "", protocol, address)
        return self._admit(account, origin, protocol, address)

    def close(self) -> None:
        """Ends the threads; waiting checks are dropped."""
        self._checks.close()

    def _digest(self, name: str, secret: bytes) -> bytes:
        # A keyed hash, so that a memory dump reveals no passwords.
        text = name.encode("utf-8", "surrogatepass") + b"\0" + secret
        return hmac.digest(self._key, text, "sha256")

    def _remember(self, digest: bytes) -> None:
        self._cached.pop(digest, None)
        self._cached[digest] = self._clock() + self._cache_for
        if len(self._cached) > MAX_CACHED:
            del self._cached[next(iter(self._cached))]

    async def _log_in(
        self,
        name: str,
        password: str,
        digest: bytes,
        protocol: Protocol,
        address: str,
        *,
        md5: bool = False,
    ) -> Account:
        origin = origin_of(address)
        if self._lockout.blocked(origin, name):
            raise Failure(Reason.ADDRESS_BLOCKED)
        secret = password.encode("utf-8", "surrogatepass")
        account = self._accounts.get(name)
        if account is None or self._cached.get(digest, -1.0) <= self._clock():
            cached = self._cached
            right = await self._is_right(account, secret, digest, (origin, name), md5)
            if self._lockout.blocked(origin, name):
                # Parallel guesses get no more attempts than sequential ones.
                raise Failure(Reason.ADDRESS_BLOCKED)
            if account is None or not right:
                raise self._wrong(origin, name, protocol, address)
            if cached is self._cached:  # else the password may have changed meanwhile
                self._remember(digest)
        return self._admit(account, origin, protocol, address)

    async def _is_right(
        self,
        account: Account | None,
        secret: bytes,
        digest: bytes,
        waiter: tuple[str, str],
        md5: bool,
    ) -> bool:
        if account is not None:
            own = account.settings
            plain = _secret(own.password)
            if plain is not None and hmac.compare_digest(plain, secret):
                return True
            if md5 and plain is not None and hmac.compare_digest(md5_of(plain), secret):
                return True
            if md5 and own.smsc_password_hash:
                return await self._checks.fits(own.smsc_password_hash, secret, digest, waiter)
            if own.password_hash and len(secret) <= MAX_PASSWORD:
                return await self._checks.fits(own.password_hash, secret, digest, waiter)
        # Every wrong login takes the time of one hash, which reveals neither names nor kinds of
        # password.
        await self._checks.fits(self._dummy, b"", digest, waiter)
        return False

    def _wrong(self, origin: str, name: str, protocol: Protocol, address: str) -> Failure:
        self._lockout.failed(origin, name)
        LOGINS.add("wrong")
        log.warning(
            "login_failed",
            account=name[:64],
            known=name in self._accounts,
            protocol=protocol.value,
            address=address,
        )
        return Failure(Reason.WRONG_LOGIN)

    def _admit(self, account: Account, origin: str, protocol: Protocol, address: str) -> Account:
        """Checks protocol and address; after the password, so that strangers learn nothing."""
        networks = self._networks[account.name]
        cause = ""
        if protocol not in account.protocols:
            cause = f"accounts.{account.name}.protocols does not name {protocol.value}"
        elif networks and networks.find(address) is None:
            cause = f"accounts.{account.name}.networks does not hold {address}"
        if cause:
            LOGINS.add("not_allowed")
            log.warning(
                "login_refused",
                account=account.name,
                protocol=protocol.value,
                address=address,
                cause=cause,
            )
            raise Failure(Reason.NOT_ALLOWED, cause=cause)
        self._lockout.succeeded(origin, account.name)
        LOGINS.add("good")
        return account
