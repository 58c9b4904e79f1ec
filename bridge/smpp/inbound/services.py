"""The shared state of a listener's connections, and their interfaces to other rooms."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator, Sequence, Set
from dataclasses import dataclass, field
from itertools import count
from typing import Any, Protocol

from bridge.accounts.accounts import Account
from bridge.config import settings as config
from bridge.model import message as vocabulary
from bridge.model.message import MessageType, Outcome, Receipts, Stored
from bridge.model.notice import UnjoinedPart
from bridge.net.repeats import Repeats
from bridge.notices.subscribers import Taker
from bridge.relay.concatenation import Join, Segment
from bridge.relay.short_ids import PartSubmitter
from bridge.smpp.inbound.limits import Occupancy


class Authenticator(Protocol):
    """The part of :class:`bridge.accounts.accounts.Accounts` that a connection uses."""

    async def authenticate(
        self, name: str, password: str, *, protocol: vocabulary.Protocol, address: str
    ) -> Account: ...


class RelayVerbs(PartSubmitter, Protocol):
    """The part of :class:`bridge.relay.relay.Relay` that a session uses."""

    async def query(self, account: Account, id: int) -> Sequence[Stored]: ...

    async def unjoined(self, account: Account, id: int) -> UnjoinedPart: ...

    async def cancel(self, account: Account, id: int) -> None: ...

    async def cancel_matching(
        self, account: Account, sender: str, address: str, message_type: MessageType | None
    ) -> int: ...

    async def replace(
        self,
        account: Account,
        id: int,
        *,
        text: str,
        sender: str,
        scheduled_at: int | None,
        ttl: int | None,
        receipts: Receipts,
    ) -> None: ...

    def congestion(self) -> int: ...


class Gatherer(Protocol):
    """The part of :class:`bridge.relay.concatenation.Gathering` that a session uses."""

    def add(
        self, account: Account, segment: Segment, join: Join, *, short_id: bool = False
    ) -> asyncio.Future[Outcome]: ...


class Owing(Protocol):
    """The part of :class:`bridge.notices.outbox.Outbox` that a session uses."""

    def join(self, queue: str, taker: Taker, *, account: str = "") -> None: ...

    def leave(self, queue: str, taker: Taker) -> None: ...

    def wake(self, queues: Set[str] | None) -> None: ...


@dataclass(slots=True)
class Services:
    """``settings`` may be replaced while the listener runs; a user of old ones keeps a reference.

    ``closing``: the listener stops, and takes no connections any more.
    """

    settings: config.Smpp
    accounts: Authenticator
    relay: RelayVerbs
    gathering: Gatherer
    outbox: Owing
    clock: Callable[[], float]  # Unix time
    monotonic: Callable[[], float]
    occupancy: Occupancy
    create_task: Callable[[Coroutine[Any, Any, None]], asyncio.Task[None]]
    #: Numbers of the connections since the start.
    numbers: Iterator[int] = field(default_factory=lambda: count(1))
    repeats: Repeats = field(default_factory=Repeats)
    closing: bool = False
