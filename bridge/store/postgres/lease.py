"""A node's number, and its right to write: a row of the table ``node`` that it renews.

The row decides, not a node's clock: a node may write as long as its row has its name in it, and
every writing transaction locks the row first. To take over from a node whose lease has run out,
another node deletes the row; it skips a row that a transaction holds, and the next transaction
finds the row gone. A node that was cut off therefore writes nothing after its return, and a node
goes on if only the database was down.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from typing import NamedTuple
from uuid import UUID, uuid4

from bridge.model.ids import MAX_NODE
from bridge.model.message import State
from bridge.store.errors import LeaseLost, StoreInUse
from bridge.store.postgres.connection import PgConnection

#: The owner of a message that no node has in memory. Not NULL: for ``IS NULL`` on the first column
#: the planner does not use the order of the index's other columns.
NOBODY = -1

#: The channel of NOTIFY for available messages. Payload: the node that already knows, or empty.
CHANNEL = "cascade_bridge"
#: The channel for new notices, with the same payload.
OWED = "cascade_bridge_owed"
#: The channel for settled messages that another node accepted. Payload: the number of that node,
#: and the ids of the messages.
SETTLED = "cascade_bridge_settled"

#: Given back by a node that left an attempt.
_GIVEN_BACK = "lease_until = '-infinity'"
#: No lease is that long (seconds).
_NEVER_SO_LONG = 600
#: Given back; or run out, or further away than any lease, because the clock of the database was set
#: back after the last renewal. The latter only while the asking node renews its own without a gap
#: ($1), and the clock is about what it expects ($4, $5).
_DEAD = (
    f"({_GIVEN_BACK} OR ($1::boolean "
    "AND abs(extract(epoch FROM clock_timestamp())::float8 - $4) < $5 "
    "AND (lease_until < clock_timestamp() "
    "OR lease_until > clock_timestamp() + make_interval(secs => $3))))"
)
#: Run out for so long that a starting node may take its number if no other number is free.
_LONG_OUT = "(lease_until < clock_timestamp() - make_interval(secs => 4 * $1::float8))"
#: The clock was set if it differs by this share of a lease. A living node has twice as much of its
#: lease left, at least.
_STEP = 1 / 3
#: When such a node was last heard of, a lease before its own ran out (Unix time, by the clock of
#: the database); NULL of one that is alive, or gave its number back.
LAST_HEARD = (
    "CASE WHEN lease_until > '-infinity' AND lease_until < clock_timestamp() "
    "THEN floor(extract(epoch FROM lease_until - make_interval(secs => $1)))::bigint END"
)


class Fence(NamedTuple):
    """The right to write: the first parameters of every statement with :data:`FENCED`."""

    number: int
    holder: UUID
    epoch: int


#: Begins a writing statement: ``EXISTS (SELECT FROM fence)`` must be true. KEY SHARE allows the
#: lease to be renewed meanwhile, but not to be taken over or passed to another connection.
FENCED = (
    "WITH fence AS MATERIALIZED (SELECT FROM node "
    "WHERE number = $1 AND holder = $2 AND epoch = $3 FOR KEY SHARE)"
)


class Lease:
    """One node's lease of ``length`` seconds; ``clock`` is for times that other nodes read.

    If the database was out of reach for all nodes, all leases have run out when it is back, though
    no node is dead; the same if its clock is set. A node therefore takes over from others only
    after it has renewed its own lease for a whole lease, without a gap or a step of the clock:
    every living node had time to do the same.
    """

    def __init__(self, length: float, clock: Callable[[], float] = time.time) -> None:
        self.length = length
        self._clock = clock
        self.fence = Fence(-1, uuid4(), 0)
        #: Since when the lease has been renewed without a gap, by the database's clock (Unix time).
        self._unbroken_since = math.inf
        #: The database's time at the last renewal, and until when the lease certainly holds, by the
        #: machine's uptime.
        self.renewed_at = 0.0
        #: Whether no other node was alive then.
        self.is_alone = False
        self._certain_until = 0.0
        #: The database's time minus this machine's uptime, at the last renewal.
        self._offset = 0.0

    @property
    def is_certain(self) -> bool:
        """Whether certainly no other node has taken over; False if this node was stopped or cut off
        for the length of the lease."""
        return _uptime() < self._certain_until

    @property
    def number(self) -> int:
        return self.fence.number

    async def claim(self, connection: PgConnection) -> None:
        """Takes the lowest number that is free, or whose node is gone, and renews it.

        Within the caller's transaction, which holds the schema's lock. Raises
        :class:`bridge.store.errors.StoreInUse` when all are taken.
        """
        nodes = await connection.fetch(
            f"SELECT number, {_GIVEN_BACK}, {_LONG_OUT} FROM node ORDER BY lease_until",  # noqa: S608
            self.length,
        )
        taken = {row[0] for row in nodes}
        gone = {row[0] for row in nodes if row[1]}
        free = [number for number in range(MAX_NODE + 1) if number not in taken or number in gone]
        if not free:
            # All numbers are taken: take that of a node that has been gone for long.
            gone = {row[0] for row in nodes if row[2]}
            free = [row[0] for row in nodes if row[2]]
        if not free:
            raise StoreInUse(f"all {MAX_NODE + 1} node numbers of the database are in use")
        number = free[0]
        self.fence = Fence(number, self.fence.holder, 0)
        self._certain_until = _uptime() + self.length
        await self._clear(connection, [number])
        if number in gone:
            # Its attempts, with their messages, now belong to this node.
            await connection.execute("DELETE FROM node WHERE number = $1", number)
            await connection.execute(
                "UPDATE message SET owner = -1 WHERE owner = $1 AND state = 'accepted' "
                "AND id NOT IN (SELECT unnest(message_ids) FROM attempt WHERE node = $1)",
                number,
            )
        await connection.execute(
            "INSERT INTO node (number, holder, epoch, lease_until) "
            "VALUES ($1, $2, 0, clock_timestamp() + make_interval(secs => $3))",
            number,
            self.fence.holder,
            self.length,
        )

    async def _gone(self, connection: PgConnection) -> list[int]:
        """The nodes that are dead, locked; nodes that are writing are skipped."""
        rows = await connection.fetch(
            f"SELECT number FROM node WHERE {_DEAD} AND number <> $2 "  # noqa: S608
            "ORDER BY number FOR UPDATE SKIP LOCKED",
            self.renewed_at - self._unbroken_since >= self.length,
            self.number,
            max(_NEVER_SO_LONG, 10 * self.length),
            self._offset + _uptime(),
            self.length * _STEP,
        )
        return [row[0] for row in rows]

    async def renew(self, connection: PgConnection) -> None:
        """Renews the lease; raises :class:`LeaseLost` if the row is gone."""
        certain_until = _uptime() + self.length
        row = await connection.fetchrow(
            "UPDATE node SET lease_until = clock_timestamp() + make_interval(secs => $3) "
            "FROM (SELECT lease_until < clock_timestamp() AS was_out, "
            "extract(epoch FROM clock_timestamp())::float8 AS now "
            "FROM node WHERE number = $1 AND holder = $2) AS before "
            "WHERE number = $1 AND holder = $2 RETURNING was_out, now, NOT EXISTS (SELECT "
            "FROM node WHERE number <> $1 AND lease_until > clock_timestamp())",
            self.number,
            self.fence.holder,
            self.length,
        )
        if row is None:
            raise LeaseLost
        was_out, self.renewed_at, self.is_alone = row
        self._certain_until = certain_until
        before, self._offset = self._offset, self.renewed_at - _uptime()
        stepped = abs(self._offset - before) >= self.length * _STEP
        if was_out or stepped or self._unbroken_since > self.renewed_at:
            self._unbroken_since = self.renewed_at

    async def pass_on(self, connection: PgConnection) -> None:
        """Passes the right to write to a new connection.

        Waits for a transaction of the old one, which cannot write any more afterwards.
        """
        async with connection.transaction():
            held = await connection.fetchval(
                "SELECT epoch FROM node WHERE number = $1 AND holder = $2 FOR UPDATE",
                self.number,
                self.fence.holder,
            )
            if held is None:
                raise LeaseLost
            await connection.execute(
                "UPDATE node SET epoch = $2 WHERE number = $1", self.number, held + 1
            )
        self.fence = self.fence._replace(epoch=held + 1)

    async def hold(self, connection: PgConnection) -> str:
        """Holds the lease in a rare transaction on another connection; raises LeaseLost. Returns
        the transaction's id."""
        xid: str | None = await connection.fetchval(
            "SELECT pg_current_xact_id()::text FROM node WHERE number = $1 AND holder = $2 "
            "FOR KEY SHARE",
            self.number,
            self.fence.holder,
        )
        if xid is None:
            raise LeaseLost
        return xid

    async def take_over(self, connection: PgConnection) -> list[int]:
        """Takes over from nodes whose lease has run out; returns their numbers.

        Their attempts, with the messages in them, become this node's; any node may claim their
        other messages.
        """
        async with connection.transaction():
            await self.hold(connection)
            gone = await self._gone(connection)
            if not gone:
                return []
            attempts = await connection.fetch(
                "UPDATE attempt SET node = $1 WHERE node = ANY($2::smallint[]) "
                "RETURNING message_ids",
                self.number,
                gone,
            )
            await connection.execute(
                "UPDATE message SET owner = $1 WHERE id = ANY($2::bigint[]) AND state = $3 "
                "AND owner = ANY($4::smallint[])",
                self.number,
                [id for (ids,) in attempts for id in ids],
                State.ACCEPTED.value,
                gone,
            )
            await connection.execute(
                "UPDATE message SET owner = -1 "
                "WHERE owner = ANY($1::smallint[]) AND state = 'accepted'",
                gone,
            )
            await self._clear(connection, gone)
            await connection.execute("DELETE FROM node WHERE number = ANY($1::smallint[])", gone)
            await _announce(connection)
        return gone

    async def release(self, connection: PgConnection) -> None:
        """Gives the number back; other nodes take over attempts that have not ended."""
        async with connection.transaction():
            await self.hold(connection)
            await connection.execute(
                "UPDATE message SET owner = -1 WHERE owner = $1 AND state = 'accepted' "
                "AND id NOT IN (SELECT unnest(message_ids) FROM attempt WHERE node = $1)",
                self.number,
            )
            await self._clear(connection, [self.number])
            await connection.execute(
                "UPDATE node SET lease_until = '-infinity' WHERE number = $1", self.number
            )
            await connection.execute(
                "DELETE FROM node WHERE number = $1 "
                "AND NOT EXISTS (SELECT FROM attempt WHERE node = $1)",
                self.number,
            )
            await _announce(connection)

    async def _clear(self, connection: PgConnection, numbers: Sequence[int]) -> None:
        """Frees the notices that these nodes were telling. No receivers are bound to them now, and
        none to a silent node since it was last heard of."""
        await connection.execute(
            "UPDATE notice SET owner = -1 WHERE ended_at = 0 AND owner = ANY($1::smallint[])",
            numbers,
        )
        await connection.execute(
            "UPDATE receiver SET bound = false, since = greatest(since, "  # noqa: S608
            f"coalesce((SELECT {LAST_HEARD} FROM node WHERE number = receiver.node), $3)) "
            "WHERE bound AND node = ANY($2::smallint[])",
            self.length,
            numbers,
            int(self._clock()),
        )


def _uptime() -> float:
    """Uptime of the machine in seconds, including suspended time."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


async def _announce(connection: PgConnection) -> None:
    """Signals to every node that messages or notices are free."""
    await connection.execute(
        "SELECT pg_notify(channel, '') FROM unnest($1::text[]) AS channels (channel)",
        [CHANNEL, OWED],
    )
