"""What one connection was refused, in the log without repeating itself.

The first refusal of a kind is logged at once, with all that is known about it. Further ones are
counted, and the count is logged when :meth:`Refusals.log_repeated` is called. A kind is an event
with a reply code, so that a client can make neither the log nor the memory grow.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import structlog

log = structlog.get_logger()

#: ``550 5.1.1``: what kinds of refusals are told apart by.
_CODE = 9


class Refusals:
    """Those of the client at ``address``."""

    __slots__ = ("_address", "_seen")

    def __init__(self, address: str) -> None:
        self._address = address
        self._seen: Counter[tuple[str, str]] = Counter()

    def note(self, event: str, account: str, reply: str, **fields: Any) -> None:
        """Logs ``event``, or counts it where this reply code has been logged before."""
        kind = (event, reply[:_CODE])
        if not self._seen[kind]:
            log.info(event, account=account, address=self._address, reply=reply, **fields)
        self._seen[kind] += 1

    def log_repeated(self, account: str) -> None:
        """Logs how often each kind came again; from now on the first one is logged anew."""
        for (event, reply), count in self._seen.items():
            if count > 1:
                log.info(
                    event, account=account, address=self._address, reply=reply, repeated=count - 1
                )
        self._seen.clear()
