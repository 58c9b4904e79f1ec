"""A bridge with one account, and its API."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bridge.sandbox import Sandbox
from tests.running import Running, running
from tests.serving.daemon import write_config


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    async with Sandbox(scheduled_for=0.05, processing_for=0.05) as sandbox:
        yield sandbox


@pytest.fixture
async def bridge(tmp_path: Path, sandbox: Sandbox) -> AsyncIterator[Running]:
    account = 'answer = "queued"\nwindow = 3'
    async with running(write_config(tmp_path, sandbox.url, account=account)) as bridge:
        yield bridge
