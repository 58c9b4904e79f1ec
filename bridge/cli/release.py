"""``release``: ends the hold of an account or an upstream."""

from __future__ import annotations

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.hold import SCOPE


@click.command()
@click.argument("scope", type=SCOPE)
@click.argument("name")
@json_option
@daemon_options
def command(daemon: Daemon, scope: str, name: str, as_json: bool) -> None:
    """Release an account or an upstream: its waiting messages are sent.

    Single messages are released by "queue release".

    \b
    Examples:
      cascade-bridge release account crm
      cascade-bridge release upstream cascade
    """
    answer = daemon.ask("DELETE", "/holds/{scope}/{name}", scope=scope, name=name)
    if as_json:
        echo_json(answer)
    else:
        click.echo(f"The {scope} {name} is released.")
