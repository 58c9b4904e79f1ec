"""The schema of the database: migrations, and read-only access."""

from __future__ import annotations

import asyncpg
import pytest

from bridge.model.message import State
from bridge.model.notice import receivers_of
from bridge.store import Acceptance, Lane, Noted, SchemaTooNew, Status, StoreError
from bridge.store.postgres.engine import PostgresStore
from bridge.store.postgres.schema import MIGRATIONS
from tests.samples import NOW, message
from tests.store.conftest import Engine
from tests.store.postgres.nodes import Nodes
from tests.store.postgres.server import execute

CRM = receivers_of("crm")
LANE = Lane("crm", 4, "async")


def delivered(id: int) -> Status:
    return Status(f"up-{id}", "delivered", State.DELIVERED, NOW)


async def test_steps_of_the_schema_are_recorded(postgresql: Engine, database: str) -> None:
    for _ in range(2):
        await (await postgresql.open()).close()
    connection = await asyncpg.connect(database)
    versions = await connection.fetch("SELECT version FROM migration ORDER BY version")
    await connection.close()
    assert [row["version"] for row in versions] == [n + 1 for n in range(len(MIGRATIONS))]


async def test_a_newer_schema_is_refused_in_words(postgresql: Engine, database: str) -> None:
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


async def test_a_store_of_the_former_version_goes_on_with_all_that_is_in_it(nodes: Nodes) -> None:
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


async def test_a_reader_writes_nothing(nodes: Nodes) -> None:
    store = await nodes.open()
    await store.accept(Acceptance((message(1),)))
    reader = PostgresStore(nodes.url)
    await reader.open_reading()
    assert await reader.nodes() == 1
    with pytest.raises(StoreError, match="not open"):
        reader.note_statuses([delivered(1)])
    with pytest.raises(StoreError, match="not open"):
        await reader.move([1], State.CANCELLED)
    with pytest.raises(StoreError, match="read-only"):
        await reader._rows("DELETE FROM message")
    await reader.close()


async def test_a_database_that_cannot_be_read_says_why(nodes: Nodes) -> None:
    with pytest.raises(StoreError, match="holds no store yet"):
        await PostgresStore(nodes.url).open_reading()
    with pytest.raises(StoreError, match=r"127\.0\.0\.1:1"):
        await PostgresStore("postgresql://me:secret@127.0.0.1:1/bridge").open_reading()
