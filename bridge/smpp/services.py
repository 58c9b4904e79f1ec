"""What the connections of one listener share, and what they ask of the rest of the bridge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from bridge import config
from bridge import message as vocabulary
from bridge.accounts import Account
from bridge.message import Outcome, Submission
from bridge.smpp.occupancy import Occupancy

if TYPE_CHECKING:
    from bridge.smpp.connection import Connection


class Authenticator(Protocol):
    """What a connection asks of :class:`bridge.accounts.Accounts`."""

    async def authenticate(
        self, name: str, password: str, *, protocol: vocabulary.Protocol, address: str
    ) -> Account: ...


class Submitter(Protocol):
    """What a connection asks of :class:`bridge.relay.Relay`."""

    def submit(self, account: Account, submission: Submission) -> asyncio.Future[Outcome]: ...


@dataclass(frozen=True, slots=True)
class Services:
    """``connections`` holds those that are open; ``left`` hears when one is no more."""

    settings: config.Smpp
    accounts: Authenticator
    relay: Submitter
    clock: Callable[[], float]  # Unix time
    monotonic: Callable[[], float]
    occupancy: Occupancy
    create_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    left: Callable[[Connection], None]
    connections: set[Connection] = field(default_factory=set)
