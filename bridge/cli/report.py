"""``report``: messages of each account on a day, failures by reason."""

from __future__ import annotations

import csv
import sys
from datetime import date, datetime, timedelta
from typing import Any

import click

from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.tables import Columns, echo_table, number


def _reasons(counts: dict[str, int]) -> str:
    found = sorted(counts.items(), key=lambda item: -item[1])
    return ", ".join(f"{number(count)} {reason}" for reason, count in found) or "-"


_COLUMNS: Columns = {
    "account": lambda row: row["account"],
    "accepted": lambda row: number(row["accepted"]),
    "sent": lambda row: number(row["sent"]),
    "delivered": lambda row: number(row["delivered"]),
    "waiting": lambda row: number(row["waiting"]),
    "held": lambda row: number(row["held"]),
    "cancelled": lambda row: number(row["cancelled"]),
    "parts": lambda row: number(row["parts"]),
    "cost": lambda row: number(row["cost"]),
    "failed": lambda row: _reasons(row["failed"]),
    "refused": lambda row: _reasons(row["refused"]),
}


#: Columns with text.
_TEXTS = frozenset({"account", "failed", "refused"})


def _plain(number: str) -> str:
    return number.replace(",", "")


def _day(_: click.Context, parameter: click.Parameter, value: str) -> date:
    today = datetime.now().astimezone().date()
    if value in ("today", "yesterday"):
        return today - timedelta(days=value == "yesterday")
    try:
        return date.fromisoformat(value)
    except ValueError:
        allowed = '"today", "yesterday" or a date such as 2026-11-26'
        raise click.BadParameter(f"{value!r} is not {allowed}") from None


@click.command()
@click.option(
    "--day", default="today", callback=_day, help="today, yesterday or a date [default: today]."
)
@click.option("--account", metavar="NAME", help="Only this account.")
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@json_option
@daemon_options
def command(daemon: Daemon, day: date, account: str | None, as_csv: bool, as_json: bool) -> None:
    """Count each account's messages of a day: delivered, failed and refused by reason, parts, cost.

    Days are those of this machine's time zone. Refusals are kept for a week.

    \b
    Examples:
      cascade-bridge report
      cascade-bridge report --day yesterday --account crm
      cascade-bridge report --day 2026-11-01 --csv > report.csv
    """
    begin = datetime(day.year, day.month, day.day).astimezone()
    end = (datetime(day.year, day.month, day.day) + timedelta(days=1)).astimezone()
    rows: list[Any] = daemon.ask(
        "GET", "/report", begin=begin.isoformat(), end=end.isoformat(), account=account
    )
    if as_json:
        echo_json(rows)
    elif as_csv:
        writer = csv.writer(sys.stdout)
        writer.writerow(_COLUMNS)
        plain = {name: _plain if name not in _TEXTS else str for name in _COLUMNS}
        for row in rows:
            writer.writerow(plain[name](fill(row)) for name, fill in _COLUMNS.items())
    else:
        echo_table(_COLUMNS, rows, f"No message was accepted or refused on {day}.")
