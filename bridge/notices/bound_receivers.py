"""Notes in the store which accounts have receivers bound at this node, for the trace."""

from __future__ import annotations

from collections.abc import Container
from typing import Protocol


class ReceiverNotes(Protocol):
    """The part of :class:`bridge.store.Store` that keeps the notes."""

    async def note_receivers(self, account: str, bound: bool) -> None: ...


class BoundReceivers:
    """Knows which account's receivers take from which queue."""

    def __init__(self, store: ReceiverNotes) -> None:
        self._store = store
        self._accounts: dict[str, str] = {}  # by queue
        self._noted: set[str] = set()  # accounts with receivers here, as noted in the store

    def add(self, queue: str, account: str) -> None:
        """The takers of ``queue`` are receivers of ``account``."""
        self._accounts[queue] = account

    async def note(self, queues: Container[str]) -> None:
        """Notes which accounts have gained or lost their receivers; only ``queues`` have takers.
        Raises StoreError."""
        bound = {account for queue, account in self._accounts.items() if queue in queues}
        for account in bound ^ self._noted:
            await self._store.note_receivers(account, account in bound)
            self._noted ^= {account}
