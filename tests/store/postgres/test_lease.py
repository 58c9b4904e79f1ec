"""The lease of a node: its number, its end, and what other nodes take over."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable
from functools import partial

import pytest

from bridge.model.ids import Ids
from bridge.model.message import State
from bridge.store import Acceptance, Change, LeaseLost, StoreError, StoreInUse
from bridge.store.ended import Ended
from bridge.store.postgres import connection as pg
from bridge.store.postgres.engine import PostgresStore
from bridge.store.postgres.lease import Lease
from bridge.store.postgres.verb import PostgresTurn
from tests.samples import NOW, message
from tests.store.postgres.nodes import Nodes, signalled, work_signal
from tests.store.postgres.server import Server, Wire, execute
from tests.store.samples import LANE, replacement

# --- numbers -----------------------------------------------------------------------------------


async def test_nodes_that_start_at_once_make_the_schema_once_and_have_numbers_of_their_own(
    nodes: Nodes,
) -> None:
    stores = await asyncio.gather(*(nodes.open() for _ in range(5)))
    assert sorted(store.node for store in stores) == [0, 1, 2, 3, 4]
    assert await stores[0].nodes() == 5


async def test_a_number_given_back_is_used_again_and_repeats_no_id(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    ids = Ids(second.node, second.last_id, lambda: NOW)
    given = [ids.next() for _ in range(70_000)]
    await second.accept(Acceptance((message(given[-1]),)))
    await second.close()
    assert await first.nodes() == 1
    third = await nodes.open()
    assert third.node == second.node
    # Its clock is an hour behind.
    assert Ids(third.node, third.last_id, lambda: NOW - 3600).next() > given[-1]


async def test_ids_go_on_behind_those_of_deleted_messages(nodes: Nodes) -> None:
    store = await nodes.open()
    await store.accept(Acceptance((message(41, submission_id=40), message(42, submission_id=40))))
    await store.finish(0, [Change(id, State.REJECTED) for id in (41, 42)])
    assert await store.sweep(NOW + 1, 0, 10) == 2
    await store.close()
    assert (await nodes.open()).last_id == 42


async def test_the_65th_node_does_not_start(nodes: Nodes) -> None:
    await (await nodes.open()).close()
    await nodes.execute(
        "INSERT INTO node SELECT number, gen_random_uuid(), 0, now() + interval '1 minute' "
        "FROM generate_series(0, 63) AS number"
    )
    with pytest.raises(StoreInUse, match="64 node numbers"):
        await nodes.open()


# --- a node goes -------------------------------------------------------------------------------

_KILLED = """
import asyncio, sys
from bridge.store.postgres.engine import PostgresStore
from tests.samples import NOW, message
from bridge.store import Acceptance

