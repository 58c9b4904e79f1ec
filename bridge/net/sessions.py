"""An open session of any listener, for the operator's list."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """``id`` is unique while the daemon runs, of several nodes with ``@`` and the node's number
    behind it; ``node`` is that number; ``bind`` is SMPP's (``transceiver`` …) or empty.

    ``in_flight`` is the number of unanswered submits, ``window`` its limit (0: none). ``told`` is
    the number of receipts and messages from phones that the client took, ``telling`` of those that
    it has not answered.
    """

    id: str
    protocol: str
    bind: str
    account: str
    peer: str
    since: datetime
    in_flight: int = 0
    window: int = 0
    submitted: int = 0
    refused: int = 0
    throttled: int = 0
    last_error: str = ""
    told: int = 0
    telling: int = 0
    node: int = 0


def oldest_first(sessions: Iterable[SessionInfo]) -> list[SessionInfo]:
    """The sessions of one listener in the order of their numbers."""
    return sorted(sessions, key=lambda info: int(info.id.rpartition("-")[2]))
