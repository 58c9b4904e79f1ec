"""A verb of the writer: one function that writes all its requests of a group."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from bridge.model.notice import Notice
from bridge.store.ended import Ended
from bridge.store.errors import LeaseLost, StoreError
from bridge.store.postgres.connection import PgConnection
from bridge.store.postgres.lease import FENCED, Fence

P = TypeVar("P")
A = TypeVar("A")

_HELD = f"{FENCED} SELECT EXISTS (SELECT FROM fence)"  # noqa: S608


class PostgresTurn:
    """The transaction of one group. ``now`` is its Unix time.

    ``queues`` gathers the queues that got notices; ``is_work`` and ``is_owed``: there are messages
    for other nodes to send, or notices for them to tell. ``xid`` is the transaction's id where it
    was asked for.
    """

    __slots__ = (
        "_held",
        "connection",
        "ended",
        "fence",
        "is_owed",
        "is_work",
        "now",
        "queues",
        "settled",
        "xid",
    )

    def __init__(self, connection: PgConnection, fence: Fence, now: int, ended: Ended) -> None:
        self.connection = connection
        self.fence = fence
        self.now = now
        self.ended = ended
        self.queues: set[str] = set()
        self.is_work = False
        self.is_owed = False
        #: Messages of other nodes that are settled here, by the node that accepted them.
        self.settled: dict[int, list[int]] = {}
        self._held = False
        self.xid = ""

    def check(self, held: object) -> None:
        """Takes the result of a fenced statement; raises :class:`LeaseLost` without a lease."""
        if not held:
            raise LeaseLost
        self._held = True

    async def hold(self) -> None:
        """Holds the lease until the transaction ends. Raises :class:`LeaseLost`."""
        if not self._held:
            self.check(await self.connection.fetchval(_HELD, *self.fence))

    def put(self, notices: Sequence[Notice]) -> None:
        """Notes the queues of these notices, so that their takers are woken."""
        owed = [notice for notice in notices if not notice.ended_at]
        self.queues.update(notice.queue for notice in owed)
        self.is_owed = self.is_owed or any(notice.due_at <= self.now for notice in owed)


def one(payload: object) -> int:
    """The weight of a request that writes about one row."""
    return 1


def never(payloads: object, turn: PostgresTurn) -> bool:
    """For a verb that always needs a transaction."""
    return False


class PostgresVerb(Generic[P, A]):
    """``write`` gets the payloads of all requests and returns an answer for each, in order. An
    answer that is a :class:`StoreError` is raised to the caller of that request alone.

    ``kept`` requests wait for room, or for the database; others are refused. ``weight`` is the
    approximate number of rows that a request writes. ``is_one_statement``: whether these payloads,
    if they are the whole group, need a single fenced statement and so no transaction.

    ``recover`` finds requests that were stored although the connection was lost: it gets each
    payload with the answer as far as known, and returns answers by position. Requests without one
    are written again. ``take_back`` removes refused requests that were stored after all.
    """

    __slots__ = ("is_one_statement", "kept", "recover", "take_back", "weight", "write")

    def __init__(
        self,
        write: Callable[[PostgresTurn, Sequence[P]], Awaitable[Sequence[A | StoreError]]],
        *,
        kept: bool = False,
        weight: Callable[[P], int] = one,
        is_one_statement: Callable[[Sequence[P], PostgresTurn], bool] = never,
        recover: Callable[[PgConnection, Sequence[tuple[P, A | None]]], Awaitable[Mapping[int, A]]]
        | None = None,
        take_back: Callable[[PgConnection, Sequence[P], int], Awaitable[None]] | None = None,
    ) -> None:
        self.write = write
        self.kept = kept
        self.weight = weight
        self.is_one_statement = is_one_statement
        self.recover = recover
        self.take_back = take_back