async def main():
    store = PostgresStore(sys.argv[1], clock=lambda: NOW, lease=60)
    await store.open()
    messages = tuple(message(id) for id in range(1, 6))
    await store.accept(Acceptance(messages))
    await store.begin(9, messages[:2])
    print(store.node, flush=True)
    await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_killed_node_loses_nothing(nodes: Nodes) -> None:
    store = await nodes.open(lease=3)
    process = subprocess.Popen(  # noqa: ASYNC220 - starts in no time
        [sys.executable, "-c", _KILLED, nodes.url], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    try:
        number = b""
        while not number.strip().isdigit():
            number = await asyncio.to_thread(process.stdout.readline)
            assert number, "it ended"
        assert await store.nodes() == 2
        assert await store.waiting(LANE, NOW, 10) == []
        work = work_signal(store)
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
    ended = f"UPDATE node SET lease_until = '-infinity' WHERE number = {int(number)}"
    await nodes.execute(ended)
    async with asyncio.timeout(30):
        while await store.nodes() > 1 or not (attempts := await store.interrupted()):
            await signalled(work)
    assert attempts == {9: [message(1), message(2)]}
    assert await store.interrupted() == {}
    # Messages in flight must not be sent before their outcome is decided.
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [3, 4, 5]
    await store.finish(9, [Change(1, State.SENT, "x"), Change(2, State.ACCEPTED, due_at=NOW)])
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [2, 3, 4, 5]
    assert (await nodes.open()).node == 1


async def test_a_node_that_fell_silent_writes_nothing_any_more(nodes: Nodes) -> None:
    silent, other = await nodes.open(), await nodes.open()
    lost = asyncio.Event()
    silent.signals.lost.listen(lost.set)
    await silent.accept(Acceptance((message(1), message(2))))
    await silent.begin(9, [message(1)])
    await nodes.execute(f"UPDATE node SET lease_until = '-infinity' WHERE number = {silent.node}")
    assert await other.interrupted() == {9: [message(1)]}
    assert [one.id for one in await other.waiting(LANE, NOW, 10)] == [2]

    verbs: tuple[Awaitable[object], ...] = (
        silent.finish(9, [Change(1, State.SENT, "late")]),
        silent.accept(Acceptance((message(3),))),
        silent.begin(10, [message(2)]),
        silent.move([2], State.CANCELLED),
        silent.waiting(LANE, NOW, 10),
        silent.replace(replacement(2, "late")),
    )
    for verb in verbs:
        with pytest.raises(StoreError, match="lost its lease"):
            await verb
    await silent.close()
    stored = await other.message(1)
    assert stored is not None
    assert stored.state is State.ACCEPTED
    assert await other.message(3) is None


async def test_a_node_is_told_that_its_lease_is_lost(nodes: Nodes) -> None:
    silent = await nodes.open(lease=0.3)
    lost = asyncio.Event()
    silent.signals.lost.listen(lost.set)
    await nodes.execute("DELETE FROM node")
    await signalled(lost)
    with pytest.raises(StoreError, match="lost its lease"):
        await silent.accept(Acceptance((message(1),)))


async def test_a_node_that_closes_leaves_its_messages_to_the_others(nodes: Nodes) -> None:
    first, second = await nodes.open(), await nodes.open()
    await first.accept(Acceptance((message(1), message(2))))
    await first.begin(9, [message(1)])
    await first.close()
    assert [one.id for one in await second.waiting(LANE, NOW, 10)] == [2]
    assert await second.interrupted() == {9: [message(1)]}


async def test_no_node_is_lost_when_the_database_is_away_for_longer_than_a_lease(
    postgres: Server, database: str
) -> None:
    wires = [Wire(postgres) for _ in range(3)]
    stores: list[PostgresStore] = []
    lost: list[int] = []
    try:
        for wire in wires:
            await wire.open()
            store = PostgresStore(wire.url(database), clock=lambda: NOW, lease=3)
            stores.append(store)
            await store.open()
            store.signals.lost.listen(partial(lost.append, store.node))
        for wire in wires:
            wire.closed = True
            wire.cut()
        async with asyncio.timeout(60):
            out = "SELECT FROM node WHERE lease_until > clock_timestamp()"
            while await execute(database, out) != "SELECT 0":  # noqa: ASYNC110 - a row, no event
                await asyncio.sleep(0.05)
            # The first connection is back long before the others.
            wires[0].mend()
            back = out + f" AND number = {stores[0].node}"
            while await execute(database, back) != "SELECT 1":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
            assert await stores[0].interrupted() == {}
            for wire in wires[1:]:
                wire.mend()
            while await execute(database, out) != "SELECT 3":  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        assert lost == []
    finally:
        for store in stores:
            await store.close()
        for wire in wires:
            await wire.close()


async def test_a_node_that_cannot_be_sure_of_its_lease_tells_nothing(
    wire: Wire, database: str
) -> None:
    store = PostgresStore(wire.url(database), clock=lambda: NOW, lease=0.8)
    await store.open()
    async with asyncio.timeout(30):
        while not store.may_tell():  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.01)
        wire.closed = True
        wire.cut()
        # There is no signal for the end of a lease.
        while store.may_tell():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        wire.mend()
        while not store.may_tell():  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await store.close()


# --- one lease, on connections of the test -----------------------------------------------------


@pytest.fixture
async def connections(nodes: Nodes) -> AsyncIterator[tuple[pg.PgConnection, pg.PgConnection]]:
    """Two connections to a store without a node."""
    await (await nodes.open()).close()
    first, second = await pg.connect(nodes.url), await pg.connect(nodes.url)
    yield first, second
    await first.close()
    await second.close()


async def claimed(connection: pg.PgConnection, length: float = 15.0) -> Lease:
    lease = Lease(length, lambda: NOW)
    async with connection.transaction():
        await lease.claim(connection)
    return lease


async def unbroken(lease: Lease, connection: pg.PgConnection) -> None:
    """Renews the lease, as if that had been done for long."""
    await lease.renew(connection)
    lease._unbroken_since -= 100 * lease.length


async def step(lease: Lease, connection: pg.PgConnection, seconds: float) -> None:
    """The clock of the database is set by so many seconds: everything else is moved against it."""
    await connection.execute(
        "UPDATE node SET lease_until = lease_until - make_interval(secs => $1)", seconds
    )
    lease.renewed_at -= seconds
    lease._unbroken_since -= seconds
    lease._offset -= seconds


@pytest.mark.parametrize("seconds", [3600, 12, -3600])
async def test_a_step_of_the_clock_of_the_database_costs_no_node_its_life(
    connections: tuple[pg.PgConnection, pg.PgConnection], seconds: float
) -> None:
    first, second = connections
    lease, other = await claimed(first), await claimed(second)
    for one, connection in ((lease, first), (other, second)):
        await unbroken(one, connection)
    # The other renewed its own a while ago.
    await second.execute(
        "UPDATE node SET lease_until = lease_until - make_interval(secs => 4) WHERE number = $1",
        other.number,
    )
    await step(lease, first, seconds)
    assert await lease.take_over(first) == []
    await lease.renew(first)
    assert await lease.take_over(first) == []
    await other.renew(second)
    await unbroken(lease, first)
    assert await lease.take_over(first) == []


