"""Signals of the store to the parts that act on them.

The store sends them in the event loop. Parts that need the store are built after it, and then
listen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from typing import Generic, ParamSpec

P = ParamSpec("P")


class Signal(Generic[P]):
    """One kind of signal; its listeners are called in the order in which they came."""

    __slots__ = ("_listeners",)

    def __init__(self) -> None:
        self._listeners: list[Callable[P, None]] = []

    def listen(self, listener: Callable[P, None]) -> None:
        """From now on ``listener`` is called with each signal."""
        self._listeners.append(listener)

    def send(self, *args: P.args, **kwargs: P.kwargs) -> None:
        """Calls the listeners."""
        for listener in self._listeners:
            listener(*args, **kwargs)


class StoreSignals:
    """All signals of a store."""

    def __init__(self) -> None:
        #: Other nodes made messages available, or are gone: call :meth:`Store.interrupted`,
        #: :meth:`Store.holds` and :meth:`Store.lanes`.
        self.work: Signal[[]] = Signal()
        #: These queues got notices; None if another node added them and the queues are unknown.
        self.owed: Signal[[Set[str] | None]] = Signal()
        #: Another node has sent or ended these messages, which were accepted here.
        self.settled: Signal[[Sequence[int]]] = Signal()
        #: Another node tells all nodes something (:meth:`Store.tell_nodes`).
        self.told: Signal[[str]] = Signal()
        #: Other nodes have taken over from this one. It must stop: every verb fails from now on.
        self.lost: Signal[[]] = Signal()
