"""One upstream: a set of credentials at the API with its client, its pace and what waits for it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from bridge.cascade.client import CascadeClient, credentials
from bridge.config.settings import Settings, Upstream
from bridge.model.message import Route
from bridge.sending.pace import Pace
from bridge.sending.queue import Queue


@dataclass(slots=True)
class UpstreamLine:
    """An upstream at run time; the dispatcher keeps its counts."""

    name: str
    client: CascadeClient
    headers: Mapping[str, str]
    pace: Pace
    queues: dict[Route, Queue] = field(
        default_factory=lambda: {route: Queue(route) for route in Route}
    )
    in_flight: int = 0
    splitting: int = 0  # of these: pieces of refused batches, and accounts set apart
    held: bool = False
    timer: asyncio.TimerHandle | None = None
    kicked: bool = False


def upstream_lines(settings: Settings) -> dict[str, UpstreamLine]:
    """The upstreams: the common one under the empty name, and those of accounts with own keys."""

    def line(name: str, upstream: Upstream) -> UpstreamLine:
        cascade = settings.cascade
        pace = Pace(cascade.requests_per_second, cascade.burst, cascade.max_batch, time.monotonic())
        return UpstreamLine(name, CascadeClient(cascade), credentials(upstream), pace)

    lines = {"": line("cascade", settings.cascade)}
    for name, account in settings.accounts.items():
        if account.cascade is not None and account.cascade.has_credentials:
            lines[name] = line(name, account.cascade)
    return lines
