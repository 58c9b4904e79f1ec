"""``groups``: groups of contacts, which are recipients of messages."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from bridge.cli import WholeNumber
from bridge.cli.directory import (
    Asked,
    directory_options,
    given,
    import_command,
    output_option,
    write_out,
)
from bridge.cli.tables import Columns, number
from bridge.dialect.answers import Format, Row
from bridge.dialect.directory_rows import group_row
from bridge.directory.importing import GROUP_COLUMNS
from bridge.directory.spreadsheet import write_rows
from bridge.model.contact import Group

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS: Columns = {
    "id": lambda row: str(row["id"]),
    "name": lambda row: row["name"],
    "number": lambda row: "-" if row["number"] is None else f"g{row['number']}",
    "contacts": lambda row: number(row["size"]),
    "hours": lambda row: row["hours"] or "-",
    "max parts": lambda row: str(row["max_parts"] or "-"),
}


def _row(row: dict[str, Any], fmt: Format) -> Row:
    return group_row(Group(**row), fmt)


@click.group()
def command() -> None:
    """Add, change, delete, list, import and export groups."""


def _options(function: F) -> F:
    for option in (
        click.option(
            "--max-parts", type=WholeNumber(0, 255), help="The most parts of a message to it."
        ),
        click.option("--hours", metavar="9-21", help="Its hours; outside them a message waits."),
        click.option(
            "--number", type=WholeNumber(0), help="Its number: g<number> is an address of it too."
        ),
    ):
        function = option(function)
    return function


@command.command("list")
@directory_options
def list_groups(asked: Asked) -> None:
    """List groups with the number of their contacts.

    \b
    Examples:
      cascade-bridge groups list
    """
    asked.list("group", asked.ask("GET", "/groups"), _COLUMNS, _row, "There are no groups.")


@command.command("show")
@click.argument("group")
@directory_options
def show_group(asked: Asked, group: str) -> None:
    """Show GROUP: its name, g<number> or id.

    \b
    Examples:
      cascade-bridge groups show "Night shift"
    """
    from bridge.directory.groups import group_meant

    groups = [Group(**row) for row in asked.ask("GET", "/groups")]
    found = group_meant(groups, group)
    asked.list("group", [found._asdict()], _COLUMNS, _row, "")


@command.command("add")
@click.argument("name")
@_options
@directory_options
def add_group(asked: Asked, name: str, **options: Any) -> None:
    """Add the group NAME.

    \b
    Examples:
      cascade-bridge groups add "Night shift" --number 7 --hours 9-21
    """
    asked.created("group", asked.ask("POST", "/groups", name=name, **given(**options)), "Added")


@command.command("change")
@click.argument("group")
@click.option("--name", help="Its new name.")
@_options
@directory_options
def change_group(asked: Asked, group: str, **options: Any) -> None:
    """Change GROUP: its name, g<number> or id.

    \b
    Examples:
      cascade-bridge groups change g7 --hours 8-20 --max-parts 1
    """
    asked.changed(asked.ask("PATCH", "/groups/{group}", group=group, **given(**options)), "Changed")


@command.command("delete")
@click.argument("group")
@directory_options
def delete_group(asked: Asked, group: str) -> None:
    """Delete GROUP; its contacts stay.

    \b
    Examples:
      cascade-bridge groups delete "Night shift"
    """
    asked.changed(asked.ask("DELETE", "/groups/{group}", group=group), "Deleted")


import_command(
    command,
    "groups",
    "group",
    """Import groups from FILE: CSV with the columns name, number, hours, max_parts. A preview comes
    first.

    \b
    Examples:
      cascade-bridge groups import groups.csv --preview
      cascade-bridge groups import groups.csv --yes
    """,
)


@command.command("export")
@output_option
@directory_options
def export_groups(asked: Asked, output: Path | None) -> None:
    """Export groups as CSV, in the form that import reads.

    \b
    Examples:
      cascade-bridge groups export > groups.csv
    """
    rows = asked.ask("GET", "/groups")
    cells = (
        (row["name"], row["number"] or "", row["hours"], row["max_parts"] or "") for row in rows
    )
    write_out(write_rows(GROUP_COLUMNS, cells), output)
