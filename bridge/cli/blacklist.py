"""``blacklist``: phones to which no messages, or none of a kind, are sent."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bridge.cli import WholeNumber
from bridge.cli.directory import (
    Asked,
    directory_options,
    import_command,
    output_option,
    phones_argument,
    write_out,
)
from bridge.cli.tables import Columns, counted
from bridge.dialect.answers import Format, Row
from bridge.dialect.directory_rows import black_list_row
from bridge.directory.importing import BLACK_LIST_COLUMNS
from bridge.directory.spreadsheet import write_rows
from bridge.model.contact import BlackListEntry, Blocks

_KINDS = [kind.name.lower() for kind in Blocks]
_COLUMNS: Columns = {
    "id": lambda row: str(row["id"]),
    "phone": lambda row: row["phone"],
    "stops": lambda row: row["blocks"],
    "comment": lambda row: row["comment"] or "-",
}


def _row(row: dict[str, Any], fmt: Format) -> Row:
    blocks = Blocks[row["blocks"].upper()]
    return black_list_row(BlackListEntry(row["id"], row["phone"], blocks, row["comment"]))


@click.group()
def command() -> None:
    """Add, delete, list, import and export blocked numbers."""


@command.command("list")
@click.option(
    "--limit",
    type=WholeNumber(1, 10_000),
    default=1000,
    show_default=True,
    help="Rows to print at most.",
)
@directory_options
def list_black_list(asked: Asked, limit: int) -> None:
    """List the black list.

    \b
    Examples:
      cascade-bridge blacklist list --account shop
    """
    rows = asked.ask("GET", "/blacklist", limit=limit)
    asked.list("record", rows, _COLUMNS, _row, "The black list is empty.")


@command.command("show")
@click.argument("phone")
@directory_options
def show_entry(asked: Asked, phone: str) -> None:
    """Show whether PHONE is in the black list.

    \b
    Examples:
      cascade-bridge blacklist show +380501234567
    """
    rows = asked.ask("GET", "/blacklist", phone=phone)
    asked.show("record", rows, _COLUMNS, _row, f"{phone} is not in the black list")


@command.command("add")
@click.argument("phone")
@click.option(
    "--stops",
    "blocks",
    type=click.Choice(_KINDS),
    default="all",
    show_default=True,
    help="all: every message; bulk: those to several recipients or a group; single: those to one.",
)
@click.option("--comment", default="")
@directory_options
def add_entry(asked: Asked, phone: str, blocks: str, comment: str) -> None:
    """Block PHONE.

    \b
    Examples:
      cascade-bridge blacklist add +380501234567 --comment "asked on the phone"
      cascade-bridge blacklist add +380671112233 --stops bulk
    """
    answer = asked.ask("POST", "/blacklist", phone=phone, blocks=blocks, comment=comment)
    asked.created("phone", answer, "Added")


@command.command("delete")
@phones_argument
@directory_options
def delete_entries(asked: Asked, phones: tuple[str, ...]) -> None:
    """Unblock PHONE.

    \b
    Examples:
      cascade-bridge blacklist delete +380501234567
    """
    answer = asked.ask("POST", "/blacklist/delete", phones=list(phones))
    asked.changed(answer, f"{counted(answer['count'], 'number')} deleted")


import_command(
    command,
    "black_list",
    "number",
    """Import blocked numbers from FILE: CSV with the columns phone, type, comments. A preview comes
    first.

    \b
    Examples:
      cascade-bridge blacklist import stop.csv --preview
      cascade-bridge blacklist import stop.csv --yes
    """,
)


@command.command("export")
@output_option
@directory_options
def export_black_list(asked: Asked, output: Path | None) -> None:
    """Export the black list as CSV, in the form that import reads.

    \b
    Examples:
      cascade-bridge blacklist export > stop.csv
    """
    cells = (
        (row["phone"], int(Blocks[row["blocks"].upper()]), row["comment"])
        for row in asked.pages("/blacklist")
    )
    write_out(write_rows(BLACK_LIST_COLUMNS, cells), output)
