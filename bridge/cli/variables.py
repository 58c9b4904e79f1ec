"""``variables``: uploads values of template variables to the API."""

from __future__ import annotations

import csv
import io
import json
from typing import Any, BinaryIO

import click

from bridge.cli import Exit, InputFile, Stop
from bridge.cli.daemon import Daemon, daemon_options, echo_json, json_option
from bridge.cli.directory import account_of
from bridge.cli.tables import counted

_COLUMNS = ("id", "type", "value")
#: Variables in one request.
_AT_ONCE = 1000


@click.group()
def command() -> None:
    """Upload values for template variables (%name=1% and the like) to the API."""


@command.command("upload")
@click.argument("file", type=InputFile())
@click.option(
    "--account",
    metavar="NAME",
    help="The account whose upstream gets them [default: the only one].",
)
@json_option
@daemon_options
def upload(daemon: Daemon, file: BinaryIO, account: str | None, as_json: bool) -> None:
    """Upload the variables in FILE (- for stdin): CSV with the columns id, type and value, or JSON.

    The type is name, url or short_url; a text refers to them as %name=1%, %url=2%, %short_url=3%.
    The account needs allow_variables. The API keeps one value for an id: a later upload replaces
    it, also for messages that are not sent yet. JSON is an array of objects with these keys, or
    an object with such an array as "variables", as the API itself takes it.

    \b
    Examples:
      cascade-bridge variables upload names.csv --account shop
      echo '[{"id": 1, "type": "name", "value": "Anna"}]' | cascade-bridge variables upload -
    """
    variables = _read(file.read())
    name = account_of(daemon, account)
    path = "/accounts/{account}/variables"
    for at in range(0, len(variables), _AT_ONCE):
        daemon.ask("POST", path, account=name, variables=variables[at : at + _AT_ONCE])
    if as_json:
        echo_json({"count": len(variables)})
    else:
        click.echo(f"{counted(len(variables), 'variable')} uploaded.")


def _read(octets: bytes) -> list[dict[str, Any]]:
    try:
        text = octets.decode("utf-8-sig")
        if text.lstrip()[:1] in ("[", "{"):
            document = json.loads(text)
            found = document["variables"] if isinstance(document, dict) else document
            return [{name: one[name] for name in _COLUMNS} for one in found]
        dialect = ";" if ";" in text.partition("\n")[0] else ","
        rows = csv.DictReader(io.StringIO(text, newline=""), delimiter=dialect)
        return [{**{name: row[name] for name in _COLUMNS}, "id": int(row["id"])} for row in rows]
    except (ValueError, KeyError, TypeError, csv.Error) as error:
        what = f"no {error}" if isinstance(error, KeyError) else str(error)
        raise Stop(f"Every variable needs id, type and value: {what}", Exit.DATA) from None
