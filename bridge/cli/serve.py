"""``cascade-bridge serve``: the daemon."""

from __future__ import annotations

from pathlib import Path

import click

from bridge.cli import Exit, Stop, config_option


@click.command("serve")
@config_option
def command(config: Path | None) -> None:
    """Run the bridge until SIGTERM or SIGINT; requests in flight are finished first.

    SIGHUP reads the configuration again, as "cascade-bridge reload" does.

    \b
    Examples:
      cascade-bridge serve --config bridge.toml
    """
    from bridge import app, log
    from bridge.config import load
    from bridge.store import StoreError

    settings = load(config)
    log.configure(settings.log)
    trouble: list[str] = []
    try:
        app.run(app.serve(settings, lambda: load(config)))
    except* (StoreError, OSError) as errors:
        trouble = _sentences(errors)
    if trouble:
        raise Stop("; ".join(trouble), Exit.UNAVAILABLE)


def _sentences(group: BaseExceptionGroup[BaseException]) -> list[str]:
    sentences: list[str] = []
    for error in group.exceptions:
        if isinstance(error, BaseExceptionGroup):
            sentences += _sentences(error)
        else:
            sentences.append(str(error))
    return sentences
