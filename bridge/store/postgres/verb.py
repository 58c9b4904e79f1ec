"""A verb of the writer: one function that writes what all requests of a group ask of it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Generic, TypeVar

from bridge.model.notice import Notice
from bridge.store.ended import Ended
from bridge.store.errors import LeaseLost
from bridge.store.postgres.connection import PgConnection
from bridge.store.postgres.lease import FENCED, Fence

P = TypeVar("P")
A = TypeVar("A")

_HELD = f"{FENCED} SELECT EXISTS (SELECT FROM fence)"  # noqa: S608


class PostgresTurn:
    """The transaction of one group. ``now`` is its Unix time.

    The queues in which notices were put gather in ``queues``; ``is_work`` and ``is_owed`` say that
    there is something for other nodes to send, or to tell.
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
    )

    def __init__(self, connection: PgConnection, fence: Fence, now: int, ended: Ended) -> None:
        self.connection = connection
        self.fence = fence
        self.now = now
        self.ended = ended
        self.queues: set[str] = set()
        self.is_work = False
        self.is_owed = False
        #: By the node that accepted them, messages of other nodes that are settled here.
        self.settled: dict[int, list[int]] = {}
        self._held = False

    def check(self, held: object) -> None:
        """Whether a fenced statement found the lease. Raises :class:`LeaseLost`."""
        if not held:
            raise LeaseLost
        self._held = True

    async def hold(self) -> None:
        """Holds the lease until the transaction ends. Raises :class:`LeaseLost`."""
        if not self._held:
            self.check(await self.connection.fetchval(_HELD, *self.fence))

    def put(self, notices: Sequence[Notice]) -> None:
        """Notes where these were stored, so that those who take them hear of it."""
        owed = [notice for notice in notices if not notice.ended_at]
        self.queues.update(notice.queue for notice in owed)
        self.is_owed = self.is_owed or any(notice.due_at <= self.now for notice in owed)


def one(payload: object) -> int:
    """The weight of a request that writes about one row."""
    return 1


def never(payloads: object, turn: PostgresTurn) -> bool:
    """Of a verb that always needs a transaction."""
    return False


class PostgresVerb(Generic[P, A]):
    """``write`` gets the payloads of all requests and returns an answer for each, in order.

    ``kept`` requests wait for room, or for the database, where others are refused. ``weight`` is
    about how many rows a request writes. ``is_one_statement`` tells of payloads that are all that a
    group writes whether a single fenced statement does it, which needs no transaction around it.

    ``recover`` gives, by their positions, the answers of requests that were stored though the
    connection was lost: it gets each payload with the answer as far as it was known. Requests
    without one are written again.
    ``take_back`` removes what was stored of refused requests, on behalf of this node.
    """

    __slots__ = ("is_one_statement", "kept", "recover", "take_back", "weight", "write")

    def __init__(
        self,
        write: Callable[[PostgresTurn, Sequence[P]], Awaitable[Sequence[A]]],
        *,
        kept: bool = False,
        weight: Callable[[P], int] = one,
        is_one_statement: Callable[[Sequence[P], PostgresTurn], bool] = lambda payloads, turn: (
            False
        ),
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
