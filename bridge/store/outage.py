"""Periodic work that needs the store: its failure is logged once an outage."""

from __future__ import annotations

import structlog

from bridge.store.errors import StoreError

log = structlog.get_logger()


class Outage:
    """Logs ``event`` for the first failure, and not for those that follow until it is over.

    The store itself logs when it works again.
    """

    __slots__ = ("_event", "_fields", "_lasts")

    def __init__(self, event: str, **fields: object) -> None:
        self._event = event
        self._fields = fields
        self._lasts = False

    def failed(self, error: StoreError) -> None:
        """The work could not be done."""
        if not self._lasts:
            self._lasts = True
            log.warning(self._event, **self._fields, error=str(error))

    def over(self) -> None:
        """The work was done."""
        self._lasts = False
