"""``backup``: a consistent copy of the store while the daemon runs."""

from __future__ import annotations

import asyncio
from pathlib import Path

import click

from bridge.cli import Exit, config_option
from bridge.cli.stored import reading
from bridge.config import load
from bridge.config.settings import Settings


@click.command()
@click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
@config_option
def command(file: Path, config: Path | None) -> int:
    """Copy the store to FILE while the daemon runs, and verify the copy.

    FILE must not exist yet; only its owner can read it. A PostgreSQL database is copied with
    pg_dump.

    \b
    Examples:
      cascade-bridge backup /var/backups/bridge.db
    """
    asyncio.run(_back_up(load(config), file))
    click.echo(f"{file}: {file.stat().st_size:,} octets, verified")
    return Exit.OK


async def _back_up(settings: Settings, file: Path) -> None:
    async with reading(settings) as store:
        await store.backup(file)
