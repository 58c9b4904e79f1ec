"""The present values for overview and metrics: read from the parts, and from the store every few
seconds at most."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from bridge.accounts.accounts import Accounts
from bridge.admin.answers import DailyUse
from bridge.admin.metrics import MAX_ACCOUNTS, StandingSource
from bridge.config.settings import Settings
from bridge.model.ids import second_of
from bridge.net import certificates
from bridge.net.sessions import SessionInfo
from bridge.sending.dispatcher import Dispatcher
from bridge.sending.upstream import UpstreamLine
from bridge.store import Store, StoreError
from bridge.store.daily_count import daily_counts
from bridge.store.engines import file_of
from bridge.store.operating.counts import StoreCounts, count_all
from bridge.store.outage import Outage

log = structlog.get_logger()

#: How long counts of the store are used (seconds).
_FRESH: Final = 5.0
#: A certificate that is valid for less than this is warned of, so often (seconds).
_SOON: Final = 14 * 86400
_WARN_EVERY: Final = 3600.0
#: Accounts that the overview shows.
_NEAREST: Final = 5


def certificates_of(settings: Settings) -> dict[str, Path]:
    """The certificates in use, by listener."""
    found = {
        "smtp": settings.smtp.certificate,
        "smpp": settings.smpp.certificate,
        "smsc": settings.smsc.certificate,
        "admin": settings.admin.certificate,
        "hooks": settings.hooks.certificate,
    }
    return {name: file for name, file in found.items() if file is not None}


def remaining(end: datetime, now: float) -> str:
    """The expiry of a certificate, in words."""
    left = end.timestamp() - now
    if left < 0:
        return f"it expired at {end:%Y-%m-%d %H:%M} UTC"
    return f"it expires in {left / 86400:.0f} days, at {end:%Y-%m-%d %H:%M} UTC"


class NowStanding:
    """Gathers it from all parts and the store."""

    def __init__(
        self,
        settings: Callable[[], Settings],
        store: Store,
        dispatcher: Dispatcher,
        accounts: Accounts,
        upstreams: Mapping[str, UpstreamLine],
        sessions: Callable[[], list[SessionInfo]],
        missing: Callable[[], list[str]],
        *,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._settings = settings
        self._store = store
        self._dispatcher = dispatcher
        self._accounts = accounts
        self._upstreams = upstreams
        self._sessions = sessions
        self._missing = missing
        self._clock = clock
        self.counts = StoreCounts({}, {})
        self._accepted_today: dict[str, int] = {}
        self._outage = Outage("counts_failed")
        self._looked_at = 0.0
        self._ends: dict[str, datetime] = {}
        self._ends_at = 0.0
        self._warned_at = -_WARN_EVERY

    async def look(self) -> None:
        """Looks at the certificates, and asks the store, unless that was done just now."""
        self.certificates()
        now = self._clock()
        if 0 <= now - self._looked_at < _FRESH:
            return
        self._looked_at = now
        try:
            self.counts = await self._store.look_up(count_all)
            today = await self._store.look_up(daily_counts, int(self._store.time()))
            self._accepted_today = today
            self._outage.over()
        except StoreError as error:
            self._outage.failed(error)

    def age(self, state: str) -> float:
        """The age of the oldest message in this state, in seconds; 0 without one."""
        waiting = self.counts.queue.get(state)
        if waiting is None or not waiting.oldest_id:
            return 0.0
        return max(0.0, self._clock() - second_of(waiting.oldest_id))

    def certificates(self) -> dict[str, datetime]:
        """The expiry times of the certificates in use, read from their files."""
        now = self._clock()
        if not 0 <= now - self._ends_at <= _FRESH:
            self._ends_at = now
            self._ends = {}
            for name, file in certificates_of(self._settings()).items():
                try:
                    self._ends[name] = certificates.expires_at(file)
                except (OSError, ValueError) as error:
                    log.warning("certificate_unreadable", listener=name, cause=str(error))
            self._warn()
        return self._ends

    def _warn(self) -> None:
        """Says in the log which certificates end soon, or have ended."""
        now = self._clock()
        if now - self._warned_at < _WARN_EVERY:
            return
        for name, end in self._ends.items():
            left = end.timestamp() - now
            if left < _SOON:
                self._warned_at = now
                log.warning("certificate_expiring", listener=name, cause=remaining(end, now))

    def nearest_limits(self) -> list[DailyUse]:
        """The accounts that have used most of their daily limit, that one first."""
        used = [
            DailyUse(one.name, self._accepted_today.get(one.name, 0), one.settings.daily_limit)
            for one in self._accounts
            if one.settings.daily_limit
        ]
        used.sort(key=lambda one: one.accepted_today / one.daily_limit, reverse=True)
        return used[:_NEAREST]

    def standing(self) -> StandingSource:
        """All values for the metrics."""
        now = self._clock()
        counts = self.counts
        sessions = Counter((one.protocol, one.bind) for one in self._sessions())
        limited = [one for one in self._accounts if one.settings.daily_limit][:MAX_ACCOUNTS]
        return StandingSource(
            {
                "accepted": self._dispatcher.backlog,
                "held": counts.queue["held"].messages if "held" in counts.queue else 0,
            },
            {state: self.age(state) for state in ("accepted", "held")},
            {kind: owing.messages for kind, owing in counts.owed.items()},
            {kind: max(0.0, now - owing.oldest) for kind, owing in counts.owed.items()},
            {line.name: line.held or bool(line.pace.held) for line in self._upstreams.values()},
            dict(sessions),
            len({block.origin for block in self._accounts.lockout.blocks()}),
            {
                one.name: self._accepted_today.get(one.name, 0) / one.settings.daily_limit
                for one in limited
            },
            self.certificates(),
            not self._missing(),
            _free(self._settings().store.url),
        )


def _free(store: str) -> int | None:
    """The free space for the store's file, in octets; ``None`` if that is not this machine's."""
    file = file_of(store)
    try:
        return None if file is None else shutil.disk_usage(file.parent).free
    except OSError:
        return None
