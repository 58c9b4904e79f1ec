"""The verbs of the writers: which requests wait for room, and who gets an error."""

from __future__ import annotations

import asyncio
import importlib
import pkgutil
from types import ModuleType
from typing import Any

from bridge.store import Acceptance, Fingerprint, OverDailyLimit, Repeats, Store, postgres, sqlite
from bridge.store.postgres.verb import PostgresVerb
from bridge.store.sqlite.verb import SqliteVerb
from tests.samples import NOW, message


def kept(
    engine: ModuleType, kind: type[SqliteVerb[Any, Any]] | type[PostgresVerb[Any, Any]]
) -> set[str]:
    """The names of the engine's verbs whose requests wait for room."""
    found: set[str] = set()
    for one in pkgutil.iter_modules(engine.__path__, f"{engine.__name__}."):
        verbs = vars(importlib.import_module(one.name)).items()
        found |= {name for name, verb in verbs if isinstance(verb, kind) and verb.kept}
    return found


def test_only_results_wait_for_room() -> None:
    assert kept(sqlite, SqliteVerb) == {"FINISH", "TOLD"}
    assert kept(postgres, PostgresVerb) == {"FINISH", "TOLD", "GIVE_BACK"}


async def test_an_error_is_raised_to_the_caller_of_its_request_alone(store: Store) -> None:
    def accept(id: int, limit: int = 0, key: bytes = b"") -> asyncio.Future[Repeats]:
        prints = (Fingerprint(key, id, NOW + 60),) if key else ()
        acceptance = Acceptance((message(id),), prints, daily_limit=limit)
        return store.accept(acceptance)

    first, second, over, repeat, last = await asyncio.gather(
        accept(1, limit=1),
        accept(2, key=b"mail"),
        accept(3, limit=1),
        accept(4, key=b"mail"),
        accept(5),
        return_exceptions=True,
    )
    assert isinstance(over, OverDailyLimit)
    assert (first, second, repeat, last) == ({}, {}, {b"mail": 2}, {})
    assert await store.backlog() == 3
