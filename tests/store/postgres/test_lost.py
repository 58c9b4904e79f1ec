"""Loss of the database: lost answers, cut connections, a killed server."""

from __future__ import annotations

import asyncio
import gc
import secrets
import signal
from collections.abc import AsyncIterator, Callable, Coroutine
from functools import partial
from typing import Any, TypeVar

import asyncpg
import pytest

from bridge.model.contact import Blocks, Contact, Group, Template
from bridge.model.message import Receipts, State
from bridge.model.notice import Kind, Notice, Told, receivers_of
from bridge.store import (
    Acceptance,
    Change,
    Fingerprint,
    Lane,
    PartGroup,
    Replacement,
    Status,
    StoreError,
    StoreFull,
    Superseded,
)
from bridge.store.directory.black_list import add_to_black_list, delete_from_black_list
from bridge.store.directory.contacts import add_contact, list_contacts
from bridge.store.directory.groups import add_group, change_group, list_groups
from bridge.store.directory.templates import add_template
from bridge.store.postgres.engine import PostgresStore
from tests.samples import NOW, message
from tests.store.conftest import Engine
from tests.store.postgres.server import Server, Wire, binaries, execute
from tests.support import missing

T = TypeVar("T")

LANE = Lane("crm", 4, "async")
CRM = receivers_of("crm")


async def test_a_connection_that_was_cut_costs_nobody_an_answer(
    postgresql: Engine, database: str
) -> None:
    store = await postgresql.open()
    await store.accept(Acceptance((message(0),)))
    cut = (
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE application_name = 'cascade-bridge' AND datname = current_database()"
    )
    begun: list[asyncio.Future[object]] = []
    async with asyncio.timeout(20):
        for id in range(1, 6):
            # While a group is being written, and while idle.
            accepted = store.accept(
                Acceptance((message(id),), (Fingerprint(b"%d" % id, id, NOW + 60),))
            )
            begun.append(store.begin(100 + id, [message(id - 1)]))  # type: ignore[arg-type]
            if id % 2:
                await asyncio.sleep(0)
            await execute(database, cut)
            assert await accepted == {}
        assert await asyncio.gather(*begun) == [frozenset()] * 5
    assert await store.backlog() == 6


@pytest.fixture
async def wire(postgres: Server) -> AsyncIterator[Wire]:
    wire = Wire(postgres)
    await wire.open()
    yield wire
    await wire.close()


@pytest.fixture
async def remote(wire: Wire, database: str) -> AsyncIterator[PostgresStore]:
    """A store that reaches its database through the proxy."""
    store = PostgresStore(wire.url(database), clock=lambda: NOW)
    await store.open()
    # Statements are prepared: from now on each takes one round trip.
    await store.accept(Acceptance((message(99),)))
    await store.begin(99, [message(99)])
    yield store
    await store.close()


async def written(database: str, table: str, id: int, how: str = "true") -> None:
    await found(database, table, f"id = {id} AND {how}")


async def found(database: str, table: str, how: str) -> None:
    async with asyncio.timeout(10):
        find = f"SELECT FROM {table} WHERE {how}"
        while await execute(database, find) == "SELECT 0":  # noqa: ASYNC110 - a row, no event
            await asyncio.sleep(0.01)


async def test_nobody_is_refused_while_the_database_is_away_for_a_moment(
    wire: Wire, remote: PostgresStore
) -> None:
    accepted = []
    async with asyncio.timeout(20):
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
    async with asyncio.timeout(10):
        assert await accepted == {}
    assert await remote.backlog() == 2


async def test_an_attempt_that_was_noted_though_the_answer_got_lost_is_noted(
    remote: PostgresStore, wire: Wire, database: str
) -> None:
    await remote.accept(PLAIN)
    wire.lose(b"")
    begun = remote.begin(9, [message(1)])
    await written(database, "attempt", 9)
    wire.mend()
    async with asyncio.timeout(10):
        assert await begun == set()
    assert await remote.move([1], State.CANCELLED) == []


