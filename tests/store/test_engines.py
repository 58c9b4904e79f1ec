"""The engine of an address, and the address without its password."""

from __future__ import annotations

import builtins
from pathlib import Path
from typing import Any

import pytest

from bridge.store import StoreError
from bridge.store.engines import engine_of, file_of, without_password
from bridge.store.postgres.engine import PostgresStore
from bridge.store.sqlite.engine import SqliteStore


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////var/lib/bridge.db", "sqlite:////var/lib/bridge.db"),
        ("postgresql://bridge@db/x", "postgresql://bridge@db/x"),
        ("postgresql://bridge:s3cr3t-pw@db:5432/x", "postgresql://bridge:***@db:5432/x"),
        ("postgresql://bridge:s3cr@3t-pw@db/x", "postgresql://bridge:***@db/x"),
        (
            "postgresql://db/x?user=bridge&password=s3cr3t-pw",
            "postgresql://db/x?user=bridge&password=***",
        ),
    ],
)
def test_an_address_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_password(url) == shown


@pytest.mark.parametrize(
    ("url", "engine"),
    [
        ("sqlite:////var/lib/bridge.db", SqliteStore),
        ("postgresql://db/x", PostgresStore),
        ("postgres://db/x", PostgresStore),
    ],
)
def test_the_scheme_of_an_address_chooses_the_engine(url: str, engine: type) -> None:
    assert type(engine_of(url)) is engine


def test_an_address_of_another_database_is_refused_without_its_password() -> None:
    with pytest.raises(StoreError, match="no engine for a store at mysql://") as caught:
        engine_of("mysql://bridge:s3cr3t-pw@db/x")
    assert "s3cr3t" not in str(caught.value)


def test_without_its_library_postgresql_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def without_asyncpg(name: str, *arguments: Any, **others: Any) -> object:
        if name.startswith("bridge.store.postgres"):
            raise ImportError(name)
        return real(name, *arguments, **others)

    real = builtins.__import__
    monkeypatch.setattr(builtins, "__import__", without_asyncpg)
    with pytest.raises(StoreError, match=r"install cascade-bridge\[postgres\]"):
        engine_of("postgresql://db/x")


def test_only_sqlite_has_a_file() -> None:
    assert file_of("sqlite:///bridge.db") == Path("bridge.db")
    assert file_of("postgresql://db/x") is None
