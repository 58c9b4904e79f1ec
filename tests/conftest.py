"""Settings and fixtures for all tests."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Iterator

import pytest
import structlog
from hypothesis import HealthCheck, settings

from bridge.sandbox import Sandbox

# Tests must not depend on the speed of the machine.
settings.register_profile(
    "any machine", settings(), deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any machine")


@pytest.fixture(autouse=True)
def _log_as_if_new() -> Iterator[None]:
    """Resets logging after a test: a used logger keeps its configuration."""
    yield
    structlog.reset_defaults()
    for name, module in list(sys.modules.items()):
        log = getattr(module, "log", None)
        if name.startswith("bridge") and hasattr(log, "_logger_factory_args"):
            # structlog's cache
            vars(log).pop("bind", None)


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """The stand-in for the API, on a port of its own."""
    async with Sandbox() as sandbox:
        yield sandbox
