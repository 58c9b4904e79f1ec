"""The reading verbs of the PostgreSQL engine; usable without a node number.

Each verb is one or a few statements on a connection of the pool.
"""

from __future__ import annotations

import asyncio
import shlex
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ParamSpec, TypeVar
from urllib.parse import urlsplit

from bridge.model.ids import MAX_NODE, first_id
from bridge.model.message import Stored
from bridge.model.notice import Notice, UnjoinedPart
from bridge.store.directory.verb import Verb
from bridge.store.errors import StoreError
from bridge.store.postgres import connection as pg
from bridge.store.postgres.directory import run
from bridge.store.postgres.lease import LAST_HEARD
from bridge.store.postgres.notices import read_incoming, read_notice
from bridge.store.postgres.schema import MIGRATIONS, version_of
from bridge.store.rows import INCOMING, MESSAGE_COLUMNS, NOTICE, STATE_COLUMNS, Row, to_stored
from bridge.store.types import Alias, AnsweredIncoming, Event, Receivers, Story
from bridge.store.unjoined import END, GROUP, part_of

T = TypeVar("T")
P = ParamSpec("P")

STORED = ", ".join(MESSAGE_COLUMNS + STATE_COLUMNS)

#: The condition of the indexes of idle messages.
IDLE = "state IN ('accepted', 'held') AND owner + 0 < 0"
#: An account's waiting and held messages to a phone, idle or in the memory of one of these nodes.
WAITING_FOR = (
    f"SELECT {{columns}} FROM message WHERE phone = $1 AND account = $2 AND {IDLE} UNION ALL "  # noqa: S608
    "SELECT {columns} FROM message WHERE phone = $1 AND account = $2 "
    "AND state = 'accepted' AND owner = ANY($3::smallint[])"
)

#: How long a search through all messages may take (seconds).
_FIND_WITHIN = 120.0


