"""The operators' verbs, the same for the socket, the API and the console.

Every public method of :class:`Control` is a verb. Arguments are plain values, results are
dataclasses, refusals are a :class:`bridge.model.failure.Failure`. :mod:`bridge.admin.endpoints` has
the HTTP path and the role of each verb.
"""

from __future__ import annotations

import asyncio
import os
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import structlog

from bridge import __version__
from bridge import log as logging
from bridge.admin.account_verbs import AccountVerbs
from bridge.admin.answers import (
    Changed,
    HistoryOf,
    HooksShown,
    HookTaken,
    LogLevel,
    NodeStatus,
    NoticesOwed,
    Overview,
    QueueState,
    Reloaded,
    SessionCount,
    UpstreamStatus,
)
from bridge.admin.audit_trail import AuditRecord
from bridge.admin.health import Health
from bridge.admin.history import History
from bridge.admin.joining import (
    audits_of,
    hooks_of,
    levels_of,
    nodes_of,
    reloads_of,
    sum_of,
)
from bridge.admin.nodes import Nodes, everywhere
from bridge.admin.parts import DaemonParts
from bridge.admin.standing import NowStanding
from bridge.admin.stored_verbs import Limit, at
from bridge.admin.upstream_status import upstream_status
from bridge.config.settings import Settings, parse_duration
from bridge.log import EVENTS
from bridge.model import measures
from bridge.model.failure import Failure, Reason
from bridge.trace.finding import by_id, from_phones

log = structlog.get_logger()

#: Delay of the stop after a drain, so that the request is answered (seconds).
_ANSWERED: Final = 0.2


