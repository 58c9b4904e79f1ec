"""``drain``: the daemon finishes what is in flight and stops."""

from __future__ import annotations

import click

from bridge.cli.daemon import Daemon, daemon_options


@click.command()
@daemon_options
def command(daemon: Daemon) -> None:
    """Have the daemon finish and answer what is in flight, and stop; as SIGTERM does.

    Waiting messages are sent after the next start. systemd does not start it again by itself.

    \b
    Examples:
      cascade-bridge drain
    """
    count = daemon.ask("POST", "/drain")["count"]
    click.echo(f"The bridge stops; {count} session{'s' if count != 1 else ''} will be ended.")