async def test_a_node_that_died_before_the_clock_of_the_database_was_set_back_is_taken_over(
    connections: tuple[pg.PgConnection, pg.PgConnection],
) -> None:
    first, second = connections
    lease, dead = await claimed(first), await claimed(second)
    await unbroken(lease, first)
    await step(lease, first, -3600)
    await lease.renew(first)
    assert await lease.take_over(first) == []
    lease._unbroken_since -= lease.length  # renewed for a whole lease
    assert await lease.take_over(first) == [dead.number]


async def test_a_lease_that_was_passed_on_holds_on_the_new_connection_alone(
    connections: tuple[pg.PgConnection, pg.PgConnection],
) -> None:
    first, second = connections
    lease = await claimed(first)
    before = PostgresTurn(first, lease.fence, NOW, Ended())
    await before.hold()
    await lease.pass_on(second)
    with pytest.raises(LeaseLost):
        await PostgresTurn(first, before.fence, NOW, Ended()).hold()
    await PostgresTurn(second, lease.fence, NOW, Ended()).hold()
    await second.execute("DELETE FROM node")
    for verb in (lease.pass_on, lease.renew, lease.hold):
        with pytest.raises(LeaseLost):
            await verb(second)


async def test_a_renewal_counts_from_its_time_by_the_clock_of_the_database(
    connections: tuple[pg.PgConnection, pg.PgConnection],
) -> None:
    connection, _ = connections
    lease = await claimed(connection)
    now, until = "clock_timestamp()", "lease_until"
    await connection.execute("UPDATE node SET lease_until = '-infinity'")
    [[before]] = await connection.fetch(f"SELECT extract(epoch FROM {now})::float8")
    await lease.renew(connection)
    [[left, after]] = await connection.fetch(
        f"SELECT extract(epoch FROM {until} - {now})::float8, "
        f"extract(epoch FROM {now})::float8 FROM node"
    )
    assert before <= lease.renewed_at <= after
    assert 0 < left <= 15
    assert lease.is_certain


async def test_a_node_takes_over_from_others_only_after_a_lease_without_a_gap(
    connections: tuple[pg.PgConnection, pg.PgConnection],
) -> None:
    connection, _ = connections
    lease = await claimed(connection, length=0.3)
    for number in (7, 8):
        # A gap: in it other nodes could not renew their leases either.
        await connection.execute("UPDATE node SET lease_until = now() - interval '1 ms'")
        await connection.execute(
            "INSERT INTO node VALUES ($1, gen_random_uuid(), 0, now() - interval '1 hour')", number
        )
        await lease.renew(connection)
        assert not await lease.take_over(connection)
        async with asyncio.timeout(30):
            while not await lease.take_over(connection):
                await lease.renew(connection)
        assert await connection.fetch("SELECT number FROM node") == [(0,)]
    # A number that was given back with an attempt is taken over at once.
    await connection.execute("INSERT INTO node VALUES (7, gen_random_uuid(), 0, '-infinity')")
    assert await lease.take_over(connection)


async def test_a_node_that_is_writing_is_not_taken_over(
    connections: tuple[pg.PgConnection, pg.PgConnection],
) -> None:
    first, second = connections
    writing, other = await claimed(first), await claimed(second)
    await second.execute("UPDATE node SET lease_until = '-infinity' WHERE number = 0")
    async with first.transaction():
        await PostgresTurn(first, writing.fence, NOW, Ended()).hold()
        assert not await other.take_over(second)
    assert await other.take_over(second)


async def test_a_number_is_given_back_unless_an_attempt_has_it(
    connections: tuple[pg.PgConnection, pg.PgConnection],
) -> None:
    connection, _ = connections
    first, second = await claimed(connection), await claimed(connection)
    await connection.execute("INSERT INTO attempt VALUES (5, $1, 0, '{}')", first.number)
    for lease in (first, second):
        await lease.release(connection)
    rows = await connection.fetch("SELECT number, lease_until = '-infinity' FROM node")
    assert rows == [(first.number, True)]
    # The next node begins with the attempts of that number.
    assert (await claimed(connection)).number == first.number


async def test_a_node_that_has_been_gone_for_long_gives_its_number_to_the_65th(
    nodes: Nodes,
) -> None:
    gone = await nodes.open()
    await gone.accept(Acceptance((message(1), message(2))))
    await gone.begin(9, [message(1)])
    await nodes.execute(
        "INSERT INTO node SELECT number, gen_random_uuid(), 0, now() + interval '1 minute' "
        "FROM generate_series(1, 62) AS number"
    )
    await nodes.execute("UPDATE node SET lease_until = now() - interval '50 s' WHERE number = 0")
    assert (await nodes.open()).node == 63, "a number that is free comes first"
    with pytest.raises(StoreInUse):
        await nodes.open()
    await nodes.execute("UPDATE node SET lease_until = now() - interval '61 s' WHERE number = 0")
    heir = await nodes.open()
    assert heir.node == 0
    assert await heir.interrupted() == {9: [message(1)]}
    assert [one.id for one in await heir.waiting(LANE, NOW, 10)] == [2]
