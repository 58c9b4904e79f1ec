"""An upstream: a set of credentials at the API, with its client, pace and queues.

Decides which batch goes next and whether it may go now. :mod:`bridge.sending.poster` posts it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import NamedTuple, Protocol

from bridge.cascade.answers import HttpAnswer
from bridge.cascade.client import CascadeClient, credentials
from bridge.cascade.virtual import VirtualClient, VirtualDeliveries
from bridge.config.settings import AccountSettings, Settings, Upstream
from bridge.model.message import Message, Route
from bridge.sending.pace import Pace
from bridge.sending.queue import SendQueue
from bridge.store import Repeats, StoreError

#: How long messages for whose result no client waits are gathered for a request (seconds): about
#: as long as lies between two requests at the API's usual rate limit.
GATHER = 0.01


class ApiClient(Protocol):
    """The part of :class:`bridge.cascade.client.CascadeClient` that sending uses."""

    async def post(self, route: Route, headers: Mapping[str, str], body: bytes) -> HttpAnswer: ...

    async def ask(self, headers: Mapping[str, str], upstream_id: str) -> HttpAnswer: ...

    async def upload(self, headers: Mapping[str, str], body: bytes) -> HttpAnswer: ...

    async def close(self) -> None: ...


class NextBatch(NamedTuple):
    """Messages for one request. ``split``: a piece of a refused batch, or messages of an account
    that is set apart."""

    queue: SendQueue
    messages: list[Message]
    split: bool


class NewBatch:
    """Messages that are being stored, to be posted together as soon as they are. ``stored`` are
    the store's answers."""

    __slots__ = ("attempt", "messages", "queue", "stored")

    def __init__(self, queue: SendQueue, attempt: int) -> None:
        self.queue = queue
        self.attempt = attempt
        self.messages: list[Message] = []
        self.stored: list[asyncio.Future[Repeats]] = []

    async def take_stored(self) -> list[Message]:
        """Waits for the store; returns the messages that are stored. Others were refused, or are
        repeated ones."""
        for stored in reversed(self.stored):  # most often only the last one is waited for
            if not stored.done():
                with suppress(StoreError):
                    await stored
        return [
            message
            for message, stored in zip(self.messages, self.stored, strict=True)
            if not (stored.cancelled() or stored.exception() or stored.result())
        ]


class UpstreamTrouble(NamedTuple):
    """Why the API takes no messages: its last answer (``meaning`` as our word, ``cause`` as its
    own), the first and the last time (Unix times), and the number of requests."""

    meaning: str
    cause: str
    since: int
    last: int
    requests: int


