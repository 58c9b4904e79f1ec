"""Builds the operators' part of the daemon: verbs, API, console, metrics, health checks."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping

from bridge import log as logging
from bridge.admin.api import application
from bridge.admin.console.console import Console
from bridge.admin.control import Control
from bridge.admin.health import Health
from bridge.admin.history import History
from bridge.admin.listener import AdminListener
from bridge.admin.metrics import Metrics
from bridge.admin.parts import DaemonParts
from bridge.admin.refusals import RefusalKeeper
from bridge.admin.standing import NowStanding
from bridge.admin.tokens import Tokens
from bridge.config.settings import Settings
from bridge.sending.upstream import UpstreamLine


class AdminService:
    """Belongs to one event loop: :meth:`run` it, :meth:`close` it at the end.

    ``listener`` and ``control`` take over new settings.
    """

    def __init__(self, settings: Settings, parts: DaemonParts) -> None:
        store, accounts, upstreams = parts.store, parts.accounts, parts.upstreams
        self._refusals = RefusalKeeper(store, accounts.settings_of)
        self.health = Health(
            lambda: store.forget_fingerprints(int(store.time())),
            lambda: store.trouble,
            lambda: _held(upstreams),
        )
        standing = NowStanding(
            lambda: self.control.settings,
            store,
            parts.dispatcher,
            accounts,
            upstreams,
            lambda: [info for one in parts.listeners.values() for info in one.sessions()],
            self.health.ready,
        )
        self._history = History(
            lambda: (parts.dispatcher.backlog, standing.age("accepted")), standing.look, time.time
        )
        self.control = Control(
            settings,
            parts,
            health=self.health,
            standing=standing,
            history=self._history,
        )
        tokens = Tokens(settings.admin, accounts.lockout)
        console = Console(self.control, tokens)
        self.listener = AdminListener(
            settings.admin,
            application(
                self.control,
                parts.relay,
                Metrics(standing.look, standing.standing),
                [*self.health.routes(), *console.routes()],
            ),
            tokens,
            accounts,
        )

    async def run(self) -> None:
        """Watches the process and keeps history and refusals, until it is cancelled."""
        logging.WATCHERS.append(self._refusals.watch)
        try:
            async with asyncio.TaskGroup() as tasks:
                for part in (self.health, self._history, self._refusals):
                    tasks.create_task(part.run())
        finally:
            logging.WATCHERS.remove(self._refusals.watch)

    async def close(self) -> None:
        """Stores the waiting refusals."""
        await self._refusals.flush()


def _held(upstreams: Mapping[str, UpstreamLine]) -> list[str]:
    """The held upstreams, with the reason."""
    found = {line.name: line for line in upstreams.values()}
    return [
        f"upstream {name} is held: {line.pace.held or 'by an operator'}"
        for name, line in found.items()
        if line.held or line.pace.held
    ]
