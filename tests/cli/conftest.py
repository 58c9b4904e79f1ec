"""A bridge with one account, and its API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.running import Running, running
from tests.serving.daemon import write_config


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    async with running(write_config(tmp_path, sandbox.url)) as bridge:
        yield bridge
