"""Tables: aligned columns with rich on a terminal, plain for grep in a pipe."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import click

#: A column's head, and the function for its cells.
Columns = Mapping[str, Callable[[Any], str]]


def printable(text: str) -> str:
    """The text as one line that is safe for a terminal; the API and clients may write anything."""
    return "".join(char if char.isprintable() else " " for char in text)


def when(text: str | None) -> str:
    """A time of the API in this machine's zone; without the date if it is today."""
    if not text:
        return ""
    at = datetime.fromisoformat(text).astimezone()
    today = at.date() == datetime.now().astimezone().date()
    return at.strftime("%H:%M:%S" if today else "%Y-%m-%d %H:%M:%S")


def ago(text: str | None) -> str:
    """The time passed since a time of the API."""
    if not text:
        return ""
    return duration((datetime.now(UTC) - datetime.fromisoformat(text)).total_seconds())


def duration(seconds: float) -> str:
    """``42s``, ``3m 10s``, ``2h 5m``, ``4d 3h``."""
    whole = max(0, round(seconds))
    for size, unit, smaller, small in (
        (86400, "d", 3600, "h"),
        (3600, "h", 60, "m"),
        (60, "m", 1, "s"),
    ):
        if whole >= size:
            return f"{whole // size}{unit} {whole % size // smaller}{small}"
    return f"{whole}s"


def number(value: float) -> str:
    """The number with separated thousands, without a zero fraction."""
    return f"{value:,.0f}" if value == int(value) else f"{value:,.2f}"


def counted(count: int, one: str) -> str:
    """``1 contact``, ``2,000 contacts``."""
    return f"{number(count)} {one}{'' if count == 1 else 's'}"


def echo_table(columns: Columns, rows: Sequence[Any], nothing: str) -> None:
    """Prints the rows, or the sentence for none."""
    if not rows:
        click.echo(nothing)
        return
    cells = [[printable(fill(row)) for fill in columns.values()] for row in rows]
    if sys.stdout.isatty():
        _rich(list(columns), cells)
        return
    widths = [max(map(len, column)) for column in zip(list(columns), *cells, strict=True)]
    for line in (list(columns), *cells):
        padded = (f"{cell:<{width}}" for cell, width in zip(line, widths, strict=True))
        click.echo("  ".join(padded).rstrip())


def _rich(heads: Sequence[str], cells: Sequence[Sequence[str]]) -> None:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, header_style="bold")
    for head in heads:
        table.add_column(head, overflow="fold")
    for row in cells:
        table.add_row(*map(Text, row))
    Console().print(table)


def with_node(columns: Columns, rows: Sequence[Any]) -> Columns:
    """With a column for the node, where the rows are of several."""
    if len({row["node"] for row in rows}) < 2:
        return columns
    return {"node": lambda row: str(row["node"]), **columns}


def one_of(**choices: str | None) -> None:
    """Raises unless exactly one option was given."""
    if sum(value is not None for value in choices.values()) != 1:
        names = " or ".join(choices)
        raise click.UsageError(f"Give {names}.")
