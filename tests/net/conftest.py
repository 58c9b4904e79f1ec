"""The two loops that the daemon may run on."""

from __future__ import annotations

import asyncio

import pytest

from tests.net.raw_http import Run
from tests.smtp.conftest import certificate

__all__ = ["certificate"]


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Run:
    """Runs a test on either loop."""
    if request.param == "asyncio":
        return asyncio.run
    uvloop = pytest.importorskip("uvloop")
    start: Run = uvloop.run
    return start
