"""``sessions``: lists and ends sessions."""

from __future__ import annotations

from typing import Any

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import Columns, ago, counted, echo_table, one_of, with_node

COLUMNS: Columns = {
    "id": lambda row: row["id"],
    "protocol": lambda row: row["protocol"],
    "bind": lambda row: row["bind"] or "-",
    "account": lambda row: row["account"] or "-",
    "peer": lambda row: row["peer"],
    "for": lambda row: ago(row["since"]),
    "in flight": lambda row: (
        f"{row['in_flight']}/{row['window']}" if row["window"] else str(row["in_flight"])
    ),
    "submitted": lambda row: str(row["submitted"]),
    "refused": lambda row: str(row["refused"]),
    "throttled": lambda row: str(row["throttled"]),
    "receipts": lambda row: f"{row['told']}" + (f" +{row['telling']}" if row["telling"] else ""),
    "last error": lambda row: row["last_error"] or "-",
}


@click.group()
def command() -> None:
    """List and end sessions."""


@command.command("list")
@click.option("--account", metavar="NAME", help="Only this account.")
@click.option("--protocol", type=click.Choice(["smtp", "lmtp", "smpp"]), help="Only this protocol.")
@json_option
@daemon_options
def list_sessions(daemon: Daemon, account: str | None, protocol: str | None, as_json: bool) -> None:
    """List binds and SMTP connections, the oldest first.

    "in flight" is the number of unanswered submits and the account's window; "receipts" is the
    number that the client took and, after a plus, the number that it has not answered yet.

    \b
    Examples:
      cascade-bridge sessions list
      cascade-bridge sessions list --account crm --json
    """
    rows: list[Any] = daemon.ask("GET", "/sessions", account=account, protocol=protocol)
    if as_json:
        echo_json(rows)
    else:
        echo_table(with_node(COLUMNS, rows), rows, "No session is open.")


@command.command("close")
@click.argument("id", required=False)
@click.option("--account", metavar="NAME", help="All sessions of this account.")
@json_option
@daemon_options
def close_sessions(daemon: Daemon, id: str | None, account: str | None, as_json: bool) -> None:
    """End session ID, or all of an account, after the answers in flight.

    On several nodes an ID ends with @ and the number of its node, as "sessions list" shows it. The
    client may connect again; to keep it out, change its password or its networks.

    \b
    Examples:
      cascade-bridge sessions close smpp-17
      cascade-bridge sessions close smpp-17@2
      cascade-bridge sessions close --account crm
    """
    one_of(ID=id, **{"--account": account})
    answer = daemon.ask("DELETE", "/sessions", id=id, account=account)
    if as_json:
        echo_json(answer)
        return
    click.echo(f"{counted(answer['count'], 'session')} ended.")
