"""``hold``: stops sending for an account or an upstream, until ``release``."""

from __future__ import annotations

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import echo_table

SCOPE = click.Choice(["account", "upstream"])


@click.command()
@click.argument("scope", type=SCOPE, required=False)
@click.argument("name", required=False)
@json_option
@daemon_options
def command(daemon: Daemon, scope: str | None, name: str | None, as_json: bool) -> None:
    """Hold an account or an upstream: nothing of it is sent until it is released.

    New messages are accepted and wait. A hold survives restarts and applies to every node. Without
    arguments: list the holds. The common upstream is named "cascade"; an account with keys of
    its own has an upstream with the account's name.

    \b
    Examples:
      cascade-bridge hold account crm
      cascade-bridge hold upstream cascade
      cascade-bridge hold
    """
    if scope is None or name is None:
        if scope is not None:
            raise click.UsageError(f"Give the name of the {scope}.")
        held = daemon.ask("GET", "/holds")
        if as_json:
            echo_json(held)
            return
        columns = {"held": lambda row: row["scope"], "name": lambda row: row["name"]}
        echo_table(columns, held, "Nothing is held.")
        return
    answer = daemon.ask("PUT", "/holds/{scope}/{name}", scope=scope, name=name)
    if as_json:
        echo_json(answer)
    else:
        click.echo(f"The {scope} {name} is held.")
