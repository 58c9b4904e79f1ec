"""Connections to PostgreSQL: their settings, the meaning of errors, texts that need escaping."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from enum import Enum
from types import MappingProxyType
from typing import Any, Protocol, cast

import asyncpg

from bridge.store.errors import StoreError, StoreFull
from bridge.store.rows import MESSAGE_COLUMNS, STATE_COLUMNS, Row

#: How long a statement may take before its connection counts as lost (seconds).
PATIENCE = 15.0

_SETTINGS = {
    "application_name": "cascade-bridge",
    # Every statement uses an index. The planner must not choose otherwise for a table that is empty
    # at first: plans are cached, and the table grows by thousands a second.
    "enable_seqscan": "off",
    "enable_hashjoin": "off",
    "enable_mergejoin": "off",
    "plan_cache_mode": "force_generic_plan",
    "jit": "off",
    "timezone": "UTC",
    # A node that falls silent within a transaction must not keep its locks.
    "idle_in_transaction_session_timeout": "15s",
    "lock_timeout": "10s",
}


class PgType(Protocol):
    """A type of PostgreSQL by its name, for instance ``int8``."""

    name: str


class PgPrepared(Protocol):
    """The part of asyncpg's prepared statement that is used."""

    def get_parameters(self) -> Sequence[PgType]: ...


class PgConnection(Protocol):
    """The part of asyncpg's connection that is used. It raises :data:`ERRORS`."""

    async def execute(self, query: str, *args: object, timeout: float | None = None) -> str:
        """The tag of the command, for instance ``UPDATE 3``."""

    async def executemany(self, command: str, args: Iterable[Sequence[object]]) -> None: ...

    async def fetch(self, query: str, *args: object, timeout: float | None = None) -> list[Row]: ...

    async def fetchrow(self, query: str, *args: object) -> Any: ...

    async def fetchval(self, query: str, *args: object) -> Any: ...

    async def prepare(self, query: str) -> PgPrepared: ...

    async def copy_records_to_table(
        self, table_name: str, *, records: Iterable[Sequence[object]], columns: Sequence[str]
    ) -> str: ...

    def transaction(self) -> AbstractAsyncContextManager[object]: ...

    async def add_listener(
        self, channel: str, callback: Callable[[PgConnection, int, str, str], None]
    ) -> None: ...

    def add_termination_listener(self, callback: Callable[[PgConnection], None]) -> None: ...

    def is_closed(self) -> bool: ...

    async def close(self, *, timeout: float | None = None) -> None: ...

    def terminate(self) -> None: ...


class PgPool(Protocol):
    """The part of asyncpg's pool that is used."""

    async def acquire(self, *, timeout: float | None = None) -> PgConnection: ...

    async def release(self, connection: PgConnection) -> None: ...

    async def close(self) -> None: ...

    def terminate(self) -> None: ...


async def connect(url: str, settings: Mapping[str, str] = MappingProxyType({})) -> PgConnection:
    """A single connection, with further settings; raises the errors of asyncpg and of the
    system."""
    connection = await asyncpg.connect(
        url, timeout=PATIENCE, command_timeout=PATIENCE, server_settings={**_SETTINGS, **settings}
    )
    return cast(PgConnection, connection)


async def connect_pool(url: str, *, read_only: bool = False) -> PgPool:
    """A pool for verbs that are not on the path of a message."""
    access = {"default_transaction_read_only": "on"} if read_only else {}
    pool = await asyncpg.create_pool(
        url,
        min_size=0,
        max_size=4,
        max_inactive_connection_lifetime=60.0,
        timeout=PATIENCE,
        command_timeout=PATIENCE,
        server_settings=_SETTINGS | access,
    )
    return cast(PgPool, pool)


# --- errors ------------------------------------------------------------------------------------


class Trouble(Enum):
    """The meaning of a database error for the request."""

    LOST = "the connection is lost; the last write may be stored or not"
    FULL = "not stored, and nothing can be stored for now"
    BUSY = "not stored because of a conflict; to be retried at once"
    FAULT = "not stored, and a retry would fail as well"


#: PostgreSQL, appendix A: codes, and classes of two characters.
_MEANINGS = {
    "08": Trouble.LOST,  # connection exceptions
    "53": Trouble.FULL,  # insufficient resources: disk_full, out_of_memory, too_many_connections
    "57": Trouble.LOST,  # operator intervention: shutdowns
    "57014": Trouble.FULL,  # query_canceled: by a time limit of the database's own
    "58": Trouble.FULL,  # system_error, io_error
    "25006": Trouble.FULL,  # read_only_sql_transaction: a standby
    "25P03": Trouble.LOST,  # idle_in_transaction_session_timeout
    "40": Trouble.BUSY,  # deadlock_detected, serialization_failure
    "55P03": Trouble.BUSY,  # lock_not_available
    # internal_error: also errors of the file system without a code of their own, such as EFBIG.
    "XX000": Trouble.FULL,
}


def trouble(error: BaseException) -> Trouble:
    if isinstance(error, asyncpg.PostgresError):
        code = error.sqlstate or ""
        return _MEANINGS.get(code) or _MEANINGS.get(code[:2]) or Trouble.FAULT
    if isinstance(error, ValueError):
        return Trouble.FAULT  # a value that PostgreSQL cannot store, found before it was sent
    return Trouble.LOST


#: Errors that a connection may raise, including asyncpg's internal ones after a cut.
ERRORS = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    asyncio.TimeoutError,
)


def store_error(error: BaseException) -> StoreError:
    """The store's own error for one of :data:`ERRORS`."""
    kind = trouble(error)
    lost = kind is Trouble.LOST
    what = "the database cannot be reached" if lost else type(error).__name__
    words = getattr(error, "strerror", None) or str(error)
    text = f"{what}: {words}" if words else what
    return StoreError(text) if kind is Trouble.FAULT else StoreFull(text)


# --- text --------------------------------------------------------------------------------------

# PostgreSQL's text type cannot store U+0000, which an SMPP text may contain. A private-use
# character marks it; that character itself is doubled.
_MARK = "\ue000"
_ESCAPED = {0: _MARK + "0", ord(_MARK): _MARK * 2}


def storable(text: str) -> str:
    """The text in its stored form; :func:`original` reverses it."""
    return text.translate(_ESCAPED) if "\0" in text or _MARK in text else text


def original(text: str) -> str:
    if _MARK not in text:
        return text
    return _MARK.join(piece.replace(_MARK + "0", "\0") for piece in text.split(_MARK * 2))


#: The columns with texts from outside.
_FREE = tuple(
    at
    for at, name in enumerate(MESSAGE_COLUMNS + STATE_COLUMNS)
    if name
    in {
        *("peer", "sender", "text", "options", "fallback", "reference", "envelope"),
        *("upstream_id", "cause", "status", "cost"),
    }
)
_WRITTEN = tuple(at for at in _FREE if at < len(MESSAGE_COLUMNS))


def free_text(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """Rows of messages with their texts in the stored form; checks column by column."""
    for at in _WRITTEN:
        together = "".join([row[at] for row in rows])
        if "\0" in together or _MARK in together:
            return [_each(row, storable) for row in rows]
    return rows


def as_written(row: Row) -> Row:
    """A row as it was before :func:`free_text`."""
    for at in _FREE:
        if at < len(row) and _MARK in row[at]:
            return _each(row, original)
    return tuple(row)


def _each(row: Row, change: Callable[[str], str]) -> tuple[object, ...]:
    return tuple(change(value) if at in _FREE else value for at, value in enumerate(row))
