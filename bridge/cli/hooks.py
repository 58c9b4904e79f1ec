"""``hooks``: accepted and refused webhooks."""

from __future__ import annotations

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import Columns, echo_table, number, when

_TAKEN: Columns = {
    "kind": lambda row: row["kind"],
    "taken": lambda row: number(row["count"]),
    "last": lambda row: when(row["last"]) or "never",
}
_REFUSED: Columns = {
    "at": lambda row: when(row["at"]),
    "from": lambda row: row["peer"],
    "why": lambda row: row["reason"],
}


@click.command()
@json_option
@daemon_options
def command(daemon: Daemon, as_json: bool) -> None:
    """Show webhooks accepted since the start, and the last refused ones.

    \b
    Examples:
      cascade-bridge hooks
    """
    found = daemon.ask("GET", "/hooks")
    if as_json:
        echo_json(found)
        return
    click.echo(f"listens: {', '.join(found['listen']) or 'nowhere, [hooks] secret is not set'}")
    echo_table(_TAKEN, found["taken"], "")
    if found["refused"]:
        click.echo("\nrefused:")
        echo_table(_REFUSED, found["refused"], "")