class Control(AccountVerbs):
    """The verbs of a running daemon. Belongs to one event loop; ``clock`` gives Unix time.

    ``by`` names the caller: every change is an ``audit`` event in the log. ``nodes`` are the nodes
    that share the store.
    """

    def __init__(
        self,
        settings: Settings,
        parts: DaemonParts,
        *,
        health: Health,
        standing: NowStanding,
        history: History,
        clock: Callable[[], float] = time.time,
    ) -> None:
        super().__init__(settings, parts, clock)
        self.nodes = Nodes(parts.store, self)
        self._lifecycle = parts.lifecycle
        self._trouble = parts.trouble
        self._audits = parts.audits
        self._health = health
        self._standing = standing
        self._history = history
        self._started = datetime.fromtimestamp(int(clock()), UTC)
        self._level_back: asyncio.TimerHandle | None = None
        self._level_until: datetime | None = None

    def reload_settings(self, settings: Settings) -> None:
        """Takes over new settings."""
        self.settings = settings

    # --- overview --------------------------------------------------------------------------

    async def show_overview(self) -> Overview:
        """Show the state of the bridge: rates, queue, upstreams, sessions, warnings and errors."""
        await self._standing.look()
        standing = self._standing.standing()
        nodes = await self.list_nodes()
        return Overview(
            __version__,
            self._store.node,
            len(nodes),
            self._started,
            self._health.ready(),
            self._history.now(),
            [
                QueueState(state, count, standing.queue_ages[state])
                for state, count in standing.queue_messages.items()
            ],
            await self.list_upstreams(),
            sorted(self._dispatcher.held_accounts),
            [
                NoticesOwed(kind, count, standing.notices_ages[kind])
                for kind, count in standing.notices_owed.items()
            ],
            [SessionCount(*key, count) for key, count in sorted(standing.sessions.items())],
            standing.blocked,
            self._standing.nearest_limits(),
            standing.certificates,
            self._trouble.recent(),
            [one for one in nodes if one.node != self._store.node],
        )

    @everywhere(nodes_of)
    async def list_nodes(self) -> list[NodeStatus]:
        """List the nodes that share the store: where they run, what they lack and what they do."""
        upstreams = {id(line): line for line in self._upstreams.values()}
        return [
            NodeStatus(
                self._store.node,
                __version__,
                socket.gethostname(),
                os.getpid(),
                self._started,
                logging.level(),
                self._health.ready(),
                sum(len(listener.sessions()) for listener in self._listeners.values()),
                sum(line.in_flight for line in upstreams.values()),
                self._history.now(),
            )
        ]

    async def show_history(self) -> HistoryOf:
        """Show rates, queue and times of the last hour and the last day."""
        return HistoryOf(list(self._history.hour), list(self._history.day))

    def _troubles(self) -> dict[str, str]:
        found = map(upstream_status, self._upstreams.values())
        return {one.name: one.words for one in found if one.words}

    async def list_upstreams(self) -> list[UpstreamStatus]:
        """List the upstreams: whether the API takes messages, its last error and since when."""
        return [upstream_status(line) for line in self._upstreams.values()]

    @everywhere(audits_of)
    async def list_audits(self, *, id: str = "", limit: Limit = 100) -> list[AuditRecord]:
        """List who read texts or changed something since the start; with ``id`` for one message."""
        return self._audits.newest(limit, id)

    @everywhere(hooks_of)
    async def list_hooks(self) -> HooksShown:
        """Show webhooks: accepted ones since the start, and the last refused ones."""
        hooks = self.settings.hooks
        taken = [
            HookTaken(
                kind,
                measures.HOOKS.total(kind=kind, outcome="taken"),
                at(int(seen)) if (seen := measures.HOOKS_TAKEN_AT.get(kind)) else None,
            )
            for kind in ("status", "incoming")
        ]
        refused = await self.list_refusals(kind="hook", limit=20)
        return HooksShown([str(one) for one in hooks.listen if hooks.secret], taken, refused)

    async def show_text(self, *, by: str, id: str) -> list[dict[str, Any]]:
        """Show the texts with this id: of a message, a submission, or a message from a phone.

        The log records the caller.
        """
        found = await by_id(self._store, id)
        told = [await self._document(stored, text=True) for stored in found[:100]]
        for one in told:
            self._audit("show_text", by, id=one["id"], phone=one["phone"])
        if not told:
            for answered in await from_phones(self._store, id, (), 1, 0):
                incoming = answered.incoming
                self._audit("show_text", by, id=incoming.id, phone=incoming.phone)
                told.append({"id": incoming.id, "phone": incoming.phone, "text": incoming.text})
        if not told:
            raise Failure(Reason.NOT_FOUND, f"no message {id}")
        return told

    # --- the daemon ------------------------------------------------------------------------

    @everywhere(reloads_of)
    async def reload(self, *, by: str) -> Reloaded:
        """Read the configuration again; sessions stay.

        Raises :class:`bridge.config.settings.ConfigError` for invalid settings; the old ones stay
        in force.
        """
        self._audit("reload", by)
        return self._lifecycle.load()

    async def drain(self, *, by: str, node: str = "") -> Changed:
        """Stop this node as SIGTERM does, after requests in flight are finished and answered.

        ``node`` is the number of another one, or ``all``.
        """
        return await self._drain(by=by, node=node or str(self._store.node))

    @everywhere(sum_of)
    async def _drain(self, *, by: str, node: str) -> Changed:
        if node not in ("all", str(self._store.node)):
            raise Failure(Reason.NOT_FOUND, f"no node {node}")
        sessions = sum(len(listener.sessions()) for listener in self._listeners.values())
        self._audit("drain", by, sessions=sessions)
        # After the answer to this request.
        asyncio.get_running_loop().call_later(_ANSWERED, self._lifecycle.stop)
        return Changed(sessions)

    @everywhere(levels_of)
    async def show_log_level(self) -> LogLevel:
        """Show the log level."""
        return LogLevel(logging.level(), self._level_until, dict(EVENTS))

    @everywhere(levels_of)
    async def set_log_level(self, *, by: str, level: str, duration: str = "") -> LogLevel:
        """Set the log level, for a while or until the next start."""
        if level not in logging.LEVELS:
            allowed = ", ".join(logging.LEVELS)
            raise Failure(Reason.BAD_PARAMETER, f"no level {level}: {allowed}")
        try:
            seconds = parse_duration(duration) if duration else 0.0
        except ValueError as error:
            raise Failure(Reason.BAD_PARAMETER, f"{duration} is not {error}") from None
        if self._level_back is not None:
            self._level_back.cancel()
        self._level_back, self._level_until = None, None
        # First, so that it is written at any level.
        self._audit("set_log_level", by, log_level=level, duration=duration)
        logging.set_level(level)
        if seconds:
            loop = asyncio.get_running_loop()
            self._level_back = loop.call_later(seconds, self._restore_level)
            self._level_until = self._after(seconds)
        return LogLevel(logging.level(), self._level_until, dict(EVENTS))

    def _restore_level(self) -> None:
        self._level_back, self._level_until = None, None
        logging.set_level(self.settings.log.level)
        log.info("log_level_restored", log_level=self.settings.log.level)
