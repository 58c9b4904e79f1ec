"""``drain``: the daemon finishes requests in flight and stops."""

from __future__ import annotations

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import counted


@click.command()
@click.option("--node", metavar="NUMBER", help="Another node [default: the one that is asked].")
@click.option("--all", "all_nodes", is_flag=True, help="All nodes that share the store.")
@json_option
@daemon_options
def command(daemon: Daemon, node: str | None, all_nodes: bool, as_json: bool) -> None:
    """Stop the daemon, after requests in flight are finished and answered, as SIGTERM does.

    Waiting messages are sent after the next start. systemd does not start it again by itself.

    \b
    Examples:
      cascade-bridge drain
      cascade-bridge drain --node 2
    """
    if node and all_nodes:
        raise click.UsageError("Give --node or --all.")
    answer = daemon.ask("POST", "/drain", node="all" if all_nodes else node)
    if as_json:
        echo_json(answer)
        return
    click.echo(f"The bridge stops; {counted(answer['count'], 'session')} will be ended.")
