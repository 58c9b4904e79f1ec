"""``log-level``: changes the log level for a while."""

from __future__ import annotations

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import counted, when


@click.command()
@click.argument("level", type=click.Choice(["debug", "info", "warning", "error"]), required=False)
@click.option(
    "--for",
    "duration",
    metavar="DURATION",
    help='Back to the configured level after "10m" [default: at the next start].',
)
@json_option
@daemon_options
def command(daemon: Daemon, level: str | None, duration: str | None, as_json: bool) -> None:
    """Set the log level to LEVEL, at every node; without LEVEL, show it.

    \b
    Examples:
      cascade-bridge log-level debug --for 10m
      cascade-bridge log-level
    """
    if level is None and duration is not None:
        raise click.UsageError("Give the level.")
    if level is None:
        answer = daemon.ask("GET", "/log-level")
    else:
        answer = daemon.ask("PUT", "/log-level", level=level, duration=duration)
    if as_json:
        echo_json(answer)
        return
    until = f", until {when(answer['until'])}" if answer["until"] else ""
    click.echo(f"{answer['level']}{until}")
    for node, name in answer["nodes"].items():
        click.echo(f"  node {node}: {name}")
    for name, count in answer["events"].items() if level is None else ():
        click.echo(f"  {counted(count, 'event')} of level {name} since the start")
