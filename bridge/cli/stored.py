"""Shared by commands that read the store themselves, with or without a daemon."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import datetime

import click

from bridge.cli import Exit, Stop
from bridge.cli.tables import printable
from bridge.config.settings import Settings
from bridge.store import Store, StoreError
from bridge.store.engines import engine_of


@asynccontextmanager
async def reading(settings: Settings) -> AsyncIterator[Store]:
    """The store, opened for reading; any error becomes one sentence."""
    try:
        store = engine_of(settings.store.url, settings.store.lease)
        try:
            await store.open_reading()
            yield store
        finally:
            await store.close()
    except StoreError as error:
        raise Stop(str(error), Exit.UNAVAILABLE) from None


def local(unix_time: int) -> str:
    """A time in this machine's zone, with the zone."""
    return datetime.fromtimestamp(unix_time).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")


def echo_rows(rows: Sequence[tuple[str, str]]) -> None:
    """Prints rows of a name and its meaning, which may have several lines."""
    width = max(len(name) for name, _ in rows)
    for name, meaning in rows:
        first, *more = meaning.split("\n")
        click.echo(f"{name:<{width}}  {printable(first)}".rstrip())
        for line in more:
            click.echo(f"{'':<{width}}  {printable(line)}".rstrip())
