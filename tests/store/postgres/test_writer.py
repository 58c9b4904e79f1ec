"""The writer when answers get lost, connections break, or the disk is full."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from bridge.model.message import State
from bridge.model.notice import Kind, Notice, Told
from bridge.store import Acceptance, Change, Fingerprint, PartGroup, Status, StoreFull, Superseded
from bridge.store.postgres.engine import PostgresStore
from tests.samples import NOW, message
from tests.store.conftest import Engine
from tests.store.postgres.conftest import soon_refused
from tests.store.postgres.server import Wire, execute, written
from tests.store.samples import CRM, LANE


async def test_requests_are_answered_though_their_connection_was_cut(
    postgresql: Engine, database: str
) -> None:
    store = await postgresql.open()
    await store.accept(Acceptance((message(0),)))
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'cascade-bridge' AND datname = current_database()"
    )
    begun: list[asyncio.Future[Any]] = []
    async with asyncio.timeout(30):
        for id in range(1, 6):
            # While a group is being written, and while idle.
            accepted = store.accept(
                Acceptance((message(id),), (Fingerprint(b"%d" % id, id, NOW + 60),))
            )
            begun.append(store.begin(100 + id, [message(id - 1)]))
            if id % 2:
                await asyncio.sleep(0)
            await execute(database, cut)
            assert await accepted == {}
        assert await asyncio.gather(*begun) == [frozenset()] * 5
    assert await store.backlog() == 6


async def test_no_request_is_refused_when_the_database_is_away_for_a_moment(
    wire: Wire, remote: PostgresStore
) -> None:
    accepted = []
    async with asyncio.timeout(30):
        await remote.accept(Acceptance((message(1),)))
        wire.closed = True
        wire.cut()
        for id in range(2, 6):
            accepted.append(remote.accept(Acceptance((message(id),))))
            await asyncio.sleep(0.02)  # the loss is noticed meanwhile
        assert not any(one.done() for one in accepted)
        wire.mend()
        assert await asyncio.gather(*accepted) == [{}] * 4
    assert await remote.backlog() == 6


#: In one statement, and in several.
PLAIN = Acceptance((message(1),))
PRINTED = Acceptance((message(1),), (Fingerprint(b"one", 1, NOW + 60),))
JOINED = Acceptance((message(1),), parts=PartGroup("crm", "Shop", "+380501234567", 7, 2))
REPLACING = Acceptance((message(1),), superseded=(Superseded(99, by=1),))


@pytest.mark.parametrize(("acceptance", "last"), [(PLAIN, b""), (PRINTED, b"COMMIT")])
async def test_a_message_stored_without_a_confirmation_is_answered_as_stored(
    remote: PostgresStore, wire: Wire, database: str, acceptance: Acceptance, last: bytes
) -> None:
    wire.lose(last)
    accepted = remote.accept(acceptance)
    await written(database, "message", 1)
    wire.mend()
    async with asyncio.timeout(30):
        assert await accepted == {}
    assert await remote.backlog() == 2


async def test_an_attempt_with_a_lost_confirmation_begins_once(
    remote: PostgresStore, wire: Wire, database: str
) -> None:
    await remote.accept(PLAIN)
    wire.lose(b"")
    begun = remote.begin(9, [message(1)])
    await written(database, "attempt", 9)
    wire.mend()
    async with asyncio.timeout(30):
        assert await begun == set()
    assert await remote.move([1], State.CANCELLED) == []


async def test_an_attempt_whose_only_message_was_refused_ends(
    remote: PostgresStore, wire: Wire, database: str
) -> None:
    await refused_though_stored(remote, wire, database, PLAIN._replace(attempt=7), b"COMMIT")
    assert await execute(database, "SELECT FROM attempt WHERE id = 7") == "SELECT 0"


async def refused_though_stored(
    remote: PostgresStore, wire: Wire, database: str, acceptance: Acceptance, last: bytes
) -> None:
    wire.lose(last)
    accepted = remote.accept(acceptance)
    result = remote.finish(0, [])
    await written(database, "message", 1)
    wire.closed = True
    wire.cut()
    async with asyncio.timeout(30):
        with soon_refused(), pytest.raises(StoreFull, match="cannot be reached"):
            await accepted
        wire.mend()
        await result


async def test_a_refused_message_that_was_stored_is_removed(
    remote: PostgresStore, wire: Wire, database: str
) -> None:
    await refused_though_stored(remote, wire, database, PLAIN, b"COMMIT")
    assert await remote.message(1) is None
    assert await remote.backlog() == 1


@pytest.mark.parametrize(
    "acceptance", [PRINTED, JOINED, REPLACING], ids=["fingerprint", "parts", "superseded"]
)
async def test_a_refused_message_that_another_node_may_have_repeated_is_sent(
    remote: PostgresStore,
    wire: Wire,
    database: str,
    postgresql: Engine,
    acceptance: Acceptance,
) -> None:
    other = await postgresql.open()
    work = asyncio.Event()
    remote.signals.work.listen(work.set)
    await refused_though_stored(remote, wire, database, acceptance, b"COMMIT")
    # The client repeats it at the other node, which knows it.
    if acceptance.fingerprints:
        again = PRINTED._replace(
            messages=(message(2),), fingerprints=(Fingerprint(b"one", 2, NOW + 60),)
        )
        assert await other.accept(again) == {b"one": 1}
    async with asyncio.timeout(30):
        await work.wait()
    assert [one.id for one in await other.waiting(LANE, NOW, 10)] == [1]


async def test_a_result_that_was_written_is_not_written_again(
    remote: PostgresStore, wire: Wire, postgresql: Engine
) -> None:
    other = await postgresql.open()
    await remote.accept(PLAIN)
    await remote.begin(9, [message(1)])
    work = asyncio.Event()
    other.signals.work.listen(work.set)
    wire.lose(b"COMMIT")
    result = remote.finish(9, [Change(1, State.ACCEPTED, due_at=NOW, attempts=1)])
    async with asyncio.timeout(30):
        await work.wait()
        waiting = await other.waiting(LANE, NOW, 10)
        wire.mend()
        await result
    assert [one.attempts for one in waiting] == [1]
    assert await other.begin(10, waiting) == set()


def crm_notice(id: int) -> Notice:
    return Notice(CRM, "crm", Kind.REFUSED, 0, id, NOW, NOW)


async def test_notices_of_a_claim_with_a_lost_answer_can_be_claimed_again(
    remote: PostgresStore, wire: Wire, database: str
) -> None:
    await remote.owe([crm_notice(1)])
    [telling] = await remote.claim_notices(CRM, NOW, 10)
    await remote.owe([crm_notice(2)])
    wire.lose(b"COMMIT")
    claimed = remote.claim_notices(CRM, NOW, 10)
    await written(database, "notice", telling.notice.id + 1, "owner = 0")
    wire.mend()
    async with asyncio.timeout(30):
        assert [one.notice.known_as for one in await claimed] == [2]
    # The other notice is still being told.
    assert await remote.claim_notices(CRM, NOW, 10) == []


async def test_a_notice_stored_without_a_confirmation_is_owed_once(
    remote: PostgresStore, wire: Wire, database: str
) -> None:
    wire.lose(b"COMMIT")
    owed = remote.owe([crm_notice(1), crm_notice(2)])
    await written(database, "notice", 2)
    wire.mend()
    async with asyncio.timeout(30):
        await owed
        await remote.owe([crm_notice(3)])
    claimed = await remote.claim_notices(CRM, NOW, 10)
    assert [one.notice.known_as for one in claimed] == [1, 2, 3]


async def test_a_refused_notice_that_was_stored_is_owed_once_when_it_is_owed_again(
    remote: PostgresStore, wire: Wire, database: str
) -> None:
    wire.lose(b"COMMIT")
    owed = remote.owe([crm_notice(1), crm_notice(2)])
    await written(database, "notice", 2)
    wire.closed = True
    wire.cut()
    async with asyncio.timeout(30):
        with soon_refused(), pytest.raises(StoreFull, match="cannot be reached"):
            await owed
        wire.mend()
        while isinstance(await noted(remote), StoreFull):
            pass
        await remote.owe([crm_notice(1), crm_notice(2)])
    claimed = await remote.claim_notices(CRM, NOW, 10)
    assert [one.notice.known_as for one in claimed] == [1, 2]


async def test_results_of_notices_are_kept_while_the_database_is_away(
    remote: PostgresStore, wire: Wire
) -> None:
    await remote.owe([crm_notice(1)])
    [one] = await remote.claim_notices(CRM, NOW, 10)
    wire.closed = True
    wire.cut()
    async with asyncio.timeout(30):
        with soon_refused():
            while not isinstance(await noted(remote), StoreFull):
                pass
        told = remote.told([Told(one.notice.id, True, "taken")])
        wire.mend()
        await told
        assert await remote.claim_notices(CRM, NOW, 10) == []


async def noted(store: PostgresStore) -> object:
    """The result of noting an unknown status."""
    status = Status("unknown", "delivered", State.DELIVERED, NOW)
    return (await asyncio.gather(store.note_statuses([status]), return_exceptions=True))[0]


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
    async with asyncio.timeout(30):
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
