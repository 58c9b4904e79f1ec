"""A verb of the writer: one function that writes all its requests of a group."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

from bridge.store.ended import Ended
from bridge.store.errors import StoreError

P = TypeVar("P")
A = TypeVar("A")


class SqliteTurn:
    """The transaction of one group. ``now`` is its Unix time; ``queues`` gathers the queues that
    got notices."""

    __slots__ = ("connection", "ended", "now", "queues")

    def __init__(self, connection: sqlite3.Connection, now: int, ended: Ended) -> None:
        self.connection = connection
        self.now = now
        self.ended = ended
        self.queues: set[str] = set()


class SqliteVerb(Generic[P, A]):
    """``write`` gets the payloads of all requests and returns an answer for each, in order. An
    answer that is a :class:`StoreError` is raised to the caller of that request alone.

    ``kept`` requests wait for room; others are refused if there is none.
    """

    __slots__ = ("kept", "write")

    def __init__(
        self,
        write: Callable[[SqliteTurn, Sequence[P]], Sequence[A | StoreError]],
        *,
        kept: bool = False,
    ) -> None:
        self.write = write
        self.kept = kept
