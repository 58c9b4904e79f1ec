"""A bridge with fixed ports, for restarts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

from tests.serving.daemon import write_config

HOOKS_SECRET = "9f86d081884c7d659a2feaa0c55ad015"


def hook_url(hooks: int) -> str:
    """The URL for the API's webhooks."""
    return f"http://127.0.0.1:{hooks}/hooks/cascade/{HOOKS_SECRET}/status"


def reachable(folder: Path, api: str, smpp: int, hooks: int, account: str = "") -> Path:
    """A configuration with these ports; ``account`` are further lines of ``crm``."""
    table = f'[hooks]\nlisten = ["127.0.0.1:{hooks}"]\nsecret = "{HOOKS_SECRET}"'
    return write_config(folder, api, account=f"{account}\n{table}", smpp_port=smpp)


async def until(met: Callable[[], object]) -> None:
    """Waits for an effect of another process."""
    async with asyncio.timeout(120):
        while not met():  # noqa: ASYNC110 - another process has no event
            await asyncio.sleep(0.02)
