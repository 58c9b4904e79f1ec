"""Chooses the engine by the store's address."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import parse_qsl, urlencode, urlsplit

from bridge.store.errors import StoreError
from bridge.store.interface import Store


def engine_of(url: str, lease: float = 15.0) -> Store:
    """The engine for ``sqlite:///PATH`` or ``postgresql://…``, not opened yet.

    ``lease`` is the time after which a silent node counts as gone (seconds). Raises
    :class:`StoreError` for an invalid address, or if the engine's library is not installed.
    """
    scheme = url.partition("://")[0]
    if scheme == "sqlite":
        from bridge.store.sqlite.engine import SqliteStore, path_of

        return SqliteStore(path_of(url))
    if scheme in ("postgresql", "postgres"):
        try:
            from bridge.store.postgres.engine import PostgresStore
        except ImportError:
            raise StoreError("PostgreSQL needs asyncpg: install cascade-bridge[postgres]") from None
        return PostgresStore(url, lease=lease)
    raise StoreError(f"no engine for a store at {scheme}://")


def file_of(url: str) -> Path | None:
    """The file of a store of SQLite; ``None`` for another one."""
    if not url.startswith("sqlite:"):
        return None
    from bridge.store.sqlite.engine import path_of

    return path_of(url)


def without_password(url: str) -> str:
    """The address of a store without its password, for display."""
    if url.startswith("sqlite:"):
        return url
    parts = urlsplit(url)
    user, at, host = parts.netloc.rpartition("@")
    name, colon, _ = user.partition(":")
    query = [(key, "***" if "password" in key else value) for key, value in parse_qsl(parts.query)]
    return parts._replace(
        netloc=(name + ":***" * bool(colon) if at else "") + at + host,
        query=urlencode(query, safe="*/"),
    ).geturl()
