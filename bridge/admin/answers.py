"""What the verbs of :mod:`bridge.admin.control` answer: plain data, the same for API and commands.

Times are aware of their zone and written as RFC 3339.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from bridge.admin.history import Sample
from bridge.admin.trouble import NotableEvent


@dataclass(frozen=True, slots=True)
class Changed:
    """How many sessions, blocks or messages the verb changed."""

    count: int


@dataclass(frozen=True, slots=True)
class BlockedLogin:
    """An address that may not log in, or one ``account`` at it; an empty one means all.

    ``names`` are those that were tried.
    """

    address: str
    account: str
    until: datetime
    attempts: int
    first_attempt: datetime | None
    last_attempt: datetime | None
    names: list[str]


@dataclass(frozen=True, slots=True)
class AccountLimits:
    """An account: what it may do, and how much of its limits it uses now."""

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
class LoginTest:
    """The password is right, and the account may come in by this protocol from this address."""

    name: str
    protocol: str
    address: str


@dataclass(frozen=True, slots=True)
class Hold:
    """Something that is held as a whole: an ``account`` or an ``upstream``."""

    scope: str
    name: str


@dataclass(frozen=True, slots=True)
class LogLevel:
    """The log's level, until when it holds (``None``: until it is set again), and how many events
    of each level were written since the start."""

    level: str
    until: datetime | None
    events: dict[str, int]


@dataclass(frozen=True, slots=True)
class Reloaded:
    """What a reload took over (dotted keys), and which changes need a restart."""

    changed: list[str]
    need_restart: list[str]
    removed_accounts: list[str]


@dataclass(frozen=True, slots=True)
class QueueLine:
    """Messages of the queue with the same state, account, type, sender and reason.

    ``failure`` is the reason's name, ``cause`` the words that came with it; ``example`` is the id
    of the newest.
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
    """How many messages there are in all, and their groups, the largest first."""

    count: int
    groups: list[QueueLine]


@dataclass(frozen=True, slots=True)
class QueuedMessage:
    """A message of the queue. ``due`` is when it may go (again), ``attempts`` how often it was
    posted, ``unknown`` how many of these had an unknown outcome."""

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
    """How one upstream does: ``ok``, ``held`` (by an operator), ``refused`` (nothing gets through
    until somebody changes something), ``slowed down``, ``broken`` or ``unknown outcomes``.

    ``says`` is what the API said last, ``since`` since when; ``waiting`` messages wait for it.
    ``words`` says all that in a sentence, and is empty where messages go.
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
    """Receipts, reports and messages from phones that nobody took yet, with the oldest's age."""

    kind: str
    count: int
    oldest_age: float


@dataclass(frozen=True, slots=True)
class Overview:
    """How the bridge does now. ``missing`` is what it lacks; ``trouble`` are the warnings and
    errors of the last hour."""

    version: str
    node: int
    nodes: int
    started: datetime
    missing: list[str]
    now: Sample
    queue: list[QueueState]
    upstreams: list[UpstreamStatus]
    owed: list[NoticesOwed]
    sessions: list[SessionCount]
    blocked: int
    certificates: dict[str, datetime]
    trouble: list[NotableEvent]


@dataclass(frozen=True, slots=True)
class HistoryOf:
    """Samples of the last hour, one every ten seconds, and of the last day, one every five
    minutes; the oldest first."""

    hour: list[Sample]
    day: list[Sample]


@dataclass(frozen=True, slots=True)
class RefusalShown:
    """Something that a client heard no to, and why."""

    at: datetime
    kind: str
    protocol: str
    account: str
    peer: str
    phone: str
    reason: str


@dataclass(frozen=True, slots=True)
class FailuresShown:
    """Messages that failed for one ``reason``: a failure's name, the API's word, or the state."""

    reason: str
    count: int
    newest: int


@dataclass(frozen=True, slots=True)
class FailedMessage:
    """A message that came to no good end, and why."""

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
    """Reasons, the commonest first, and the newest messages."""

    reasons: list[FailuresShown]
    newest: list[FailedMessage]


@dataclass(frozen=True, slots=True)
class PhoneStory:
    """All that is known of a number: messages to it and from it, as ``trace --json`` tells them,
    refusals, and the accounts whose black list has it, with what it stops."""

    phone: str
    messages: list[dict[str, Any]]
    incoming: list[dict[str, Any]]
    refusals: list[RefusalShown]
    black_listed: dict[str, str]


@dataclass(frozen=True, slots=True)
class HookTaken:
    """Webhooks of one kind that were taken since the start, and when the last one was."""

    kind: str
    count: int
    last: datetime | None


@dataclass(frozen=True, slots=True)
class HooksShown:
    """What SMSBAT calls: where it is listened (nowhere: no secret is set), what was taken, and
    what was refused last."""

    listen: list[str]
    taken: list[HookTaken]
    refused: list[RefusalShown]
