"""``templates``: texts with variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bridge.cli.directory import (
    Asked,
    directory_options,
    given,
    import_command,
    output_option,
    write_out,
)
from bridge.cli.tables import Columns
from bridge.dialect.answers import Format, Row
from bridge.dialect.directory_rows import template_row
from bridge.directory.importing import TEMPLATE_COLUMNS
from bridge.directory.spreadsheet import write_rows
from bridge.model.contact import Template

_COLUMNS: Columns = {
    "id": lambda row: str(row["id"]),
    "name": lambda row: row["name"],
    "variables": lambda row: ", ".join(row["variables"]) or "-",
    "sender": lambda row: row["sender"] or "-",
    "message": lambda row: row["message"],
}


def _row(row: dict[str, Any], fmt: Format) -> Row:
    return template_row(Template(**{name: row[name] for name in Template._fields}))


@click.group()
def command() -> None:
    """Add, change, delete, list, import and export templates."""


@command.command("list")
@directory_options
def list_templates(asked: Asked) -> None:
    """List templates with their variables.

    \b
    Examples:
      cascade-bridge templates list
    """
    rows = asked.ask("GET", "/templates")
    asked.list("template", rows, _COLUMNS, _row, "There are no templates.")


@command.command("show")
@click.argument("template")
@directory_options
def show_template(asked: Asked, template: str) -> None:
    """Show TEMPLATE: its name or its id.

    \b
    Examples:
      cascade-bridge templates show ready
    """
    row = asked.ask("GET", "/templates/{template}", template=template)
    asked.list("template", [row], _COLUMNS, _row, "")


@command.command("add")
@click.argument("name")
@click.argument("message")
@click.option("--sender")
@directory_options
def add_template(asked: Asked, name: str, message: str, sender: str | None) -> None:
    """Add the template NAME with the text MESSAGE, in which {word} is a variable.

    \b
    Examples:
      cascade-bridge templates add ready "{name}, your order {order} is ready"
    """
    answer = asked.ask("POST", "/templates", name=name, message=message, sender=sender)
    asked.created("template", answer, "Added")


@command.command("change")
@click.argument("template")
@click.option("--name", help="Its new name.")
@click.option("--message", help="Its new text.")
@click.option("--sender")
@directory_options
def change_template(asked: Asked, template: str, **fields: Any) -> None:
    """Change TEMPLATE: its name or its id.

    \b
    Examples:
      cascade-bridge templates change ready --message "{name}: {order} is ready"
    """
    answer = asked.ask("PATCH", "/templates/{template}", template=template, **given(**fields))
    asked.changed(answer, "Changed")


@command.command("delete")
@click.argument("template")
@directory_options
def delete_template(asked: Asked, template: str) -> None:
    """Delete TEMPLATE: its name or its id.

    \b
    Examples:
      cascade-bridge templates delete ready
    """
    answer = asked.ask("DELETE", "/templates/{template}", template=template)
    asked.changed(answer, "Deleted")


import_command(
    command,
    "templates",
    "template",
    """Import templates from FILE: CSV with the columns name, message, format, sender, flag. A
    preview comes first.

    \b
    Examples:
      cascade-bridge templates import templates.csv --preview
      cascade-bridge templates import templates.csv --yes
    """,
)


@command.command("export")
@output_option
@directory_options
def export_templates(asked: Asked, output: Path | None) -> None:
    """Export templates as CSV, in the form that import reads.

    \b
    Examples:
      cascade-bridge templates export > templates.csv
    """
    cells = (
        tuple(row[name] for name in TEMPLATE_COLUMNS) for row in asked.ask("GET", "/templates")
    )
    write_out(write_rows(TEMPLATE_COLUMNS, cells), output)
