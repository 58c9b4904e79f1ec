"""Both stores for tests of the relay."""

from __future__ import annotations

from typing import Any

import pytest

from tests.store.conftest import database, postgres  # noqa: F401 - fixtures


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest) -> dict[str, Any] | None:
    """Keys of the store's table, for each engine."""
    if request.param == "sqlite":
        return None
    return {"url": request.getfixturevalue("database")}
