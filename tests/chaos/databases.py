"""The store of a run: a file, or a PostgreSQL that each node reaches through a proxy."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg

from tests.chaos.fault_proxy import Ends, FaultProxy
from tests.store.postgres.server import Server, binaries

#: What is full at this size is so for tables of a few thousand rows, but not for the WAL, whose
#: segments are as large (``initdb --wal-segsize=1``).
FULL_AT = 1 << 20


class SqliteFile:
    """The file of a single daemon."""

    engine = "sqlite"
    lease = 0.0

    def __init__(self, folder: Path) -> None:
        self._path = folder / "bridge.db"

    async def start(self, nodes: int) -> None:
        """There is nothing to start."""

    async def close(self) -> None:
        """Nor to end."""

    def url(self, node: int) -> str:
        return f"sqlite:///{self._path}"

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        with contextlib.closing(sqlite3.connect(self._path, timeout=20)) as connection:
            return connection.execute(sql).fetchall()

    @contextlib.contextmanager
    def reader(self) -> Any:
        """A foreign connection that keeps reading, so that the WAL cannot be reset."""
        with contextlib.closing(sqlite3.connect(self._path, timeout=20)) as connection:
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM message").fetchone()
            yield


class Postgres:
    """A private server with a database, which each node reaches through a proxy."""

    engine = "postgres"

    def __init__(self, lease: float) -> None:
        bin = binaries()
        if bin is None:
            raise FileNotFoundError("PostgreSQL is not installed")
        self.lease = lease
        # A killed process loses nothing that it has passed to the kernel: no sync is needed.
        self._server = Server(
            bin, wal_segment="1", fsync="off", autovacuum_naptime="5s", max_wal_size="64MB"
        )
        self._database = ""
        self._direct = ""
        self._stack = contextlib.AsyncExitStack()
        #: Held while the server is being stopped or started.
        self.changing = asyncio.Lock()
        self.proxies: list[FaultProxy] = []

    async def spread(self) -> None:
        """Makes new rows take more space, so that the tables of a short run grow."""
        async with self.connected() as connection:
            for table in ("message", "notice", "attempt", "part"):
                await connection.execute(f"ALTER TABLE {table} SET (fillfactor = 10)")

    async def start(self, nodes: int) -> None:
        await asyncio.to_thread(self._server.start)
        self._direct = await self._stack.enter_async_context(self._server.database())
        self._database = self._direct.partition("?")[0].rpartition("/")[2]
        for _ in range(nodes):
            proxy = FaultProxy(self._connect)
            await proxy.start()
            self.proxies.append(proxy)

    async def close(self) -> None:
        for proxy in self.proxies:
            await proxy.close()
        await asyncio.to_thread(self._server.remove)

    async def _connect(self) -> Ends:
        return await asyncio.open_unix_connection(self._server.folder / ".s.PGSQL.5432")

    def url(self, node: int) -> str:
        return f"postgresql://bridge@127.0.0.1:{self.proxies[node].port}/{self._database}"

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Any]:
        """A connection without a proxy."""
        connection = await asyncpg.connect(self._direct, timeout=20)
        try:
            yield connection
        finally:
            with contextlib.suppress(asyncpg.PostgresError, asyncpg.InterfaceError, OSError):
                await connection.close(timeout=2)
            connection.terminate()

    async def rows(self, sql: str) -> list[tuple[Any, ...]]:
        async with self.connected() as connection:
            return [tuple(row) for row in await connection.fetch(sql)]

    # --- what is done to it ----------------------------------------------------------------

    async def down(self, seconds: float, how: signal.Signals) -> None:
        """Stops the server, and restarts it after a while."""
        async with self.changing:
            await asyncio.to_thread(self._server.stop, how)
            try:
                await asyncio.sleep(seconds)
            finally:
                await asyncio.to_thread(self._server.start)

    async def backends(self) -> Sequence[int]:
        rows = await self.rows(
            "SELECT pid FROM pg_stat_activity WHERE application_name = 'cascade-bridge'"
        )
        return [pid for (pid,) in rows]

    @asynccontextmanager
    async def full(self) -> AsyncIterator[None]:
        """Keeps files of the present backends from growing."""
        backends = await self.backends()
        for pid in backends:
            await asyncio.to_thread(self._server.limit_files, pid, str(FULL_AT))
        try:
            yield
        finally:
            for pid in backends:
                await asyncio.to_thread(self._server.limit_files, pid, "unlimited")


Database = SqliteFile | Postgres
