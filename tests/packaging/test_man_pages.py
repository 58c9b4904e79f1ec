"""The man pages: all of the program is in them, and man has nothing to say against them."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest

from bridge.cli import Exit, cli
from bridge.config.settings import AccountSettings, Settings, Upstream
from tests.support import program

REPOSITORY = Path(__file__).parents[2]
PAGES = ("cascade-bridge.1", "bridge.toml.5")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("man")
    command = [sys.executable, "debian/man_pages.py", str(made), "2026-11-26"]
    subprocess.run(command, cwd=REPOSITORY, check=True)
    return made


def shown(page: Path) -> str:
    """What a reader sees, in lines so long that none is broken."""
    result = subprocess.run(
        [program("man"), "--local-file", "--no-hyphenation", str(page)],
        env={"MANWIDTH": "2000", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANPAGER": "cat"},
        capture_output=True,
        text=True,
        check=True,
    )
    return re.sub(".\b", "", result.stdout)


def commands(context: click.Context) -> Iterator[click.Context]:
    if isinstance(context.command, click.Group):
        for name in context.command.list_commands(context):
            found = context.command.get_command(context, name)
            assert found is not None
            yield from commands(click.Context(found, info_name=name, parent=context))
    else:
        yield context


def test_every_command_and_every_option_is_in_the_page(folder: Path) -> None:
    text = shown(folder / PAGES[0])
    parts = dict(re.findall(r"^   (\S.*)\n((?:(?:       .*)?\n)*)", text, re.M))
    found = list(commands(click.Context(cli, info_name="cascade-bridge")))
    assert len(found) > 40
    for context in found:
        part = parts[context.command_path.removeprefix("cascade-bridge ")]
        assert (context.command.help or "").split("\n")[0].split(".")[0].split(",")[0] in part
        options = {
            name
            for parameter in context.command.params
            if isinstance(parameter, click.Option) and not parameter.hidden
            for name in parameter.opts
        }
        for option in options:
            assert re.search(rf"(?<![\w-]){option}", part), (context.command_path, option)


def test_no_word_is_broken(folder: Path) -> None:
    for page in PAGES:
        narrow = subprocess.run(
            [program("man"), "--local-file", str(folder / page)],
            env={"MANWIDTH": "72", "LANG": "C.UTF-8", "PATH": "/usr/bin:/bin", "MANPAGER": "cat"},
            capture_output=True,
            text=True,
            check=True,
        )
        assert not re.search(r"\w\N{HYPHEN}\n", narrow.stdout)


def test_every_exit_code_is_in_the_page(folder: Path) -> None:
    text = shown(folder / PAGES[0]).partition("EXIT STATUS")[2].partition("ENVIRONMENT")[0]
    codes = {int(code) for code in re.findall(r"(?m)^       (\d+)(?=,| )", text)}
    assert {Exit.OK, Exit.USAGE, Exit.UNAVAILABLE, Exit.CONFIG} <= codes


def tables() -> dict[str, set[str]]:
    """Every table of the configuration with its keys, as the page names them."""
    found: dict[str, Any] = {name: info.annotation for name, info in Settings.model_fields.items()}
    del found["accounts"]
    found |= {"accounts.crm": AccountSettings, "accounts.crm.cascade": Upstream}
    return {
        name: {info.alias or key for key, info in table.model_fields.items()} - {"cascade"}
        for name, table in found.items()
    }


def test_every_key_of_the_configuration_is_in_the_page(folder: Path) -> None:
    text = shown(folder / PAGES[1])
    _, *pieces = re.split(r"^   \[(.+)\]$", text, flags=re.M)
    parts = {
        name: set(re.findall(r"^       ([a-z_]+) = ", part, re.M))
        for name, part in zip(pieces[::2], pieces[1::2], strict=True)
    }
    assert "\n       include = " in text
    assert parts == tables()


@pytest.mark.parametrize("page", PAGES)
def test_man_has_nothing_to_say_against_a_page(folder: Path, page: str) -> None:
    file = str(folder / page)
    for command in (
        [program("mandoc"), "-T", "lint", "-W", "warning", file],
        [program("groff"), "-ww", "-z", "-man", "-T", "utf8", file],
        [program("man"), "--warnings", "--local-file", file],
    ):
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (result.returncode, result.stderr) == (0, ""), command[0]
        if command[0].endswith("mandoc"):
            assert result.stdout == ""


def test_a_line_of_help_is_never_read_as_a_request(folder: Path) -> None:
    sys.path.insert(0, str(REPOSITORY / "debian"))
    try:
        from man_pages import escape
    finally:
        sys.path.pop(0)
    assert escape(".so /etc/passwd") == "\\&.so /etc/passwd"
    assert escape("'quoted'\\") == "\\(aqquoted\\(aq\\e"
    assert escape("Київ") == "\\[u041A]\\[u0438]\\[u0457]\\[u0432]"
