"""Sessions of the console: a token is exchanged for a random session id, kept in memory only.

Decides the lifetime and the number of sessions; :mod:`bridge.admin.console.security` decides about
cookies and requests.
"""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from bridge.admin.tokens import Role

#: Lifetime of an unused session (seconds).
IDLE: Final = 12 * 3600.0
#: Most sessions; the least recently used one is dropped for a new one.
MOST: Final = 10
_RANDOM_BYTES: Final = 32


@dataclass(slots=True)
class ConsoleSession:
    """A logged-in user. ``by`` is the name for the log; ``notes`` are shown once on the next page.
    ``generation`` is that of the tokens at the login."""

    role: Role
    by: str
    generation: int
    used_at: float
    notes: list[str] = field(default_factory=list)


class ConsoleSessions:
    """Belongs to one event loop. Only hashes of ids are kept."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        #: The least recently used first.
        self._sessions: dict[bytes, ConsoleSession] = {}

    def begin(self, role: Role, by: str, generation: int) -> str:
        """A new session, and its id."""
        self._forget_idle()
        while len(self._sessions) >= MOST:
            del self._sessions[next(iter(self._sessions))]
        id = secrets.token_urlsafe(_RANDOM_BYTES)
        self._sessions[_hash(id)] = ConsoleSession(role, by, generation, self._monotonic())
        return id

    def find(self, id: str, generation: int, *, use: bool = True) -> ConsoleSession | None:
        """The session with this id, if it is alive and the tokens have not changed since its login.

        With ``use`` its lifetime starts again.
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
