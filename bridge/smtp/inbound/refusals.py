"""Logs the refusals of one connection without repetition.

The first refusal of a kind is logged at once, with all details. Further ones are counted, and
:meth:`Refusals.log_repeated` logs the count. A kind is an event with a reply code, so that a client
can grow neither the log nor the memory.
"""

from __future__ import annotations

from typing import Any

import structlog

from bridge.log import unwritten

log = structlog.get_logger()

#: The length of ``550 5.1.1``, by which kinds of refusals are distinguished.
_CODE = 9


class Refusals:
    """The refusals of the client at ``address``."""

    __slots__ = ("_address", "_seen")

    def __init__(self, address: str) -> None:
        self._address = address
        self._seen: dict[tuple[str, str], int] = {}

    def note(self, event: str, account: str, reply: str, **fields: Any) -> None:
        """Logs ``event``, or counts it if this reply code has been logged before. It is kept with
        its details all the same (:mod:`bridge.admin.refusals`)."""
        kind = (event, reply[:_CODE])
        seen = self._seen.get(kind, 0)
        tell = unwritten if seen else log.info
        tell(event, account=account, address=self._address, reply=reply, **fields)
        self._seen[kind] = seen + 1

    def log_repeated(self, account: str) -> None:
        """Logs how often each kind was repeated; the next one of each kind is logged again."""
        for (event, reply), count in self._seen.items():
            if count > 1:
                log.info(
                    event, account=account, address=self._address, reply=reply, repeated=count - 1
                )
        self._seen.clear()
