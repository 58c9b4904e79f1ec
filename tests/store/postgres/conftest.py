"""Fixtures for tests of PostgreSQL: several nodes, a bad connection, a server to be killed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest

from bridge.store import Acceptance
from bridge.store.postgres.engine import PostgresStore
from tests.samples import NOW, message
from tests.store.postgres.nodes import Nodes
from tests.store.postgres.server import Server, Wire


@pytest.fixture
async def nodes(database: str) -> AsyncIterator[Nodes]:
    nodes = Nodes(database)
    yield nodes
    await nodes.close()


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


@pytest.fixture
async def mortal(mortal_postgres: Server) -> AsyncIterator[PostgresStore]:
    async with mortal_postgres.database() as url:
        store = PostgresStore(url, clock=lambda: NOW)
        await store.open()
        yield store
        await store.close()


@contextmanager
def soon_refused() -> Iterator[None]:
    """Requests of unknown fate are refused after a moment. Afterwards a connection may take as long
    as usual, however busy the machine is."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr("bridge.store.postgres.writer.UNSURE_WITHIN", 0.2)
        yield
