"""Sessions of the console: a token becomes a random session, kept in memory alone.

Decides how long a session lives and how many there are. Cookies, and which requests may use them,
are :mod:`bridge.admin.console.security`'s matter.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bridge.admin.tokens import Role

#: A session that nobody uses ends after so many seconds.
IDLE: Final = 12 * 3600.0
#: So many sessions there are at most; the one that was used longest ago makes room.
MOST: Final = 10
_RANDOM_BYTES: Final = 32


@dataclass(slots=True)
class ConsoleSession:
    """Somebody who logged in. ``by`` names them for the log; ``notes`` are sentences that the next
    page says once. ``generation`` is that of the tokens at the login."""

    role: Role
    by: str
    generation: int
    used_at: float
    notes: list[str] = field(default_factory=list)


class ConsoleSessions:
    """Belongs to one event loop. Ids are never kept: only their hashes are."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        #: The one that was used longest ago comes first.
        self._sessions: dict[bytes, ConsoleSession] = {}

    def begin(self, role: Role, by: str, generation: int) -> str:
        """A new session; its id is told only here."""
        self._forget_idle()
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        id = secrets.token_urlsafe(_RANDOM_BYTES)
        self._sessions[_hash(id)] = ConsoleSession(role, by, generation, self._monotonic())
        return id

    def find(self, id: str, generation: int, *, use: bool = True) -> ConsoleSession | None:
        """The session with this id, if it lives and the tokens are still those of its login.

        With ``use`` it lives on from now.
        """
        self._forget_idle()
        key = _hash(id)
        session = self._sessions.get(key)
        if session is None:
            return None
        if session.generation != generation:
            del self._sessions[key]
            return None
        if use:
            session.used_at = self._monotonic()
            self._sessions[key] = self._sessions.pop(key)
        return session

    def end(self, id: str) -> None:
        """Ends the session with this id, if there is one."""
        self._sessions.pop(_hash(id), None)

    def _forget_idle(self) -> None:
        before = self._monotonic() - IDLE
        for key in [key for key, one in self._sessions.items() if one.used_at <= before]:
            del self._sessions[key]


def _hash(id: str) -> bytes:
    return hashlib.sha256(id.encode("utf-8", "surrogatepass")).digest()
