from __future__ import annotations

import asyncio
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bridge.model.message import Receipts, State
from bridge.model.notice import Kind, Notice, Told, receivers_of
from bridge.store import Acceptance, Change, Event, Lane, Status, StoreError, StoreFull, unjoined
from bridge.store.postgres import connection as pg
from bridge.store.postgres import notices as pg_notices
from bridge.store.postgres import retention as pg_retention
from bridge.store.postgres import statuses as pg_statuses
from bridge.store.postgres.attempts import _BEGIN, _CHANGED, _SENT
from bridge.store.postgres.engine import PostgresStore
from tests.samples import NOW, message
from tests.store.conftest import Clock, Engine
from tests.store.postgres.server import execute

LANE = Lane("crm", 4, "async")
CRM = receivers_of("crm")
BOTH = Receipts.SUCCESS | Receipts.FAILURE


# --- opening -----------------------------------------------------------------------------------


async def test_a_database_that_is_not_there_is_named_without_the_password() -> None:
    store = PostgresStore("postgresql://me:hunter2@127.0.0.1:1/bridge")
    with pytest.raises(StoreError, match=r"postgresql://me@127.0.0.1:1/bridge") as caught:
        await store.open()
    assert "hunter2" not in str(caught.value)
    await store.close()


async def test_a_store_that_is_not_open_says_so(database: str) -> None:
    store = PostgresStore(database)
    with pytest.raises(StoreError, match="not open"):
        store.accept(Acceptance((message(1),)))
    with pytest.raises(StoreError, match="not open"):
        await store.lanes()
    await store.close()


# --- values ------------------------------------------------------------------------------------


@given(st.text(st.sampled_from("a0\0\ue000я")))
def test_every_text_comes_back_as_it_was(text: str) -> None:
    stored = pg.storable(text)
    assert "\0" not in stored
    assert pg.original(stored) == text


async def test_what_postgresql_cannot_hold_comes_back_all_the_same(postgresql: Engine) -> None:
    store = await postgresql.open()
    strange = "\0 and \ue000 and \ue0000"
    original = message(1, text=strange, reference=strange, options=(strange, "x"), sender="\ue0000")
    await store.accept(Acceptance((original, message(2))))
    assert await store.waiting(LANE, NOW, 10) == [original, message(2)]
    await store.finish(0, [Change(1, State.SENT, strange)])
    await store.finish(0, [Change(2, State.REJECTED, failure="REFUSED", cause=strange)])
    first, second = await store.message(1), await store.message(2)
    assert first is not None
    assert second is not None
    assert (first.upstream_id, second.cause) == (strange, strange)


async def test_what_postgresql_cannot_hold_comes_back_from_every_table(
    postgresql: Engine,
) -> None:
    store = await postgresql.open()
    strange = "\0 and \ue000"
    await store.accept(Acceptance((message(1, receipts=BOTH),)))
    await store.finish(0, [Change(1, State.SENT, strange)])
    await store.note_statuses([Status(strange, strange, None, NOW, strange)])
    await store.note_statuses([Status(strange, "delivered", State.DELIVERED, NOW)])
    await store.note_statuses([Status(strange, strange, State.EXPIRED, NOW)])
    [one] = await store.claim_notices(CRM, NOW, 10)
    assert one.stored is not None
    assert (one.stored.upstream_id, one.stored.cost) == (strange, strange)
    await store.told([Told(one.notice.id, True, strange)])
    await store.owe([Notice(CRM, "crm", Kind.REFUSED, 0, 1, NOW, NOW, content=strange)])
    [refused] = await store.claim_notices(CRM, NOW, 10)
    assert refused.notice.content == strange
    story = await store.story(1)
    assert story is not None
    assert story.events == (Event(NOW, "status", strange),)
    assert story.notices[0].outcome == strange
    assert [one.message.id for one in await store.find(strange, 10)] == [1]


async def test_a_blanked_envelope_may_hold_what_postgresql_cannot(
    postgresql: Engine, clock: Clock
) -> None:
    store = await postgresql.open()
    envelope = '{"return_path":"a@b.example","subject":"\\u0000"}'
    await store.accept(Acceptance((message(1, envelope=envelope),)))
    await store.finish(0, [Change(1, State.REJECTED)])
    clock.now = NOW + 86400
    await store.sweep(NOW, NOW + 3600, 10)
    stored = await store.message(1)
    assert stored is not None
    assert (stored.message.text, stored.message.envelope) == ("", '{"return_path":"a@b.example"}')


@pytest.mark.parametrize("others", [0, 50])
async def test_a_value_that_no_store_can_hold_stops_nothing(
    postgresql: Engine, others: int
) -> None:
    store = await postgresql.open()
    results = await asyncio.gather(
        store.accept(Acceptance((message(1),))),
        store.accept(Acceptance((message(2, reference="half a pair: \ud83d"),))),
        store.accept(Acceptance((message(3, expires_at=10**30),))),
        store.accept(Acceptance((message(1),))),
        store.finish(0, [Change(1, State.REJECTED, cause="half a pair: \ud83d")]),
        *(store.accept(Acceptance((message(4 + n),))) for n in range(others)),
        return_exceptions=True,
    )
    failed = [isinstance(result, StoreError) for result in results]
    assert failed == [False, True, True, True, True, *[False] * others]
    assert await store.backlog() == 1 + others


