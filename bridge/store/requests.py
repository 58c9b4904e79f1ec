"""A request to an engine's writer: a verb, its arguments, and the future of its caller."""

from __future__ import annotations

import asyncio
from typing import Any, Generic, TypeVar

from bridge.store.errors import StoreError

V = TypeVar("V")
P = TypeVar("P")
A = TypeVar("A")


class WriteRequest(Generic[V, P, A]):
    """Something to write, and the future that is resolved when it is durable."""

    __slots__ = ("answer", "future", "payload", "verb")

    def __init__(self, verb: V, payload: P, future: asyncio.Future[A]) -> None:
        self.verb = verb
        self.payload = payload
        self.future = future
        #: The answer, or the StoreError for this caller alone.
        self.answer: Any = None

    def resolve(self) -> None:
        """Gives the answer to the caller, unless it has gone."""
        if self.future.done():
            return
        if isinstance(self.answer, StoreError):
            self.future.set_exception(self.answer)
        else:
            self.future.set_result(self.answer)
