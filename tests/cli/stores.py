"""A store with messages, as a daemon leaves it, and its configuration."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path

from bridge.store.sqlite.engine import SqliteStore
from tests.samples import NOW


def write_store(folder: Path, fill: Callable[[SqliteStore], Awaitable[None]]) -> Path:
    """Fills a new store at :data:`tests.samples.NOW`; returns its configuration."""

    async def write() -> None:
        store = SqliteStore(folder / "bridge.db", clock=lambda: float(NOW + 5))
        await store.open()
        try:
            await fill(store)
        finally:
            await store.close()

    asyncio.run(write())
    return write_config(folder)


def write_config(folder: Path, url: str = "") -> Path:
    """The configuration of the store in ``folder``, or at ``url``."""
    config = folder / "bridge.toml"
    config.write_text(f"""
        [cascade]
        authorization_key = "key"
        [store]
        url = "{url or f"sqlite:///{folder}/bridge.db"}"
        [accounts.crm]
        password = "secret12"
        sender = "Shop"
    """)
    return config
