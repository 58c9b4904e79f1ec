"""``blocked``: addresses and accounts blocked after wrong passwords; lifting blocks."""

from __future__ import annotations

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import Columns, counted, echo_table, when, with_node

_COLUMNS: Columns = {
    "address": lambda row: row["address"],
    "account": lambda row: row["account"] or "all",
    "until": lambda row: when(row["until"]),
    "attempts": lambda row: str(row["attempts"]),
    "first": lambda row: when(row["first_attempt"]),
    "last": lambda row: when(row["last_attempt"]),
    "tried as": lambda row: ", ".join(row["names"]),
}


@click.group()
def command() -> None:
    """List addresses blocked after wrong passwords, and lift blocks."""


@command.command("list")
@json_option
@daemon_options
def list_blocked(daemon: Daemon, as_json: bool) -> None:
    """List blocked addresses with the end of the block, the attempts and their names.

    \b
    Examples:
      cascade-bridge blocked list
    """
    rows = daemon.ask("GET", "/blocked")
    if as_json:
        echo_json(rows)
    else:
        echo_table(with_node(_COLUMNS, rows), rows, "Nobody is blocked.")


@command.command("lift")
@click.argument("address")
@click.option("--account", metavar="NAME", help="Only the block of this account there.")
@json_option
@daemon_options
def lift_block(daemon: Daemon, address: str, account: str | None, as_json: bool) -> None:
    """Lift the block of ADDRESS, at every node. Its failed attempts are forgotten.

    \b
    Examples:
      cascade-bridge blocked lift 192.0.2.7
      cascade-bridge blocked lift 192.0.2.7 --account crm
    """
    answer = daemon.ask("DELETE", "/blocked", address=address, account=account)
    if as_json:
        echo_json(answer)
        return
    click.echo(f"{counted(answer['count'], 'block')} lifted.")
