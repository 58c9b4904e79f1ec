"""Small stand-ins for accounts and relay."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from ipaddress import ip_address, ip_network
from typing import Any

from bridge.accounts.accounts import Account
from bridge.config.settings import AccountSettings, Endpoint, Smtp
from bridge.directory.groups import names_group
from bridge.model.failure import Failure, Reason
from bridge.model.message import Accepted, Outcome, Protocol, Recipient, Submission
from bridge.smtp.inbound.listener import SmtpListener
from bridge.smtp.reply_address import ReplyAddresses

NAME, PASSWORD, API_KEY = "crm", "open-sesame", "key-of-crm"
DOMAIN = "sms.example.com"
ID = 4503599627370497

Answer = Callable[[Submission], Outcome | asyncio.Future[Outcome]]


def accepted(submission: Submission) -> Outcome:
    """Accepts all recipients, with one part each."""
    return Accepted(ID, len(submission.recipients))


class StandInRelay:
    """Keeps submissions; ``answer`` gives the outcome."""

    def __init__(self, answer: Answer = accepted) -> None:
        self.answer = answer
        self.submitted: list[Submission] = []
        self.arrived = asyncio.Event()

    def submit(self, account: Account, submission: Submission) -> asyncio.Future[Outcome]:
        self.submitted.append(submission)
        self.arrived.set()
        outcome = self.answer(submission)
        if isinstance(outcome, asyncio.Future):
            return outcome
        future = asyncio.get_running_loop().create_future()
        future.set_result(outcome)
        return future

    def check_recipient(self, account: Account, recipient: Recipient) -> None:
        if names_group(recipient.address):
            raise Failure(Reason.NOT_FOUND)
        if len(recipient.address.strip("+")) < 9:
            raise Failure(Reason.WRONG_PHONE)

    @property
    def texts(self) -> list[str]:
        return [submission.text for submission in self.submitted]


class StandInAccounts:
    """One account with a password, trusted from ``trusted_network``."""

    def __init__(self, trusted_network: str = "", **settings: Any) -> None:
        self.account = Account(
            NAME, AccountSettings.model_validate({"password": PASSWORD} | settings)
        )
        self.trusted_network = trusted_network
        self.blocked = False
        self.checks = itertools.count()
        self.broken = False

    async def authenticate(
        self, name: str, password: str, *, protocol: Protocol, address: str
    ) -> Account:
        next(self.checks)
        await asyncio.sleep(0)
        if self.broken:
            raise OSError("secret database path")
        if self.blocked:
            raise Failure(Reason.ADDRESS_BLOCKED)
        if (name, password) != (NAME, PASSWORD):
            raise Failure(Reason.WRONG_LOGIN)
        return self.account

    async def authenticate_key(self, key: str, *, protocol: Protocol, address: str) -> Account:
        next(self.checks)
        await asyncio.sleep(0)
        if self.blocked:
            raise Failure(Reason.ADDRESS_BLOCKED)
        if key != API_KEY:
            raise Failure(Reason.WRONG_LOGIN)
        return self.account

    def get(self, name: str) -> Account | None:
        return self.account if name == NAME else None

    def trusted(self, address: str) -> Account | None:
        if self.trusted_network and ip_address(address) in ip_network(self.trusted_network):
            return self.account
        return None

    def check_address(self, address: str) -> None:
        if self.blocked:
            raise Failure(Reason.ADDRESS_BLOCKED)


class Running:
    """A listener on free ports with its stand-ins."""

    def __init__(
        self, listener: SmtpListener, relay: StandInRelay, accounts: StandInAccounts
    ) -> None:
        self.listener = listener
        self.relay = relay
        self.accounts = accounts
        self.endpoints: list[Endpoint] = []

    @property
    def port(self) -> int:
        return self.endpoints[0].port

    @property
    def last_port(self) -> int:
        """That of the TLS listener, or of the LMTP listener where there is one."""
        return self.endpoints[-1].port

    tls_port = lmtp_port = last_port


@asynccontextmanager
async def running(
    *,
    relay: StandInRelay | None = None,
    accounts: StandInAccounts | None = None,
    dsn: bool = False,
    reply_addresses: ReplyAddresses | None = None,
    clock: Callable[[], float] = time.monotonic,
    **settings: Any,
) -> AsyncIterator[Running]:
    """A started listener on 127.0.0.1, closed at the end; ``settings`` are those of ``[smtp]``."""
    relay = relay or StandInRelay()
    accounts = accounts or StandInAccounts(trusted_network="127.0.0.0/8")
    given: dict[str, Any] = {
        "listen": ["127.0.0.1:0"],
        "domains": [DOMAIN],
        "hostname": "bridge.test",
    }
    smtp = Smtp.model_validate({**given, **settings})
    part = Running(
        SmtpListener(smtp, accounts, relay, dsn=dsn, reply_addresses=reply_addresses, clock=clock),
        relay,
        accounts,
    )
    part.endpoints = await part.listener.start()
    try:
        yield part
    finally:
        await part.listener.close()
