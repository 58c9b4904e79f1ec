"""A database that is killed or has no room loses nothing that was answered."""

from __future__ import annotations

import asyncio
import secrets
import signal

import asyncpg
import pytest

from bridge.model.message import State
from bridge.store import Acceptance, Change, StoreFull
from bridge.store.postgres.engine import PostgresStore
from bridge.store.postgres.writer import UNSURE_WITHIN
from tests.samples import NOW, message
from tests.store.postgres.conftest import soon_refused
from tests.store.postgres.server import Server, binaries
from tests.support import missing


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
    mortal: PostgresStore, mortal_postgres: Server
) -> None:
    await mortal.accept(Acceptance((message(1), message(2))))
    await mortal.begin(9, [message(1)])
    await asyncio.to_thread(mortal_postgres.stop)
    try:
        result = mortal.finish(9, [Change(1, State.SENT, "x")])
        # The fate of the first is unknown at first; the next is refused at once.
        first = mortal.accept(Acceptance((message(3),)))
        async with asyncio.timeout(30):
            with soon_refused(), pytest.raises(StoreFull):
                await first
        async with asyncio.timeout(UNSURE_WITHIN - 1):
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
    async with asyncio.timeout(30):
        await result
    assert await mortal.begin(10, [message(2)]) == set()
    assert await mortal.message(3) is None
    assert await mortal.message(4) is None


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
            await store.accept(Acceptance((message(1),)))
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
            async with asyncio.timeout(30):
                while not store.trouble:  # noqa: ASYNC110 - a state, no event
                    await asyncio.sleep(0.01)
                assert not result.done()
                for (pid,) in rows:
                    server.limit_files(pid, "unlimited")
                await result
            await store.close()
    finally:
        server.remove()
