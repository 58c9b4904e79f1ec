"""``reload``: the daemon reads its configuration again."""

from __future__ import annotations

import click

from bridge.cli import Exit
from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option


@click.command()
@json_option
@daemon_options
def command(daemon: Daemon, as_json: bool) -> int:
    """Have the daemon read its configuration again, without ending sessions.

    A reload takes over accounts, passwords, limits, routes, upstream keys, certificates and the log
    level, and lists keys that need a restart. Invalid settings change nothing (exit code 78).
    Sessions of a removed account end, and its waiting messages are held. Every node reads
    its own configuration.

    \b
    Examples:
      cascade-bridge reload
    """
    answer = daemon.ask("POST", "/reload")
    if as_json:
        echo_json(answer)
        return Exit.CONFIG if answer["failed"] else Exit.OK
    for key in answer["changed"]:
        click.echo(f"taken over     {key}")
    for key in answer["need_restart"]:
        click.echo(f"needs restart  {key}")
    for name in answer["removed_accounts"]:
        click.echo(f"held           the messages of {name}; its sessions are ended")
    for node, why in answer["failed"].items():
        click.echo(f"node {node} kept its settings: {why}")
    if not any(answer.values()):
        click.echo("Nothing has changed.")
    return Exit.CONFIG if answer["failed"] else Exit.OK
