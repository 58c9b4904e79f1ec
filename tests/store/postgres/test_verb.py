"""A turn of the writer: the right to write, and what it has to announce."""

from __future__ import annotations

from collections.abc import AsyncIterator
from uuid import uuid4

import pytest

from bridge.model.notice import MAIL, Kind, Notice
from bridge.store import LeaseLost
from bridge.store.ended import Ended
from bridge.store.postgres import connection as pg
from bridge.store.postgres.lease import Fence
from bridge.store.postgres.verb import PostgresTurn
from tests.samples import NOW
from tests.store.postgres.nodes import Nodes
from tests.store.samples import CRM


@pytest.fixture
async def connection(nodes: Nodes) -> AsyncIterator[pg.PgConnection]:
    await nodes.open()
    connection = await pg.connect(nodes.url)
    yield connection
    await connection.close()


async def a_turn(nodes: Nodes, connection: pg.PgConnection) -> PostgresTurn:
    [row] = await nodes.execute("SELECT number, holder, epoch FROM node")
    return PostgresTurn(connection, Fence(*row), NOW, Ended())


async def test_a_turn_holds_the_lease_until_its_transaction_ends(
    nodes: Nodes, connection: pg.PgConnection
) -> None:
    turn = await a_turn(nodes, connection)
    take_over = "SELECT FROM node FOR UPDATE SKIP LOCKED"
    async with connection.transaction():
        assert len(await nodes.execute(take_over)) == 1
        await turn.hold()
        assert await nodes.execute(take_over) == []
    assert len(await nodes.execute(take_over)) == 1


async def test_a_turn_without_the_right_to_write_is_refused(
    nodes: Nodes, connection: pg.PgConnection
) -> None:
    turn = await a_turn(nodes, connection)
    held = turn.fence
    # Of another node, of a node that is gone, or passed on to another connection.
    for turn.fence in (
        held._replace(number=5),
        held._replace(holder=uuid4()),
        held._replace(epoch=held.epoch + 1),
    ):
        with pytest.raises(LeaseLost):
            await turn.hold()
    with pytest.raises(LeaseLost):
        turn.check(False)


def test_a_turn_wakes_the_takers_of_its_notices() -> None:
    def put(*notices: Notice) -> PostgresTurn:
        turn = PostgresTurn(None, Fence(0, None, 0), NOW, Ended())  # type: ignore[arg-type]
        turn.put(notices)
        return turn

    due = Notice(CRM, "crm", Kind.REFUSED, 0, 1, NOW, NOW)
    later = Notice(MAIL, "crm", Kind.DELAY, 0, 1, NOW, NOW + 1)
    ended = due._replace(queue=MAIL, ended_at=NOW)
    first, second, third = put(due, later), put(later), put(ended)
    # The outbox here knows the times; other nodes hear only of notices that are due.
    assert (first.queues, first.is_owed) == ({CRM, MAIL}, True)
    assert (second.queues, second.is_owed) == ({MAIL}, False)
    assert (third.queues, third.is_owed) == (set(), False)
