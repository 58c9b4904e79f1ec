"""The commands in the documents are those of the program: names, options, arguments, values."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from itertools import pairwise

import click
import httpx
import pytest

from bridge.cli import cli
from bridge.sandbox import Sandbox, fault_from_text
from bridge.sandbox.faults import fault_from_json
from tests.documents.pages import ALL, BLOCKS, PAGES, REPOSITORY, in_code

DEMO = "python3 -m venv .venv && .venv/bin/pip install -e . && .venv/bin/cascade-bridge demo"
TESTS = "python3 -m venv .venv && .venv/bin/pip install -e '.[test]' && .venv/bin/pytest"
#: Blocks that a shell reads; in a console's, lines that begin with "$ " are typed.
_SHELLS = ("sh", "console")
_NAMES = "|".join(cli.list_commands(click.Context(cli)))


@pytest.mark.parametrize("command", [DEMO, TESTS])
def test_the_two_commands_of_a_new_machine_are_there_word_for_word(command: str) -> None:
    assert f"\n\n    {command}\n\n" in ALL["README.md"]
    assert f'\nrun "{command}"\n' in (REPOSITORY / ".ci/run").read_text()


def of_the_program(line: str) -> Iterator[list[str]]:
    """The arguments of each call of the program in a line of a shell."""
    lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word not in ("|", "&&", "||", ";", "<", ">", "<<"):
            words.append(word)
            continue
        while words and (words[0] in ("sudo", "$") or re.fullmatch(r"[A-Z_]+=\S*", words[0])):
            words.pop(0)
        if words and words[0].rpartition("/")[2] == "cascade-bridge":
            yield words[1:]
        words = []


def typed() -> Iterator[tuple[str, list[str]]]:
    """Calls in blocks, each with its page."""
    for block in BLOCKS:
        if block.language not in _SHELLS:
            continue
        for line in block.lines:
            if block.language == "console" and not line.startswith("$ "):
                continue
            for arguments in of_the_program(line):
                yield block.page, arguments


def named() -> Iterator[tuple[str, list[str]]]:
    """Calls in sentences: code that begins with the program's name or with a command."""
    for page, text in ALL.items():
        for code in in_code(text):
            code = code.removeprefix("sudo ")
            if re.fullmatch(rf"(cascade-bridge )?({_NAMES})( .+)?", code):
                yield page, shlex.split(code.removeprefix("cascade-bridge "))


def parsed(arguments: list[str]) -> tuple[click.Command, dict[str, object]]:
    """The command, and what its own parser makes of its arguments; raises a UsageError."""
    command: click.Command = cli
    words = list(arguments)
    while words and isinstance(command, click.Group) and not words[0].startswith("-"):
        found = command.get_command(click.Context(command), words.pop(0))
        if found is None:
            raise click.UsageError("there is no such command")
        command = found
    given, left, _ = command.make_parser(click.Context(command)).parse_args(words)
    if left:
        raise click.UsageError(f"{left} is too much")
    return command, given


def lines(calls: Iterator[tuple[str, list[str]]]) -> list[tuple[str, str]]:
    return sorted({(page, shlex.join(arguments)) for page, arguments in calls})


def test_there_are_calls_to_look_at() -> None:
    assert len(lines(typed())) > 20
    assert len(lines(named())) > 60


@pytest.mark.parametrize(("page", "line"), lines(typed()))
def test_a_call_of_a_block_has_what_the_command_takes_and_needs(page: str, line: str) -> None:
    command, given = parsed(shlex.split(line))
    needed = [one for one in command.params if isinstance(one, click.Argument) and one.required]
    assert all(given.get(str(one.name)) for one in needed), page
    for word, value in pairwise(shlex.split(line)):
        if word == "--fault" and value != "list":
            fault_from_text(value)


@pytest.mark.parametrize(("page", "line"), lines(named()))
def test_a_call_of_a_sentence_has_what_the_command_takes(page: str, line: str) -> None:
    parsed(shlex.split(line))


@pytest.mark.parametrize("line", ["check --conect", "trase 1", "backup a b", "queue hold --fmt"])
def test_a_call_that_is_wrong_is_found(line: str) -> None:
    with pytest.raises(click.UsageError):
        parsed(shlex.split(line))


def test_calls_are_found_in_a_line() -> None:
    line = "X=1 sudo cascade-bridge check && .venv/bin/cascade-bridge demo | tee 'cascade-bridge x'"
    assert list(of_the_program(line)) == [["check"], ["demo"]]
    assert not list(of_the_program("journalctl -u cascade-bridge -n 5"))


def test_the_faults_that_curl_sets_exist() -> None:
    found = re.findall(r"-d '(.+?)'", PAGES["docs/sandbox.md"])
    assert found
    for document in found:
        fault_from_json(json.loads(document))


async def test_the_sandbox_answers_where_it_is_said() -> None:
    paths = set(re.findall(r"/sandbox/\w+", PAGES["docs/sandbox.md"]))
    assert paths
    async with Sandbox() as sandbox, httpx.AsyncClient(base_url=sandbox.url, timeout=30) as client:
        for path in paths:
            assert (await client.get(path)).status_code == 200, path
