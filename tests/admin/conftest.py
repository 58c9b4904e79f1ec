"""The operators' verbs on a relay with two accounts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from bridge.sandbox import Sandbox
from tests.admin.controlling import Controlled, controlling


@pytest.fixture
async def verbs(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Controlled]:
    accounts: dict[str, dict[str, Any]] = {
        "crm": {
            "answer": "queued",
            "daily_limit": 10,
            "max_binds": 3,
            "networks": ["10.0.0.0/8"],
            "allow_variables": True,
        },
        "erp": {"answer": "queued", "countries": ["UA"], "trusted_networks": ["192.0.2.7"]},
    }
    async with controlling(tmp_path, sandbox, accounts=accounts) as verbs:
        yield verbs
