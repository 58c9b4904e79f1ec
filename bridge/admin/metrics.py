"""``/metrics`` for Prometheus: counters since the start, and gauges of the present.

Names are interface: alert rules and dashboards depend on them. :mod:`bridge.model.measures` counts;
gauges are read at each scrape.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Final, NamedTuple, cast

from prometheus_client import CollectorRegistry, ProcessCollector
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.openmetrics.exposition import (
    CONTENT_TYPE_LATEST as OPENMETRICS,
)
from prometheus_client.openmetrics.exposition import (
    generate_latest as openmetrics,
)
from prometheus_client.registry import Collector

from bridge import __version__
from bridge.log import EVENTS
from bridge.model import measures
from bridge.model.measures import Histogram

Render = Callable[[CollectorRegistry], bytes]

PREFIX: Final = "cascade_bridge_"
#: Most accounts with a label of their own.
MAX_ACCOUNTS: Final = 200

#: Counters: their names without ``_total``, and their measures.
_TALLIES: Final = {
    "submissions": (measures.SUBMISSIONS, "Submissions by what the client was told."),
    "messages": (measures.MESSAGES, "Messages by the state that they came to."),
    "upstream_requests": (measures.UPSTREAM_REQUESTS, "Requests to the API by what came back."),
    "logins": (measures.LOGINS, "Logins of accounts."),
    "notices": (measures.NOTICES, "Receipts, reports and incoming messages told to accounts."),
    "hooks": (measures.HOOKS, "Webhooks by what they were answered."),
    "smarthost_failures": (measures.SMARTHOST_FAILURES, "Times the smarthost could not be used."),
    "store_failures": (measures.STORE_FAILURES, "Commits that the store refused."),
}
_HISTOGRAMS: Final = {
    "upstream_request_duration_seconds": (measures.UPSTREAM_SECONDS, "Requests to the API."),
    "upstream_batch_messages": (measures.UPSTREAM_BATCH, "Messages in one request."),
    "store_commit_duration_seconds": (measures.STORE_COMMIT_SECONDS, "Commits of the store."),
    "store_commit_rows": (measures.STORE_COMMIT_ROWS, "Rows that one commit wrote."),
    "event_loop_lag_seconds": (measures.LOOP_LAG, "How late the event loop was."),
}


class StandingSource(NamedTuple):
    """The values of the gauges. Ages are in seconds; ``sessions`` are by protocol and bind."""

    queue_messages: dict[str, int]
    queue_ages: dict[str, float]
    notices_owed: dict[str, int]
    notices_ages: dict[str, float]
    upstreams_held: dict[str, bool]
    sessions: dict[tuple[str, str], int]
    blocked: int
    daily_used: dict[str, float]
    certificates: dict[str, datetime]
    ready: bool
    store_free: int | None


class BridgeCollector(Collector):
    """Makes the metrics from the measures and the gauges."""

    def __init__(self, standing: Callable[[], StandingSource]) -> None:
        self._standing = standing

    def collect(self) -> Iterator[Metric]:
        yield _gauge("build_info", "The version.", ("version",), {(__version__,): 1})
        for name, (tally, help) in _TALLIES.items():
            yield _counter(name, help, tally.labels, dict(tally.counts))
        levels = {(level,): count for level, count in EVENTS.items()}
        yield _counter("log_events", "Events in the log.", ("level",), levels)
        for name, (histogram, help) in _HISTOGRAMS.items():
            yield _histogram(name, help, (), {(): histogram})
        durations = {(name,): one for name, one in measures.SUBMISSION_SECONDS.items()}
        yield _histogram(
            "submission_duration_seconds",
            "From a submission to its answer.",
            ("protocol",),
            durations,
        )
        yield from self._now()

    def _now(self) -> Iterator[Metric]:
        now = self._standing()
        for name, help, label, values in (
            ("queue_messages", "Messages that wait.", "state", now.queue_messages),
            ("queue_oldest_age_seconds", "Age of the oldest of them.", "state", now.queue_ages),
            ("notices_owed", "Notices that nobody took yet.", "kind", now.notices_owed),
            ("notices_oldest_age_seconds", "Age of the oldest.", "kind", now.notices_ages),
            ("upstream_held", "Whether nothing is sent.", "upstream", now.upstreams_held),
            ("account_daily_used_ratio", "Of the daily limit.", "account", now.daily_used),
        ):
            yield _gauge(name, help, (label,), {(key,): value for key, value in values.items()})
        yield _gauge("sessions", "Open sessions.", ("protocol", "bind"), now.sessions)
        yield _gauge("blocked_addresses", "Blocked after wrong logins.", (), {(): now.blocked})
        yield _gauge("ready", "Whether /readyz answers ok.", (), {(): now.ready})
        free = {} if now.store_free is None else {(): now.store_free}
        yield _gauge("store_free_bytes", "Room on the disk of the store (SQLite).", (), free)
        left = {
            (listener,): end.timestamp() - time.time() for listener, end in now.certificates.items()
        }
        yield _gauge("certificate_expiry_seconds", "Until a certificate ends.", ("listener",), left)


def _gauge(
    name: str,
    help: str,
    labels: tuple[str, ...],
    values: Mapping[Any, float],
) -> Metric:
    metric = GaugeMetricFamily(PREFIX + name, help, labels=labels)
    for key, value in values.items():
        metric.add_metric(list(key), float(value))
    return metric


def _counter(name: str, help: str, labels: tuple[str, ...], values: Mapping[Any, int]) -> Metric:
    metric = CounterMetricFamily(PREFIX + name, help, labels=labels)
    if not labels and not values:
        values = {(): 0}
    for key, value in values.items():
        metric.add_metric(list(key), value)
    return metric


def _histogram(
    name: str, help: str, labels: tuple[str, ...], values: Mapping[Any, Histogram]
) -> Metric:
    metric = HistogramMetricFamily(PREFIX + name, help, labels=labels)
    for key, histogram in values.items():
        total, buckets = 0, []
        for bound, count in zip((*histogram.bounds, float("inf")), histogram.counts, strict=True):
            total += count
            buckets.append(("+Inf" if bound == float("inf") else f"{bound:g}", total))
        metric.add_metric(list(key), buckets, histogram.sum)
    return metric


class Metrics:
    """Renders them for a scrape; ``look`` updates the gauges."""

    def __init__(
        self, look: Callable[[], Awaitable[None]], standing: Callable[[], StandingSource]
    ) -> None:
        self._look = look
        self._registry = CollectorRegistry()
        self._registry.register(BridgeCollector(standing))
        if Path("/proc/self/stat").exists():
            ProcessCollector(registry=self._registry)

    async def render(self, accept: str) -> tuple[bytes, str]:
        """The text and its content type, as the scraper accepts it."""
        await self._look()
        if "application/openmetrics-text" in accept:
            render, kind = cast(Render, openmetrics), OPENMETRICS
        else:
            render, kind = cast(Render, generate_latest), CONTENT_TYPE_LATEST
        return render(self._registry), kind
