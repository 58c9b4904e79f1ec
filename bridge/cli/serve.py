"""``cascade-bridge serve``: the daemon."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bridge.cli import Exit, Stop, config_option, event_loop

if TYPE_CHECKING:
    from bridge.app import App
    from bridge.config.settings import Settings


@click.command("serve")
@config_option
def command(config: Path | None) -> None:
    """Run the bridge until SIGTERM or SIGINT; requests in flight are finished first.

    SIGHUP reads the configuration again, as "cascade-bridge reload" does.

    \b
    Examples:
      cascade-bridge serve --config bridge.toml
    """
    from bridge import log
    from bridge.config import load
    from bridge.store import StoreError

    settings = load(config)
    log.configure(settings.log)
    trouble: list[str] = []
    try:
        event_loop.run(_serve(settings, lambda: load(config)))
    except* (StoreError, OSError) as errors:
        trouble = _sentences(errors)
    if trouble:
        raise Stop("; ".join(trouble), Exit.UNAVAILABLE)


async def _serve(settings: Settings, load: Callable[[], Settings]) -> None:
    """Runs the daemon until SIGTERM or SIGINT; SIGHUP reloads the settings."""
    from bridge.app import App
    from bridge.net.passed_sockets import passed_sockets

    passed = passed_sockets()
    passed.check(settings)
    app = App(settings, load, passed)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, app.stop)
    loop.add_signal_handler(signal.SIGHUP, _reload, app)
    await app.run()


def _reload(app: App) -> None:
    from bridge.config.settings import ConfigError

    # The error has been logged.
    with contextlib.suppress(ConfigError, OSError, ValueError):
        app.load()


def _sentences(group: BaseExceptionGroup[BaseException]) -> list[str]:
    sentences: list[str] = []
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            sentences += _sentences(error)
        else:
            sentences.append(str(error))
    return sentences
