"""The parts of the daemon that operators see and change, as :mod:`bridge.app` built them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from bridge.accounts.accounts import Accounts
from bridge.admin.answers import Reloaded
from bridge.admin.audit_trail import AuditTrail
from bridge.admin.trouble import RecentTrouble
from bridge.directory.directory import Directory
from bridge.directory.imports import Imports
from bridge.net.sessions import SessionInfo
from bridge.relay.relay import Relay
from bridge.sending.dispatcher import Dispatcher
from bridge.sending.upstream import UpstreamLine
from bridge.store import Store


class Sessions(Protocol):
    """The part of a listener with sessions that the verbs use."""

    def sessions(self) -> list[SessionInfo]: ...

    def end_sessions(self, reason: str, *, id: str = "", account: str = "") -> int: ...


class Lifecycle(Protocol):
    """The part of :class:`bridge.app.App` that the verbs use."""

    def load(self) -> Reloaded: ...

    def stop(self) -> None: ...


@dataclass(frozen=True, slots=True)
class DaemonParts:
    """``lifecycle`` reloads and stops the daemon; ``listeners`` are those with sessions, by
    protocol; ``upstreams`` are by account."""

    lifecycle: Lifecycle
    accounts: Accounts
    store: Store
    dispatcher: Dispatcher
    upstreams: Mapping[str, UpstreamLine]
    listeners: Mapping[str, Sessions]
    relay: Relay
    directory: Directory
    imports: Imports
    trouble: RecentTrouble
    audits: AuditTrail
