"""What holds for every test."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from bridge.sandbox import Sandbox

# How fast the machine is says nothing about the program.
settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _log_as_if_new() -> Iterator[None]:
    """Undoes what a test configured: a logger that was used once keeps its configuration."""
    yield
    structlog.reset_defaults()
    for name, module in list(sys.modules.items()):
        log = getattr(module, "log", None)
        if name.startswith("bridge") and hasattr(log, "_logger_factory_args"):
            # What structlog caches on first use.
            vars(log).pop("bind", None)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """The stand-in for the API, on a port of its own."""
    async with Sandbox() as sandbox:
        yield sandbox
