"""The answers of the verbs of :mod:`bridge.admin.control`: plain data, the same for API and
commands.

Times have a zone and are written as RFC 3339.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from bridge.admin.history import Sample
from bridge.admin.trouble import NotableEvent


@dataclass(frozen=True, slots=True)
class Changed:
    """The number of sessions, blocks or messages that were changed."""

    count: int


@dataclass(frozen=True, slots=True)
class Cancelled:
    """The number of cancelled messages. ``perhaps_sent`` of them may have been sent before: an
    attempt had an unknown outcome."""

    count: int
    perhaps_sent: int


@dataclass(frozen=True, slots=True)
class BlockedLogin:
    """A blocked address, or one blocked ``account`` at it (empty: all accounts).

    ``names`` are the account names of the failed logins, ``node`` is where it is blocked.
    """

    address: str
    account: str
    until: datetime
    attempts: int
    first_attempt: datetime | None
    last_attempt: datetime | None
    names: list[str]
    node: int = 0


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """An account: its permissions, its limits and their use."""

    name: str
    protocols: list[str]
    sender: str
    senders: list[str]
    message_types: list[str]
    networks: list[str]
    countries: list[str]
    rate: float
    daily_limit: int
    accepted_today: int
    max_binds: int
    binds: int
    mail_sessions: int
    held: bool


@dataclass(frozen=True, slots=True)
class DailyUse:
    """An account's messages of today, and its daily limit."""

    account: str
    accepted_today: int
    daily_limit: int


@dataclass(frozen=True, slots=True)
class LoginTest:
    """The password is correct, and the account may log in by this protocol from this address."""

    name: str
    protocol: str
    address: str


@dataclass(frozen=True, slots=True)
class Hold:
    """A hold of a whole ``account`` or ``upstream``."""

    scope: str
    name: str


@dataclass(frozen=True, slots=True)
class LogLevel:
    """The log level, when it ends (``None``: not by itself), and the number of events by level
    since the start. ``nodes`` are the levels of several nodes."""

    level: str
    until: datetime | None
    events: dict[str, int]
    nodes: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The keys that a reload changed, and those that need a restart. ``failed`` are other nodes
    that kept their settings, and why."""

    changed: list[str]
    need_restart: list[str]
    removed_accounts: list[str]
    failed: dict[int, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class QueueLine:
    """Messages of the queue with the same state, account, type, sender and reason.

    ``failure`` is the name of the reason, ``cause`` its text; ``example`` is the id of the newest.
    """

    state: str
    account: str
    type: str
    sender: str
    failure: str
    cause: str
    count: int
    oldest: datetime
    newest: datetime
    example: int


@dataclass(frozen=True, slots=True)
class QueueList:
    """The total number of messages, and their groups, the largest first."""

    count: int
    groups: list[QueueLine]


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message of the queue. ``due`` is the time of the next attempt, ``attempts`` the number of
    posts, ``unknown`` the number of those with an unknown outcome."""

    id: int
    submission_id: int
    account: str
    state: str
    type: str
    phone: str
    sender: str
    accepted: datetime
    due: datetime
    expires: datetime
    attempts: int
    unknown: int
    failure: str
    cause: str


@dataclass(frozen=True, slots=True)
class QueueState:
    """Messages in one state, and the age of the oldest in seconds."""

    state: str
    count: int
    oldest_age: float


@dataclass(frozen=True, slots=True)
class UpstreamStatus:
    """The state of an upstream: ``ok``, ``held`` (by an operator), ``refused`` (needs a change by
    an operator), ``slowed down``, ``broken`` or ``unknown outcomes``.

    ``says`` is the API's last error, ``since`` its first time; ``waiting`` is the number of
    messages that wait for the upstream. ``words`` is the same as a sentence, empty without trouble.
    """

    name: str
    status: str
    says: str
    since: datetime | None
    last: datetime | None
    requests: int
    in_flight: int
    waiting: int
    words: str


@dataclass(frozen=True, slots=True)
class SessionCount:
    """Open sessions of one protocol and bind."""

    protocol: str
    bind: str
    count: int


@dataclass(frozen=True, slots=True)
class NoticesOwed:
    """Receipts, reports and messages from phones that are owed, and the age of the oldest."""

    kind: str
    count: int
    oldest_age: float


@dataclass(frozen=True, slots=True)
class NodeStatus:
    """One of the nodes that share the store: where it runs, what it lacks (``missing``), what it
    does ``now``, its sessions, and its requests to the API in flight.

    One that does not answer has its number alone, and says so in ``missing``.
    """

    node: int
    version: str
    host: str
    pid: int
    started: datetime | None
    level: str
    missing: list[str]
    sessions: int
    in_flight: int
    now: Sample | None


@dataclass(frozen=True, slots=True)
class Overview:
    """The state of the bridge. ``missing`` are the failed health checks, ``held_accounts`` the
    accounts whose messages wait until somebody releases them; ``limits`` are the
    accounts nearest to their daily limit, ``trouble`` the warnings and errors of the last hour,
    ``others`` the other nodes of the store."""

    version: str
    node: int
    nodes: int
    started: datetime
    missing: list[str]
    now: Sample
    queue: list[QueueState]
    upstreams: list[UpstreamStatus]
    held_accounts: list[str]
    owed: list[NoticesOwed]
    sessions: list[SessionCount]
    blocked: int
    limits: list[DailyUse]
    certificates: dict[str, datetime]
    trouble: list[NotableEvent]
    others: list[NodeStatus]


@dataclass(frozen=True, slots=True)
class HistoryOf:
    """Samples of the last hour, one every ten seconds, and of the last day, one every five
    minutes; the oldest first."""

    hour: list[Sample]
    day: list[Sample]


@dataclass(frozen=True, slots=True)
class RefusalShown:
    """A refused request of a client, and the reason."""

    at: datetime
    kind: str
    protocol: str
    account: str
    peer: str
    phone: str
    reason: str


@dataclass(frozen=True, slots=True)
class FailuresShown:
    """Messages that failed for one ``reason``: the name of a failure, a status of the API, or the
    state."""

    reason: str
    count: int
    newest: int


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """A failed message, and the reason."""

    id: int
    account: str
    state: str
    phone: str
    sender: str
    accepted: datetime
    reason: str
    cause: str


@dataclass(frozen=True, slots=True)
class FailureList:
    """Reasons, the most frequent first, and the newest failed messages."""

    reasons: list[FailuresShown]
    newest: list[FailedMessage]


@dataclass(frozen=True, slots=True)
class PhoneStory:
    """A phone number: messages to it and from it, as in ``trace --json``, refusals, and the
    accounts that have it in their black list, with the kind of block."""

    phone: str
    messages: list[dict[str, Any]]
    incoming: list[dict[str, Any]]
    refusals: list[RefusalShown]
    black_listed: dict[str, str]


@dataclass(frozen=True, slots=True)
class HookTaken:
    """The number of accepted webhooks of one kind since the start, and the time of the last."""

    kind: str
    count: int
    last: datetime | None


@dataclass(frozen=True, slots=True)
class HooksShown:
    """The webhooks: their addresses (none without a secret), accepted ones, and the last refused
    ones."""

    listen: list[str]
    taken: list[HookTaken]
    refused: list[RefusalShown]