class PostgresReading:
    """The verbs that change nothing; :class:`bridge.store.Store` describes them."""

    def __init__(self, url: str, lease: float) -> None:
        self._url = url
        self._lease_length = lease
        self._pool: pg.PgPool | None = None

    async def open_reading(self) -> None:
        try:
            self._pool = await pg.connect_pool(self._url, read_only=True)
            connection = await self._pool.acquire(timeout=pg.PATIENCE)
            try:
                version = await version_of(connection)
            finally:
                await self._pool.release(connection)
            if version < len(MIGRATIONS):
                raise StoreError(
                    f"{shown(self._url)} was written by an earlier version: start the daemon"
                    if version
                    else f"{shown(self._url)} holds no store yet: start the daemon"
                )
        except pg.ERRORS as error:
            self._terminate()
            raise StoreError(f"{shown(self._url)}: {error}") from None
        except StoreError:
            self._terminate()
            raise

    async def backup(self, to: Path) -> None:
        raise StoreError(
            "a store in PostgreSQL is copied with pg_dump, for instance: "
            f"pg_dump --format=custom --file={shlex.quote(str(to))} {shown(self._url)}"
        )

    def _terminate(self) -> None:
        """Drops the connections without closing them properly."""
        if self._pool is not None:
            self._pool.terminate()
            self._pool = None

    # --- what is there -----------------------------------------------------------------------

    async def message(self, message_id: int) -> Stored | None:
        rows = await self._rows(
            f"SELECT {STORED} FROM message WHERE id = ANY(ARRAY["  # noqa: S608
            "$1, (SELECT message_id FROM alias WHERE alias.id = $1)])",
            message_id,
        )
        return stored(rows)[0] if rows else None

    async def messages(self, message_ids: Sequence[int]) -> list[Stored]:
        sql = f"SELECT {STORED} FROM message WHERE id = ANY($1::bigint[]) ORDER BY id"  # noqa: S608
        return stored(await self._rows(sql, list(message_ids)))

    async def submission(self, submission_id: int) -> list[Stored]:
        rows = await self._rows(
            f"SELECT {STORED} FROM message WHERE id = $1 AND submission_id = id "  # noqa: S608
            f"UNION ALL SELECT {STORED} FROM message "
            "WHERE submission_id = ANY(ARRAY["
            "$1, (SELECT message_id FROM alias WHERE alias.id = $1)]) "
            "AND submission_id <> id ORDER BY id",
            submission_id,
        )
        return stored(rows)

    async def unjoined(self, part_id: int) -> UnjoinedPart | None:
        group = await self._rows(GROUP.format(id="$1"), part_id)
        end = f"SELECT {', '.join(NOTICE)} {END.format(id='$1')}"
        notices = await self._rows(end, part_id)
        return part_of(part_id, group, read_notice(notices[-1]) if notices else None)

    async def waiting_for(self, account: str, phone: str) -> list[Stored]:
        nodes = list(range(MAX_NODE + 1))
        rows = await self._rows(WAITING_FOR.format(columns=STORED), phone, account, nodes)
        return stored(rows)

    async def backlog(self) -> int:
        rows = await self._rows("SELECT count(*) FROM message WHERE state = 'accepted'")
        return int(rows[0][0])

    async def holds(self) -> set[tuple[str, str]]:
        return {(scope, name) for scope, name in await self._rows("SELECT scope, name FROM hold")}

    async def nodes(self) -> int:
        return max(1, len(await self.node_numbers()))

    async def node_numbers(self) -> list[int]:
        rows = await self._rows(
            "SELECT number FROM node WHERE lease_until > clock_timestamp() ORDER BY number"
        )
        return [row[0] for row in rows]

    # --- the story of a message --------------------------------------------------------------

    async def story(self, message_id: int) -> Story | None:
        found = await self.message(message_id)
        if found is None:
            return None
        id = found.message.id
        aliases = await self._rows(
            "SELECT id, message_id, receipts FROM alias WHERE message_id = $1 ORDER BY id", id
        )
        events = await self._rows(
            "SELECT at, what, detail FROM event WHERE message_id = $1 ORDER BY id", id
        )
        [(begun, poll_at)] = await self._rows(
            "SELECT (SELECT coalesce(max(begun_at), 0) FROM attempt WHERE $1 = ANY(message_ids)), "
            "coalesce((SELECT poll_at FROM message WHERE id = $1), 0)",
            id,
        )
        return Story(
            found,
            tuple(Alias(*row) for row in aliases),
            tuple(Event(at, what, pg.original(detail)) for at, what, detail in events),
            await self._notices(id),
            begun,
            poll_at,
        )

    async def find(self, text: str, limit: int, since: int = 0) -> list[Stored]:
        async with self._connection() as connection:
            rows = await connection.fetch(
                f"SELECT {STORED} FROM message WHERE id >= $2 AND $1 <> '' "  # noqa: S608
                "AND (phone = $1 OR reference = $1 OR upstream_id = $1) ORDER BY id DESC LIMIT $3",
                pg.storable(text),
                first_id(since),
                limit,
                timeout=_FIND_WITHIN,
            )
        return stored(rows)

    async def from_phones(self, text: str, limit: int, since: int = 0) -> list[AnsweredIncoming]:
        async with self._connection() as connection:
            rows = await connection.fetch(
                f"SELECT {', '.join(INCOMING)} FROM incoming WHERE id >= $2 "  # noqa: S608
                "AND (phone = $1 OR uid = $1 OR id::text = $1) ORDER BY id DESC LIMIT $3",
                pg.storable(text),
                first_id(since),
                limit,
                timeout=_FIND_WITHIN,
            )
        return [AnsweredIncoming(read_incoming(row), await self._notices(row[0])) for row in rows]

    async def _notices(self, about: int) -> tuple[Notice, ...]:
        rows = await self._rows(
            f"SELECT {', '.join(NOTICE)} FROM notice WHERE about = $1 ORDER BY id",  # noqa: S608
            about,
        )
        return tuple(map(read_notice, rows))

    async def receivers(self, account: str) -> list[Receivers]:
        # Receivers of a dead node that no node has taken over from are not bound any more.
        rows = await self._rows(
            f"SELECT receiver.node, bound, since, {LAST_HEARD} FROM receiver "  # noqa: S608
            "LEFT JOIN node ON number = receiver.node WHERE account = $2 ORDER BY receiver.node",
            self._lease_length,
            account,
        )
        return [
            Receivers(node, bound and heard is None, max(since, heard or 0) if bound else since)
            for node, bound, since, heard in rows
        ]

    async def look_up(self, verb: Callable[P, Verb[T]], /, *args: P.args, **kwargs: P.kwargs) -> T:
        async with self._connection() as connection:
            return await run(connection, verb(*args, **kwargs))

    # --- connections -------------------------------------------------------------------------

    @asynccontextmanager
    async def _connection(self) -> AsyncIterator[pg.PgConnection]:
        if self._pool is None:
            raise StoreError("the store is not open")
        task = asyncio.current_task()
        cancelled = task.cancelling() if task else 0
        try:
            connection = await self._pool.acquire(timeout=pg.PATIENCE)
            try:
                yield connection
            finally:
                # If the caller is cancelled here, the error must be retrieved by this callback.
                released = asyncio.ensure_future(self._pool.release(connection))
                released.add_done_callback(_take_error)
                await asyncio.shield(released)
        except pg.ERRORS as error:
            if task and task.cancelling() > cancelled:
                # The connection broke meanwhile, and its error took the cancellation's place.
                raise asyncio.CancelledError from error
            raise pg.store_error(error) from error

    async def _rows(self, sql: str, *parameters: object) -> list[Row]:
        async with self._connection() as connection:
            return await connection.fetch(sql, *parameters)


def _take_error(released: asyncio.Future[None]) -> None:
    if not released.cancelled():
        released.exception()


def stored(rows: Sequence[Row]) -> list[Stored]:
    """Messages from rows of :data:`STORED`."""
    return [to_stored(pg.as_written(row)) for row in rows]


def shown(url: str) -> str:
    """The address for messages: without password and parameters."""
    parts = urlsplit(url)
    user = f"{parts.username}@" if parts.username else ""
    where = user + parts.netloc.rpartition("@")[2]
    return parts._replace(netloc=where, query="").geturl()