async def test_a_caller_that_leaves_as_its_connection_breaks_leaves_no_error(
    remote: PostgresStore, wire: Wire
) -> None:
    left: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda loop, context: left.append(context))
    await remote.message(1)
    # The pool's reset of a returned connection.
    wire.lose(b"pg_advisory_unlock_all")
    asking = asyncio.create_task(remote.message(1))
    await asyncio.wait({asking}, timeout=0.5)
    asking.cancel()
    await asyncio.wait({asking})
    wire.mend()
    assert await remote.message(99) is not None
    gc.collect()
    await asyncio.sleep(0)
    assert not left


async def test_a_caller_cancelled_while_its_connection_breaks_is_cancelled(
    remote: PostgresStore,
) -> None:
    reading = asyncio.Event()

    async def read() -> None:
        async with remote._connection():
            reading.set()
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                # As the driver says it where both come at once.
                raise asyncpg.InterfaceError("connection is closed") from None

    task = asyncio.create_task(read())
    await reading.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancel_or_replace_with_a_lost_confirmation_succeeds(
    remote: PostgresStore, wire: Wire, database: str
) -> None:
    await remote.accept(Acceptance((message(1), message(2)), claimed=False))
    wire.lose(b"COMMIT")
    moved = asyncio.create_task(remote.move([1, 7], State.CANCELLED))
    await written(database, "message", 1, "state = 'cancelled'")
    wire.mend()
    async with asyncio.timeout(10):
        assert await moved == [1]
    wire.lose(b"COMMIT")
    new = Replacement(2, "another text", "", 1, Receipts.NONE)
    replaced = asyncio.create_task(remote.replace(new))
    await written(database, "message", 2, "text = 'another text'")
    # The connection may be lost before the second answer.
    await execute(database, "UPDATE message SET state = 'sent' WHERE id = 2")
    wire.mend()
    async with asyncio.timeout(10):
        assert await replaced


async def test_a_change_of_the_directory_is_told_though_the_answer_got_lost(
    remote: PostgresStore, wire: Wire, database: str
) -> None:
    async def change(verb: Callable[[], Coroutine[Any, Any, T]], table: str, how: str) -> T:
        wire.lose(b"COMMIT")
        changing = asyncio.create_task(verb())
        await found(database, table, how)
        wire.mend()
        async with asyncio.timeout(10):
            return await changing

    contact = Contact(0, ("+380501234567",), name="Olena")
    id = await change(
        lambda: remote.change(add_contact, "crm", contact), "contact", "name = 'Olena'"
    )
    assert [one.id for one in await remote.look_up(list_contacts, "crm")] == [id]
    group = await change(
        lambda: remote.change(add_group, "crm", Group(0, "Staff", 5)), "contact_group", "number = 5"
    )
    await change(
        lambda: remote.change(change_group, "crm", group, {"number": 6}),
        "contact_group",
        "number = 6",
    )
    await change(
        lambda: remote.change(add_to_black_list, "crm", "+380501234567", Blocks.ALL),
        "black_list",
        "true",
    )
    gone = await change(
        lambda: remote.change(delete_from_black_list, "crm", ["+380501234567"]),
        "black_list_change",
        "blocks IS NULL",
    )
    assert gone == 1
    await change(
        lambda: remote.change(add_template, "crm", Template(0, "hello", "Hello")),
        "template",
        "true",
    )
    await change(lambda: remote.set_hold("account", "crm", True), "hold", "true")


async def test_a_change_that_was_not_committed_is_made_again(
    remote: PostgresStore, wire: Wire
) -> None:
    wire.lose(b"INSERT INTO contact_group")
    adding = asyncio.create_task(remote.change(add_group, "crm", Group(0, "Others", 6)))
    async with asyncio.timeout(10):
        while not wire.losing:  # noqa: ASYNC110 - a state, no event
            await asyncio.sleep(0.01)
        wire.mend()
        id = await adding
    assert [one.id for one in await remote.look_up(list_groups, "crm")] == [id]


