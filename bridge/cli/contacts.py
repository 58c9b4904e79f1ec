"""``contacts``: the contacts of an account's directory."""

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
    phones_argument,
    write_out,
)
from bridge.cli.tables import Columns, counted
from bridge.dialect.answers import Format, Row
from bridge.dialect.directory_rows import contact_row
from bridge.directory.importing import CONTACT_COLUMNS, contact_cells
from bridge.directory.spreadsheet import write_rows
from bridge.directory.vcard import write_card
from bridge.model.contact import Contact

F = TypeVar("F", bound=Callable[..., Any])

_COLUMNS: Columns = {
    "id": lambda row: str(row["id"]),
    "phone": lambda row: ", ".join(row["phones"]),
    "name": lambda row: row["name"] or "-",
    "groups": lambda row: ", ".join(row["group_names"]) or "-",
    "own id": lambda row: row["client_id"] or "-",
    "birthday": lambda row: row["birthday"] or "-",
    "comments": lambda row: row["comments"] or "-",
}


def _contact(row: dict[str, Any]) -> Contact:
    fields = {name: row[name] for name in Contact._fields}
    return Contact(**{**fields, "phones": tuple(row["phones"]), "groups": tuple(row["groups"])})


def _row(row: dict[str, Any], fmt: Format) -> Row:
    return contact_row(_contact(row), fmt)


@click.group()
def command() -> None:
    """Add, change, delete, list, move, import and export contacts."""


def _fields(function: F) -> F:
    for option in (
        click.option(
            "--other-phones", "phone_other", help="Further numbers, to which nothing is sent."
        ),
        click.option("--tags"),
        click.option("--comments"),
        click.option("--id", "client_id", help="Your own id."),
        click.option("--birthday", metavar="DD.MM.YYYY"),
        click.option("--middle-name"),
        click.option("--last-name"),
        click.option("--first-name"),
        click.option(
            "--group", "groups", multiple=True, help="A group's name or g<number>; repeatable."
        ),
        click.option("--name"),
    ):
        function = option(function)
    return function


@command.command("list")
@click.option("--group", help="Only contacts of this group: its name, g<number> or id.")
@click.option("--search", metavar="TEXT", help="Only contacts with TEXT in any field.")
@click.option(
    "--limit",
    type=WholeNumber(1, 10_000),
    default=1000,
    show_default=True,
    help="Rows to print at most.",
)
@directory_options
def list_contacts(asked: Asked, group: str | None, search: str | None, limit: int) -> None:
    """List contacts.

    \b
    Examples:
      cascade-bridge contacts list
      cascade-bridge contacts list --group "Night shift"
      cascade-bridge contacts list --search anna --fmt 1
    """
    rows = asked.ask("GET", "/contacts", group=group, search=search, limit=limit)
    asked.list("contact", rows, _COLUMNS, _row, "There are no such contacts.")


@command.command("show")
@click.argument("phone")
@directory_options
def show_contact(asked: Asked, phone: str) -> None:
    """Show the contact with PHONE.

    \b
    Examples:
      cascade-bridge contacts show +380501234567
    """
    rows = asked.ask("GET", "/contacts", phone=phone)
    asked.show("contact", rows, _COLUMNS, _row, f"no contact has {phone}")


@command.command("add")
@click.argument("phone")
@_fields
@directory_options
def add_contact(asked: Asked, phone: str, **fields: Any) -> None:
    """Add a contact with PHONE, one or several numbers separated by commas.

    \b
    Examples:
      cascade-bridge contacts add +380501234567 --name Anna --group "Night shift"
    """
    answer = asked.ask("POST", "/contacts", phone=phone, **given(**fields))
    asked.created("phone", answer, "Added")


@command.command("change")
@click.argument("phone")
@click.option("--new-phone", metavar="PHONE", help="Replaces all its numbers.")
@_fields
@directory_options
def change_contact(asked: Asked, phone: str, **fields: Any) -> None:
    """Change fields of the contact with PHONE; --group replaces all its groups.

    \b
    Examples:
      cascade-bridge contacts change +380501234567 --name "Anna K."
      cascade-bridge contacts change +380501234567 --new-phone +380671112233
    """
    asked.changed(asked.ask("POST", "/contacts/change", phone=phone, **given(**fields)), "Changed")


@command.command("delete")
@phones_argument
@directory_options
def delete_contacts(asked: Asked, phones: tuple[str, ...]) -> None:
    """Delete the contacts with any PHONE.

    \b
    Examples:
      cascade-bridge contacts delete +380501234567 +380671112233
    """
    answer = asked.ask("POST", "/contacts/delete", phones=list(phones))
    asked.changed(answer, f"{counted(answer['count'], 'contact')} deleted")


@command.command("move")
@phones_argument
@click.option("--to", "group", required=True, metavar="GROUP", help="A name, g<number> or id.")
@click.option(
    "--how",
    type=click.Choice(["move", "add", "remove"]),
    default="move",
    show_default=True,
    help="move: leave all other groups; add: keep them; remove: leave this group.",
)
@directory_options
def move_contacts(asked: Asked, phones: tuple[str, ...], group: str, how: str) -> None:
    """Move contacts into a group, add them to it, or remove them from it.

    \b
    Examples:
      cascade-bridge contacts move +380501234567 --to "Night shift"
      cascade-bridge contacts move +380501234567 --to g7 --how remove
    """
    answer = asked.ask("POST", "/contacts/move", phones=list(phones), group=group, how=how)
    asked.changed(answer, "Done")


import_command(
    command,
    "contacts",
    "contact",
    """Import contacts from FILE: CSV with a head row, or vCard. A preview comes first.

    Empty fields change nothing, groups are added to those that a contact has, unknown groups are
    created.

    \b
    Examples:
      cascade-bridge contacts import people.csv --preview
      cascade-bridge contacts import people.vcf --yes
    """,
)


@command.command("export")
@click.option("--format", "form", type=click.Choice(["csv", "vcard"]), default="csv")
@click.option("--group", help="Only contacts of this group.")
@output_option
@directory_options
def export_contacts(asked: Asked, form: str, group: str | None, output: Path | None) -> None:
    """Export contacts as CSV or vCard; import reads both.

    \b
    Examples:
      cascade-bridge contacts export > people.csv
      cascade-bridge contacts export --format vcard --group "Night shift" -o night.vcf
    """
    rows = asked.pages("/contacts", group=group)
    if form == "vcard":
        write_out((write_card(_contact(row), row["group_names"]) for row in rows), output)
    else:
        write_out(
            write_rows(
                CONTACT_COLUMNS, (contact_cells(_contact(row), row["group_names"]) for row in rows)
            ),
            output,
        )
