"""The schema of the database, and migrations of stores of earlier versions."""

from __future__ import annotations

import asyncpg
import pytest

from bridge.model.message import State
from bridge.model.notice import receivers_of
from bridge.store import Lane, Noted, SchemaTooNew, Status, StoreError
from bridge.store.postgres.engine import PostgresStore
from bridge.store.postgres.schema import MIGRATIONS
from tests.samples import NOW
from tests.store.conftest import Engine
from tests.store.postgres.nodes import Nodes
from tests.store.postgres.server import execute

CRM = receivers_of("crm")
LANE = Lane("crm", 4, "async")


def delivered(id: int) -> Status:
    return Status(f"up-{id}", "delivered", State.DELIVERED, NOW)


async def test_a_database_of_a_later_program_is_refused_with_its_version(
    postgresql: Engine, database: str
) -> None:
    await (await postgresql.open()).close()
    await execute(database, "INSERT INTO migration VALUES (999, 0)")
    with pytest.raises(SchemaTooNew, match="schema version 999"):
        await postgresql.open()
    # It has rolled back everything.
    assert await execute(database, "SELECT FROM node") == "SELECT 0"


#: A store of the first version.
_FORMER = """
    INSERT INTO migration VALUES (1, 0);
    INSERT INTO message (id, submission_id, account, protocol, peer, phone, sender, message_type,
        text, options, fallback, route, level, parts, accepted_at, due_at, scheduled_at, expires_at,
        receipts, reference, attempts, unknown, state, upstream_id, changed_at)
    SELECT id, id, 'crm', 'smpp', '127.0.0.1', '+380501234567', 'Shop', 'transaction', 'text', '',
        '', 'async', 4, 1, {now}, {now}, NULL, {now} + 86400, 3, 'order-' || id, 0, 0, state,
        CASE state WHEN 'sent' THEN 'up-' || id ELSE '' END, {now}
    FROM (VALUES (1, 'accepted'), (2, 'sent'), (3, 'delivered'), (4, 'held')) AS old (id, state);
    INSERT INTO alias VALUES (20, 2, 3);
    INSERT INTO attempt VALUES (30, 7, {now}, '{{1}}');
"""


async def test_a_store_of_the_first_version_is_migrated_with_its_messages(nodes: Nodes) -> None:
    connection = await asyncpg.connect(nodes.url)
    try:
        await connection.execute(MIGRATIONS[0] + _FORMER.format(now=NOW))
    finally:
        await connection.close()
    reader = PostgresStore(nodes.url)
    with pytest.raises(StoreError, match="earlier version"):
        await reader.open_reading()
    store = await nodes.open()
    assert store.last_id == 30
    assert await store.lanes() == [LANE]
    assert [one.state.value for one in await store.find("+380501234567", 10)] == [
        "held",
        "delivered",
        "sent",
        "accepted",
    ]
    assert [one.message.id for one in await store.to_poll(NOW, 10)] == [2]
    assert list(await store.note_statuses([delivered(2)])) == [Noted.CHANGED]
    [one] = await store.claim_notices(CRM, NOW, 10)
    assert one.notice.about == 2
    assert await store.move([4], State.CANCELLED) == [4]
    await reader.open_reading()
    story = await reader.story(20)
    assert story is not None
    assert story.stored.state is State.DELIVERED
    await reader.close()
    # A running node of the previous version writes only its own columns.
    await nodes.execute(
        "INSERT INTO message (id, submission_id, account, protocol, peer, phone, sender, "
        "message_type, text, options, fallback, route, level, parts, accepted_at, due_at, "
        "scheduled_at, expires_at, receipts, reference, attempts, unknown) "
        "SELECT 40, 40, account, protocol, peer, phone, sender, message_type, text, options, "
        "fallback, route, level, parts, accepted_at, due_at, scheduled_at, expires_at, receipts, "
        "reference, attempts, unknown FROM message WHERE id = 1"
    )
    # The other is in an attempt, whose outcome is decided first.
    assert [one.id for one in await store.waiting(LANE, NOW, 10)] == [40]