async def test_a_change_whose_fate_stays_unknown_says_so(
    remote: PostgresStore, wire: Wire, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await remote.change(add_group, "crm", Group(0, "Staff", 5))
    monkeypatch.setattr("bridge.store.postgres.connection.PATIENCE", 0.2)
    wire.lose(b"COMMIT")
    adding = asyncio.create_task(remote.change(add_group, "crm", Group(0, "Others", 6)))
    await found(database, "contact_group", "number = 6")
    wire.closed = True
    wire.cut()
    async with asyncio.timeout(10):
        with pytest.raises(StoreError, match="may have been done"):
            await adding
    wire.mend()


async def test_an_attempt_whose_only_message_was_refused_ends(
    remote: PostgresStore, wire: Wire, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.postgres.writer.UNSURE_WITHIN", 0.2)
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
    async with asyncio.timeout(10):
        with pytest.raises(StoreFull, match="cannot be reached"):
            await accepted
        wire.mend()
        await result


async def test_a_refused_message_that_was_stored_is_removed(
    remote: PostgresStore, wire: Wire, database: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.postgres.writer.UNSURE_WITHIN", 0.2)
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
    monkeypatch: pytest.MonkeyPatch,
    acceptance: Acceptance,
) -> None:
    monkeypatch.setattr("bridge.store.postgres.writer.UNSURE_WITHIN", 0.2)
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
    async with asyncio.timeout(10):
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
    async with asyncio.timeout(10):
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
    async with asyncio.timeout(10):
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
    async with asyncio.timeout(10):
        await owed
        await remote.owe([crm_notice(3)])
    claimed = await remote.claim_notices(CRM, NOW, 10)
    assert [one.notice.known_as for one in claimed] == [1, 2, 3]


async def test_results_of_notices_are_kept_while_the_database_is_away(
    remote: PostgresStore, wire: Wire, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.postgres.writer.UNSURE_WITHIN", 0.2)
    await remote.owe([crm_notice(1)])
    [one] = await remote.claim_notices(CRM, NOW, 10)
    wire.closed = True
    wire.cut()
    async with asyncio.timeout(10):
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


# --- the database is killed --------------------------------------------------------------------


@pytest.fixture
async def mortal(mortal_postgres: Server) -> AsyncIterator[PostgresStore]:
    async with mortal_postgres.database() as url:
        store = PostgresStore(url, clock=lambda: NOW)
        await store.open()
        yield store
        await store.close()


class Load:
    """A client that submits, sends stored messages, and records its answers."""

    def __init__(self, store: PostgresStore) -> None:
        self._store = store
        self.stored: set[int] = set()
        self.refused: set[int] = set()
        self.sent: set[int] = set()
        self.enough = asyncio.Event()
        self._progress = asyncio.Event()

    async def more(self, messages: int) -> None:
        """Waits until this many more have been sent."""
        enough = len(self.sent) + messages
        while len(self.sent) < enough:
            self._progress.clear()
            await self._progress.wait()

    async def run(self, first: int) -> None:
        id = first
        while not self.enough.is_set():
            some = [message(id + n) for n in range(10)]
            id += 10
            futures = [self._store.accept(Acceptance((one,))) for one in some]
            answers = await asyncio.gather(*futures, return_exceptions=True)
            good = []
            for one, answer in zip(some, answers, strict=True):
                if isinstance(answer, StoreFull):
                    self.refused.add(one.id)
                else:
                    assert answer == {}
                    self.stored.add(one.id)
                    good.append(one)
            try:
                gone = await self._store.begin(id, good)
            except StoreFull:
                await asyncio.sleep(0.01)
                continue
            assert not gone
            await self._store.finish(id, [Change(one.id, State.SENT, "x") for one in good])
            self.sent |= {one.id for one in good}
            self._progress.set()


@pytest.mark.parametrize(
    ("how", "rounds"), [(signal.SIGKILL, 2), (signal.SIGQUIT, 1), (signal.SIGINT, 1)]
)
async def test_a_database_that_is_killed_loses_nothing_that_was_answered(
    mortal: PostgresStore, mortal_postgres: Server, how: signal.Signals, rounds: int
) -> None:
    load = Load(mortal)
    async with asyncio.timeout(60), asyncio.TaskGroup() as clients:
        for n in range(1, 5):
            clients.create_task(load.run(n * 1_000_000))
        for _ in range(rounds):
            await load.more(200)
            await asyncio.to_thread(mortal_postgres.stop, how)
            await asyncio.to_thread(mortal_postgres.start)
        await load.more(200)
        load.enough.set()
    for ids, wanted in ((load.sent, {State.SENT}), (load.refused, {None})):
        found = {(one.state if one else None) for one in [await mortal.message(i) for i in ids]}
        assert found <= wanted
    assert await mortal.backlog() == len(load.stored - load.sent)


async def test_while_the_database_is_away_messages_are_refused_and_results_kept(
    mortal: PostgresStore, mortal_postgres: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bridge.store.postgres.writer.UNSURE_WITHIN", 0.5)
    await mortal.accept(Acceptance((message(1), message(2))))
    await mortal.begin(9, [message(1)])
    await asyncio.to_thread(mortal_postgres.stop)
    try:
        result = mortal.finish(9, [Change(1, State.SENT, "x")])
        # The fate of the first is unknown at first; the next is refused at once.
        first = mortal.accept(Acceptance((message(3),)))
        async with asyncio.timeout(20):
            with pytest.raises(StoreFull):
                await first
        async with asyncio.timeout(1):
            with pytest.raises(StoreFull):
                await mortal.accept(Acceptance((message(4),)))
            with pytest.raises(StoreFull):
                await mortal.begin(10, [message(2)])
            with pytest.raises(StoreFull):
                await mortal.lanes()
        # A shared error would keep the frames of all its raisers.
        refused = [mortal.accept(Acceptance((message(id),))) for id in (5, 6)]
        errors = {id(error) for error in await asyncio.gather(*refused, return_exceptions=True)}
        assert len(errors) == 2
    finally:
        await asyncio.to_thread(mortal_postgres.start)
    async with asyncio.timeout(20):
        await result
    assert await mortal.begin(10, [message(2)]) == set()
    assert await mortal.message(3) is None
    assert await mortal.message(4) is None


async def test_a_database_that_was_out_of_reach_costs_no_node_its_life(
    postgres: Server, database: str
) -> None:
    wires = [Wire(postgres) for _ in range(3)]
    stores: list[PostgresStore] = []
    lost: list[int] = []
    try:
        for wire in wires:
            await wire.open()
            store = PostgresStore(wire.url(database), clock=lambda: NOW, lease=0.8)
            stores.append(store)
            await store.open()
            store.signals.lost.listen(partial(lost.append, store.node))
        for wire in wires:
            wire.closed = True
            wire.cut()
        async with asyncio.timeout(20):
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
    async with asyncio.timeout(20):
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


async def test_a_result_waits_until_its_file_may_grow() -> None:
    bin = binaries()
    if bin is None:
        missing("PostgreSQL")
    server = Server(bin, wal_segment="1", fsync="off")
    try:
        server.start()
        async with server.database() as url:
            store = PostgresStore(url, clock=lambda: NOW)
            await store.open()
            await store.accept(PLAIN)
            await store.begin(9, [message(1)])
            connection = await asyncpg.connect(url)
            rows = await connection.fetch(
                "SELECT pid FROM pg_stat_activity WHERE application_name = 'cascade-bridge'"
            )
            await connection.close()
            for (pid,) in rows:
                server.limit_files(pid, str(1 << 20))
            cause = secrets.token_hex(2_000_000)
            result = store.finish(9, [Change(1, State.ACCEPTED, due_at=NOW, cause=cause)])
            async with asyncio.timeout(20):
                while not store.trouble:  # noqa: ASYNC110 - a state, no event
                    await asyncio.sleep(0.01)
                assert not result.done()
                for (pid,) in rows:
                    server.limit_files(pid, "unlimited")
                await result
            await store.close()
    finally:
        server.remove()
