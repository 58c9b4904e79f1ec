"""``failures``: failed messages by reason, and the newest."""

from __future__ import annotations

import click

from bridge.cli import WholeNumber
from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import Columns, echo_table, number, when

_REASONS: Columns = {
    "messages": lambda row: number(row["count"]),
    "reason": lambda row: row["reason"],
    "newest": lambda row: str(row["newest"]),
}
_NEWEST: Columns = {
    "id": lambda row: str(row["id"]),
    "accepted": lambda row: when(row["accepted"]),
    "account": lambda row: row["account"],
    "phone": lambda row: row["phone"],
    "state": lambda row: row["state"],
    "why": lambda row: row["cause"] or row["reason"],
}


@click.command()
@click.option("--account", metavar="NAME", help="Only this account.")
@click.option("--reason", help="Only messages with this reason.")
@click.option(
    "--limit",
    type=WholeNumber(1, 1000),
    default=20,
    show_default=True,
    help="Rows to print at most.",
)
@json_option
@daemon_options
def command(
    daemon: Daemon, account: str | None, reason: str | None, limit: int, as_json: bool
) -> None:
    """List failed messages of the last 24 hours: by reason, and the newest.

    \b
    Examples:
      cascade-bridge failures
      cascade-bridge failures --account crm --reason WRONG_PHONE
    """
    found = daemon.ask("GET", "/failures", account=account, reason=reason, limit=limit)
    if as_json:
        echo_json(found)
        return
    what = "such message" if account or reason else "message"
    echo_table(_REASONS, found["reasons"], f"No {what} failed in the last 24 hours.")
    if found["newest"]:
        click.echo()
        echo_table(_NEWEST, found["newest"], "")
