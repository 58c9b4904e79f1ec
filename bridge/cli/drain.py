"""``drain``: the daemon finishes requests in flight and stops."""

from __future__ import annotations

import click

from bridge.cli.daemon import Daemon, daemon_options


@click.command()
@daemon_options
def command(daemon: Daemon) -> None:
    """Stop the daemon, after requests in flight are finished and answered, as SIGTERM does.

    Waiting messages are sent after the next start. systemd does not start it again by itself.

    \b
    Examples:
      cascade-bridge drain
    """
    count = daemon.ask("POST", "/drain")["count"]
    click.echo(f"The bridge stops; {count} session{'s' if count != 1 else ''} will be ended.")
