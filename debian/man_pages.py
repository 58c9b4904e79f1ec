"""The man pages, made from what the program says of itself.

    python debian/man_pages.py FOLDER [DATE]

cascade-bridge(1) comes from the commands' help and the table of exit codes, bridge.toml(5) from the
comments of config/bridge.toml. Nothing is written twice.
"""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import click

from bridge import __version__
from bridge.cli import cli

REPOSITORY = Path(__file__).parents[1]
CONFIG = REPOSITORY / "config/bridge.toml"
OPERATIONS = REPOSITORY / "docs/operations.md"


# --- roff ----------------------------------------------------------------------------------------


def escape(text: str) -> str:
    """Text as roff takes it: nothing in it is a request, and every hyphen can be searched for."""
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("^", "\\(ha").replace("~", "\\(ti")
    text = text.replace("`", "\\(ga").replace("'", "\\(aq")
    text = "".join(one if ord(one) < 128 else f"\\[u{ord(one):04X}]" for one in text)
    return re.sub(r"^\.", r"\\&.", text, flags=re.M)


def heading(title: str, section: int, date: str, name: str) -> list[str]:
    head = escape(title.upper() if section == 1 else title)
    return [
        '.\\" Made by debian/man_pages.py.',
        f'.TH {head} {section} {date} "cascade\\-bridge {__version__}"',
        # Names and keys are searched for and copied: no word is broken, no space widened.
        ".nh",
        ".ad l",
        ".SH NAME",
        f"{escape(title)} \\- {escape(name)}",
    ]


def example(lines: list[str]) -> list[str]:
    """Lines that stay as they are."""
    return [".PP", ".RS 4", ".nf", *map(escape, lines), ".fi", ".RE"]


def bold(text: str) -> str:
    return f"\\fB{escape(text)}\\fR"


def paragraphs(text: str) -> Iterator[str]:
    """Paragraphs of prose, and under click's ``\\b`` lines that stay as they are."""
    for part in re.split(r"\n\s*\n", inspect.cleandoc(text)):
        if part.startswith("\b\n"):
            title, *lines = part[2:].splitlines()
            yield ".PP"
            yield escape(title)
            yield from example(textwrap.dedent("\n".join(lines)).splitlines())
        elif part:
            yield ".PP"
            yield escape(" ".join(part.split()))


# --- cascade-bridge(1) ---------------------------------------------------------------------------


def contexts(context: click.Context) -> Iterator[click.Context]:
    """Every command in the order of the program, groups before what is in them."""
    command = context.command
    if context.parent is not None:
        yield context
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            assert found is not None
            yield from contexts(click.Context(found, info_name=name, parent=context))


def command_lines(context: click.Context) -> Iterator[str]:
    command = context.command
    name = context.command_path.removeprefix("cascade-bridge ")
    usage = " ".join(command.collect_usage_pieces(context))
    yield f'.SS "{escape(name)}"'
    yield f"{bold(context.command_path)} {escape(usage)}"
    yield from paragraphs(command.help or "")
    for parameter in command.get_params(context):
        record = parameter.get_help_record(context)
        # Every command has this one.
        if record is None or "--help" in parameter.opts or not record[0].startswith("-"):
            continue
        yield ".TP"
        yield bold(record[0])
        yield escape(record[1]) or "\\&"


def exit_codes() -> Iterator[str]:
    """The rows of the table of exit codes."""
    table = OPERATIONS.read_text("utf-8").partition("## Exit codes")[2].partition("\n|")[2]
    for row in table.partition("\n\n")[0].splitlines()[2:]:
        code, meaning = row.strip("| ").split(" | ")
        yield ".TP"
        yield f".B {code}"
        yield escape(meaning.replace("`", ""))


FILES = {
    "/etc/cascade-bridge/bridge.toml": "The configuration; see bridge.toml(5).",
    "/etc/cascade-bridge/credentials/": "A file NAME here is what the configuration calls "
    '"credential:NAME".',
    "/var/lib/cascade-bridge/bridge.db": "The store.",
    "/run/cascade-bridge/admin.sock": "The socket of the daemon for these commands; members of the "
    "group cascade-bridge may open it.",
}
ENVIRONMENT = {
    "CASCADE_BRIDGE_CONFIG": "The configuration file, where --config does not name one.",
    "CASCADE_BRIDGE_TOKEN": "The token for --url.",
    "CREDENTIALS_DIRECTORY": "Where credentials are, set by systemd.",
    "CASCADE_BRIDGE_TRACEBACK": "If set, a fault of the program is shown with its place.",
}