_FENCE = "0, gen_random_uuid(), 0"
_OWED = {"notice_owed", "notice_pkey"}
#: Statements with sample parameters, and the indexes that they must use.
_PLANS = {
    "begin": (_BEGIN, f"{_FENCE}, '{{1}}', 'accepted', 5, 7", {"message_pkey"}),
    "sent": (
        _SENT,
        f"{_FENCE}, '{{1}}', '{{1}}', '{{}}', 7, 'accepted', '{{}}'",
        {"message_pkey"},
    ),
    "changed": (_CHANGED, f"{_FENCE}, '{{1}}', '{{}}', 7, 'accepted'", {"message_pkey"}),
    "find": (pg_statuses._FIND_SENT, "'{up-1}'", {"message_upstream"}),
    "ended": (pg_statuses._FIND_ENDED, "'{1}', 'sent'", {"message_pkey"}),
    "status": (pg_statuses._CHANGE, "'{1}', '{}'", {"message_pkey"}),
    "early": (pg_statuses._PAGE, "0, 10", {"message_upstream"}),
    "poll": (pg_statuses._POLL, "false, 7, 10", {"message_poll"}),
    "claim": (pg_notices._CLAIM, "0, 'q', 7, 10, '{0}'", _OWED | {"notice_about"}),
    "told": (pg_notices._TOLD, "0, '{1}', '{}'", {"notice_pkey"}),
    "expire": (pg_notices._EXPIRE, "7, 7, 10, 'mail', 7", _OWED),
    "submissions": (pg_retention._FORGET_SUBMISSIONS, "'{1}'", {"message_submission"}),
    "lonely": (pg_retention._SWEEP_LONELY, "7, 7, 10", {"notice_about", "notice_pkey"}),
    "part": (f"SELECT id {unjoined.END.format(id='$1')}", "7", {"notice_about"}),
}


@pytest.mark.parametrize("rows", [None, 0, 3], ids=["nothing known", "empty", "three"])
@pytest.mark.parametrize("statement", _PLANS)
async def test_a_plan_made_while_the_table_was_small_is_good_for_a_large_one(
    postgresql: Engine, database: str, statement: str, rows: int | None
) -> None:
    sql, parameters, indexes = _PLANS[statement]
    store = await postgresql.open()
    await store.accept(Acceptance(tuple(message(id) for id in range(rows or 0))))
    owed = [Notice("q", "crm", Kind.DELAY, id, id, NOW, NOW) for id in range(rows or 0)]
    await store.owe(owed)
    connection = await pg.connect(database)
    try:
        if rows is not None:
            await connection.execute("VACUUM ANALYZE")
        await connection.execute(f"PREPARE statement AS {sql}")
        plan = await connection.fetch(f"EXPLAIN EXECUTE statement({parameters})")
    finally:
        await connection.close()
    text = "\n".join(row[0] for row in plan)
    scans = re.findall(r"Scan (?:using|on) ((?:message|notice)_\w+).*\n +(.*)", text)
    assert {index for index, _ in scans} == indexes
    # No index is scanned completely.
    assert all(how.startswith("Index Cond") for _, how in scans), text
    assert "Seq Scan" not in text


# --- the database has trouble ------------------------------------------------------------------

_FULL = """
    CREATE FUNCTION no_room() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
    CREATE TRIGGER no_room BEFORE INSERT OR UPDATE ON message EXECUTE FUNCTION no_room();
"""


async def test_a_full_disk_refuses_messages_and_keeps_results(
    postgresql: Engine, database: str
) -> None:
    store = await postgresql.open()
    await store.accept(Acceptance((message(1),)))
    await execute(database, _FULL)
    result = store.finish(0, [Change(1, State.SENT, "upstream")])
    for id in (2, 3):
        with pytest.raises(StoreFull, match="could not extend"):
            await store.accept(Acceptance((message(id),)))
    assert not result.done()
    await execute(database, "DROP FUNCTION no_room CASCADE")
    async with asyncio.timeout(10):
        await result
    await store.accept(Acceptance((message(4),)))
    stored = await store.message(1)
    assert stored is not None
    assert stored.state is State.SENT
    assert await store.message(2) is None


async def test_a_result_that_nobody_could_write_ends_with_the_store(
    postgresql: Engine, database: str
) -> None:
    store = await postgresql.open()
    await store.accept(Acceptance((message(1),)))
    await execute(database, _FULL)
    result = store.finish(0, [Change(1, State.SENT, "upstream")])
    await store.close()
    with pytest.raises(StoreFull, match="closed before there was room"):
        await result


async def test_a_backup_of_postgresql_is_pg_dumps(postgresql: Engine, tmp_path: Path) -> None:
    store = await postgresql.open()
    with pytest.raises(StoreError, match="pg_dump --format=custom"):
        await store.backup(tmp_path / "copy")
