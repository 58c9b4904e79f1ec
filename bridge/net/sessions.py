"""One open session of any listener, as an operator sees it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class SessionInfo:
    """``id`` is unique while the daemon runs; ``bind`` is SMPP's (``transceiver`` …) or empty.

    ``in_flight`` are submits without an answer, ``window`` how many there may be (0: no such
    limit). ``told`` are receipts and messages from phones that the client took, ``telling`` those
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