def command_page(date: str) -> str:
    root = click.Context(cli, info_name="cascade-bridge")
    lines = heading("cascade-bridge", 1, date, "SMTP and SMPP gateway to the SMSBAT Cascade API")
    lines += [".SH SYNOPSIS", ".B cascade\\-bridge", "COMMAND [OPTIONS] [ARGUMENTS]"]
    lines += [".br", ".B cascade\\-bridge", "COMMAND \\-\\-help", ".SH DESCRIPTION"]
    lines += [
        escape(
            "cascade-bridge takes mails and SMPP submits, stores them, sends them on as messages "
            "of SMSBAT's Cascade API, that is Telegram, Viber, RCS and SMS, and answers in the "
            'client\'s own protocol with what the API said. "cascade-bridge serve" is the daemon; '
            "the other commands ask it, change what it does, or help to set it up."
        ),
        ".SH COMMANDS",
    ]
    for context in contexts(root):
        lines += command_lines(context)
    lines += [".SH EXIT STATUS", "Exit codes follow sysexits.", *exit_codes()]
    for title, table in (("ENVIRONMENT", ENVIRONMENT), ("FILES", FILES)):
        lines.append(f".SH {title}")
        for name, meaning in table.items():
            lines += [".TP", bold(name), escape(meaning)]
    lines += [".SH SEE ALSO", ".BR bridge.toml (5)"]
    return "\n".join(lines) + "\n"


# --- bridge.toml(5) ------------------------------------------------------------------------------

_KEY = re.compile(r"(?:# )?([a-z_]+ = .*)")
_TABLE = re.compile(r"(?:# )?\[([a-z_.]+)\]")
_TITLE = re.compile(r"# --- (.+?) -+")


def prose(comments: list[str]) -> Iterator[str]:
    """Comments as paragraphs, with "" between them; what is indented stays as it is."""
    text: list[str] = []
    for line in [*comments, ""]:
        if line.startswith("   ") or not line.strip():
            if text:
                yield escape(" ".join(text))
                text = []
            if line.strip():
                yield from ("", ".nf", escape(f"    {line.strip()}"), ".fi")
            yield ""
        else:
            text.append(line)


def trimmed(lines: Iterable[str], between: str = ".PP") -> list[str]:
    """Lines of roff with a request where paragraphs part, and none at the end."""
    found: list[str] = []
    for line in lines:
        if line:
            found.append(line)
        elif found and found[-1] != between:
            found.append(between)
    while found and found[-1] == between:
        found.pop()
    return found


def block_lines(block: str) -> Iterator[str]:
    """One block of the file: comments, and the keys that they are about."""
    comments: list[str] = []
    keys: list[str] = []
    for line in block.splitlines():
        if title := _TITLE.fullmatch(line):
            yield f'.SH "{escape(title[1].upper())}"'
        elif table := _TABLE.fullmatch(line):
            if comments:
                yield ".PP"
                yield from prose(comments)
                comments = []
            yield f'.SS "[{escape(table[1])}]"'
        elif key := _KEY.fullmatch(line):
            keys.append(re.sub(r" {2,}#", "  #", key[1]))
        else:
            comments.append(line.removeprefix("#").removeprefix(" ").rstrip())
    if keys:
        yield ".TP"
        yield bold(keys[0])
        for key_line in keys[1:]:
            yield ".TQ"
            yield bold(key_line)
        yield from trimmed(prose(comments), ".IP") or ["\\&"]
    elif any(comments):
        if not _TITLE.match(block):
            yield ".PP"
        yield from trimmed(prose(comments))


def config_page(date: str) -> str:
    first, *blocks = re.split(r"\n\n+", CONFIG.read_text("utf-8"))
    lines = heading("bridge.toml", 5, date, "configuration of cascade-bridge")
    lines += [".SH SYNOPSIS", ".I /etc/cascade\\-bridge/bridge.toml", ".SH DESCRIPTION"]
    # What a "#" means there is of no use here.
    comments = [line.removeprefix("#").removeprefix(" ") for line in first.splitlines()]
    about = "\n".join(comments).partition("Durations are")[2]
    shown = 'Every key is shown with its default, or with an example where it is "not set".'
    lines += trimmed(prose(f"{shown} Durations are{about}".splitlines()))
    for block in blocks:
        lines += block_lines(block)
    lines += [".SH SEE ALSO", ".BR cascade\\-bridge (1)"]
    return "\n".join(lines) + "\n"


def main() -> None:
    folder = Path(sys.argv[1])
    date = sys.argv[2] if len(sys.argv) > 2 else datetime.now(UTC).date().isoformat()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "cascade-bridge.1").write_text(command_page(date), "ascii")
    (folder / "bridge.toml.5").write_text(config_page(date), "ascii")


if __name__ == "__main__":
    main()
