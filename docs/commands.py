"""Makes docs/commands.md from the help of the commands.

    python docs/commands.py

A test compares the page with the program, and runs the examples.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path

import click

from bridge.cli import COMMANDS, cli

PAGE = Path(__file__).with_suffix(".md")
HEAD = """\
# Commands

<!-- Made from the help of the commands by docs/commands.py (`make docs`). -->

`cascade-bridge COMMAND --help` has the options of a command, `man cascade-bridge` those of all.
[Operating the bridge](operations.md) says which of them to use when, and what their exit codes
mean.

| Command | What it does |
|---|---|
"""


def leaves(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    """The commands that do something, by their whole names."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    context = click.Context(command)
    for child in command.list_commands(context):
        found = command.get_command(context, child)
        assert found is not None
        yield from leaves(found, f"{name} {child}".strip())


def summary(command: click.Command) -> str:
    """The first paragraph of its help."""
    first = inspect.cleandoc(command.help or "").partition("\n\n")[0]
    text = " ".join(first.split()).replace("|", "\\|").replace("<", "\\<")
    return re.sub(r"--[\w-]+", r"`\g<0>`", text)


def examples(command: click.Command) -> list[str]:
    lines = inspect.cleandoc(command.help or "").partition("Examples:")[2].splitlines()
    return [line.strip() for line in lines if "cascade-bridge " in line]


def page() -> str:
    """The whole page."""
    found = list(leaves(cli, ""))
    parts = [HEAD + "\n".join(f"| `{name}` | {summary(command)} |" for name, command in found)]
    parts.append("## Examples")
    for first in COMMANDS:
        lines = [
            line
            for name, command in found
            if name.split()[0] == first
            for line in examples(command)
        ]
        if lines:
            parts += [f"### {first}", "\n".join(["```sh", *lines, "```"])]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
