"""The operators' verbs on a running relay, without listeners for clients."""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bridge import log
from bridge.admin.answers import Reloaded
from bridge.admin.audit_trail import EVENT, AuditTrail
from bridge.admin.control import Control
from bridge.admin.parts import DaemonParts
from bridge.admin.service import AdminService
from bridge.admin.trouble import RecentTrouble
from bridge.config.settings import Log
from bridge.directory.imports import Imports
from bridge.net.sessions import SessionInfo
from bridge.sandbox import Sandbox
from tests.relaying import Relaying, relaying
from tests.samples import NOW

#: The operator in these tests.
BY = "anna"


class Door:
    """A listener with sessions of an account."""

    def __init__(self, protocol: str, *accounts: str) -> None:
        self.reasons: list[str] = []
        self._open = [
            SessionInfo(f"{protocol}-{n}", protocol, "", account, "10.0.0.1:1", at())
            for n, account in enumerate(accounts, 1)
        ]

    def sessions(self) -> list[SessionInfo]:
        return list(self._open)

    def submitted(self, count: int) -> None:
        """The first session has submitted messages."""
        self._open[0] = replace(self._open[0], submitted=count)

    def end_sessions(self, reason: str, *, id: str = "", account: str = "") -> int:
        ended = [one for one in self._open if id == one.id or account == one.account]
        self._open = [one for one in self._open if one not in ended]
        self.reasons += [reason] * len(ended)
        return len(ended)


def at() -> datetime:
    return datetime.fromtimestamp(NOW, UTC)


@dataclass
class Process:
    """What the daemon's process does for the verbs: it reads its settings again, and stops."""

    reloaded: Reloaded = field(default_factory=lambda: Reloaded(["log.level"], [], []))
    mistakes: Exception | None = None
    stopped: asyncio.Event = field(default_factory=asyncio.Event)

    def load(self) -> Reloaded:
        if self.mistakes is not None:
            raise self.mistakes
        return self.reloaded

    def stop(self) -> None:
        self.stopped.set()


@dataclass
class Controlled:
    """The verbs, and the parts behind them; ``smtp`` and ``smpp`` each have a session of
    ``crm``."""

    control: Control
    service: AdminService
    relaying: Relaying
    smtp: Door
    smpp: Door
    process: Process
    audits: AuditTrail
    trouble: RecentTrouble

    def audited(self) -> list[tuple[str, str, dict[str, str]]]:
        """Action, author and fields of the audit events, the oldest first."""
        return [(one.action, one.by, one.about) for one in reversed(self.audits.newest(1000))]


@contextmanager
def watching(audits: AuditTrail) -> Iterator[None]:
    """The log of the daemon, whose audit events are kept."""
    log.configure(Log(), stream=io.BytesIO())
    log.WATCHERS.append(audits.watch)
    log.WATCHED_EVENTS.add(EVENT)
    try:
        yield
    finally:
        log.WATCHERS.remove(audits.watch)


@asynccontextmanager
async def controlling(
    folder: Path,
    sandbox: Sandbox,
    *,
    accounts: dict[str, dict[str, Any]] | None = None,
    keys: dict[str, str] | None = None,
) -> AsyncIterator[Controlled]:
    async with relaying(folder, sandbox, accounts=accounts, keys=keys) as relay:
        smtp, smpp = Door("smtp", "crm"), Door("smpp", "crm", "erp")
        process, audits, trouble = Process(), AuditTrail(), RecentTrouble()
        imports = Imports(relay.directory)
        parts = DaemonParts(
            process,
            relay.accounts,
            relay.store,
            relay.dispatcher,
            relay.lines,
            {"smtp": smtp, "smpp": smpp},
            relay.relay,
            relay.directory,
            imports,
            trouble,
            audits,
        )
        service = AdminService(relay.settings, parts)
        with watching(audits):
            task = asyncio.create_task(imports.run())
            try:
                yield Controlled(
                    service.control, service, relay, smtp, smpp, process, audits, trouble
                )
            finally:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
