"""``nodes``: the nodes that share the store."""

from __future__ import annotations

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import Columns, ago, echo_table, number

_COLUMNS: Columns = {
    "node": lambda row: str(row["node"]),
    "host": lambda row: row["host"] or "-",
    "pid": lambda row: str(row["pid"] or "-"),
    "version": lambda row: row["version"] or "-",
    "up for": lambda row: ago(row["started"]) or "-",
    "health": lambda row: "; ".join(row["missing"]) or "ready",
    "sessions": lambda row: number(row["sessions"]),
    "in flight": lambda row: number(row["in_flight"]),
    "accepted": lambda row: f"{row['now']['accepted']:g}/s" if row["now"] else "-",
    "sent": lambda row: f"{row['now']['sent']:g}/s" if row["now"] else "-",
    "log": lambda row: row["level"] or "-",
}


@click.command()
@json_option
@daemon_options
def command(daemon: Daemon, as_json: bool) -> None:
    """List the nodes that share the store: host, health, rates, sessions.

    "in flight" are requests to the API. A dead node is listed until its lease ends (store.lease).

    \b
    Examples:
      cascade-bridge nodes
      cascade-bridge nodes --json
    """
    rows = daemon.ask("GET", "/nodes")
    if as_json:
        echo_json(rows)
    else:
        echo_table(_COLUMNS, rows, "No node runs.")
