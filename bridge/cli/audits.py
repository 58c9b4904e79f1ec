"""``audits``: who read texts and who changed something."""

from __future__ import annotations

import click

from bridge.cli import WholeNumber
from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import Columns, echo_table, when

_COLUMNS: Columns = {
    "at": lambda row: when(row["at"]),
    "action": lambda row: row["action"],
    "by": lambda row: row["by"],
    "about": lambda row: ", ".join(f"{name} {value}" for name, value in row["about"].items()),
}
_NOTHING = "No texts were read, and nothing was changed."


@click.command()
@click.option("--id", metavar="ID", help="Only about this message.")
@click.option(
    "--limit",
    type=WholeNumber(1, 1000),
    default=100,
    show_default=True,
    help="Rows to print at most.",
)
@json_option
@daemon_options
def command(daemon: Daemon, id: str | None, limit: int, as_json: bool) -> None:
    """List who read texts, logged in or changed something since the start.

    The log has them all, as the event "audit".

    \b
    Examples:
      cascade-bridge audits
      cascade-bridge audits --id 250072205885441
    """
    rows = daemon.ask("GET", "/audits", id=id, limit=limit)
    if as_json:
        echo_json(rows)
    else:
        nothing = "Nobody read or changed this message." if id else _NOTHING
        echo_table(_COLUMNS, rows, nothing)