@dataclass(slots=True)
class UpstreamLine:
    """An upstream at run time; the dispatcher keeps the counts."""

    name: str
    client: ApiClient
    headers: Mapping[str, str]
    pace: Pace
    queues: dict[Route, SendQueue] = field(
        default_factory=lambda: {route: SendQueue(route) for route in Route}
    )
    in_flight: int = 0
    splitting: int = 0  # of these: pieces of refused batches, and accounts set apart
    held: bool = False
    timer: asyncio.TimerHandle | None = None
    kicked: bool = False
    #: Until then messages are gathered; no client waits for the result of any.
    gathers_until: float = 0.0
    trouble: UpstreamTrouble | None = None
    new: NewBatch | None = None  # may take more messages in this turn of the loop

    def gather(self, now: float, *, client_waits: bool) -> None:
        """New messages are coming. Those that wait go at once if a client waits for the result of
        the new ones; else the first of them opens a short time in which others can join."""
        if client_waits:
            self.gathers_until = 0.0
        elif not self.waits:
            self.gathers_until = now + GATHER

    def note_trouble(self, meaning: str, cause: str, now: int) -> None:
        """Notes that the API took no messages, for ``status`` and the console."""
        since, requests = now, 0
        if self.trouble is not None:
            since, requests = self.trouble.since, self.trouble.requests
        self.trouble = UpstreamTrouble(meaning, cause, since, now, requests + 1)

    @property
    def stopped(self) -> bool:
        """Whether only probes go: it is held, or the breaker is open."""
        return self.held or bool(self.pace.held) or self.pace.open

    def is_idle(self, now: float) -> bool:
        """Whether a message that comes now would go at once, with those that come in the same turn
        of the loop."""
        if self.held or self.in_flight or self.pace.probing or self.pace.wait(now):
            return False
        return not self.waits

    @property
    def waits(self) -> bool:
        """Whether a message is in one of the queues."""
        return any(len(queue) or queue.has_split for queue in self.queues.values())

    def next_batch(self, now: float, max_in_flight: int) -> tuple[NextBatch | None, float | None]:
        """The batch that goes now, or the seconds until there may be one (``None``: not before a
        new message comes). ``now`` is the pace's clock.

        Pieces of refused batches and accounts set apart go first, but take at most half of the
        requests in flight and half of the rate. Of two routes, the one whose message has waited
        longest goes first.
        """
        pace = self.pace
        if self.held or self.in_flight >= (1 if pace.probing else max_in_flight):
            return None, None
        if self.gathers_until > now:
            return None, self.gathers_until - now
        limit = 1 if pace.probing else pace.max_batch
        soonest: float | None = None
        queues = sorted(self.queues.values(), key=lambda queue: queue.oldest() or 0)
        places = self.splitting < max(1, max_in_flight // 2)
        for split in (True, False) if places else (False,):
            for queue in queues:
                if not (queue.has_split if split else len(queue)):
                    continue
                if wait := pace.wait(now, split=split):
                    soonest = wait if soonest is None else min(soonest, wait)
                    continue
                if messages := queue.fill_split(limit) if split else queue.fill(limit):
                    return NextBatch(queue, messages, split), None
        return None, soonest


def upstream_lines(
    settings: Settings, virtual: VirtualDeliveries | None = None
) -> dict[str, UpstreamLine]:
    """The upstreams by account: those of accounts with their own keys, and the common one under
    the empty name.

    Each virtual account has its own, whose client is that of ``virtual``.
    """
    lines = {"": _line("cascade", settings, settings.cascade, None)}
    for name, upstream in _own_lines(settings):
        lines[name] = _line(name, settings, upstream, virtual)
    return lines


def _line(
    name: str, settings: Settings, upstream: Upstream, virtual: VirtualDeliveries | None
) -> UpstreamLine:
    cascade = settings.cascade
    pace = Pace(cascade.requests_per_second, cascade.burst, cascade.max_batch, time.monotonic())
    client = _client(settings, settings.accounts.get(name), virtual)
    return UpstreamLine(name, client, credentials(upstream), pace)


def _client(
    settings: Settings, account: AccountSettings | None, virtual: VirtualDeliveries | None
) -> ApiClient:
    if account is not None and account.virtual:
        return VirtualClient(virtual or VirtualDeliveries())
    return CascadeClient(settings.cascade)


def _own_lines(settings: Settings) -> list[tuple[str, Upstream]]:
    return [
        (name, account.cascade or Upstream())
        for name, account in settings.accounts.items()
        if account.virtual or (account.cascade is not None and account.cascade.has_credentials)
    ]


def reload_lines(
    lines: dict[str, UpstreamLine], new: Settings, virtual: VirtualDeliveries | None = None
) -> None:
    """Takes over new keys. Waiting messages of an account that now has its own keys move to its
    new upstream; an account that has lost them keeps its upstream, with the common keys."""
    common = credentials(new.cascade)
    own = dict(_own_lines(new))
    for name, line in lines.items():
        account = new.accounts.get(name)
        if account is not None and account.virtual != isinstance(line.client, VirtualClient):
            # It was removed, and is another one now: an account that stays does not change this.
            line.client = _client(new, account, virtual)
        headers = credentials(own[name]) if name in own else common
        if headers != line.headers:
            line.headers = headers
            line.pace.try_now(time.monotonic())
    for name in own.keys() - lines.keys():
        line = lines[name] = _line(name, new, own[name], virtual)
        for route, queue in lines[""].queues.items():
            line.queues[route].held = queue.held
            for message in queue.take_matching(partial(_is_of, name)):
                line.queues[route].push(message)


def _is_of(account: str, message: Message) -> bool:
    return message.account == account


def line_of(lines: Mapping[str, UpstreamLine], account: str) -> UpstreamLine:
    """The upstream that an account's messages go to."""
    return lines.get(account) or lines[""]
