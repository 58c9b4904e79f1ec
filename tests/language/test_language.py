"""Spelling and grammar of the documents, of help and of messages, by a checker (Harper, on node).

``words.txt`` has technical terms and names of programs. :data:`ACCEPTED` has exceptions with
reasons.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import click
import pytest

from bridge.cli import cli
from bridge.model.failure import Reason
from tests.documents.pages import ALL
from tests.support import missing, program
from tests.test_documents import events_in_code

HERE = Path(__file__).parent
#: Page → words that the checker rejects, and the reason why they are right.
ACCEPTED: dict[tuple[str, str], str] = {
    ("docs/metrics.md", "ok"): "what is answered",
    ("docs/night-calls.md", "OK"): "what the client was told",
    ("help of cascade-bridge sendmail", "i"): "an option's letter",
}


class Finding(NamedTuple):
    where: str
    line: int
    kind: str
    words: str
    message: str


def commands(command: click.Command, name: str) -> Iterator[tuple[str, click.Command]]:
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for child in command.list_commands(context):
            found = command.get_command(context, child)
            assert found is not None
            yield from commands(found, f"{name} {child}")


#: Options, paths and addresses, which are not words.
_CODE = re.compile(r"(--[\w-]+|(?<![\w])/[\w./-]+|\b\w+:\S*\w|\b\d+[smhd]\b)")


def help_of(command: click.Command) -> str:
    """The help of commands and options, without the examples."""
    text = (command.help or "").partition("\b")[0]
    options = [
        option.help for option in command.params if isinstance(option, click.Option) and option.help
    ]
    return _CODE.sub(r"`\1`", "\n\n".join([text, *(f"{one.rstrip('.')}." for one in options)]))


def texts() -> dict[str, str]:
    pages = dict(ALL)
    pages |= {f"help of {name}": help_of(one) for name, one in commands(cli, "cascade-bridge")}
    pages["failures"] = "\n\n".join(f"{reason.codes.text.capitalize()}." for reason in Reason)
    pages["events"] = "\n\n".join(name.replace("_", " ") for name in sorted(events_in_code()))
    return pages


@pytest.fixture(scope="module")
def findings() -> list[Finding]:
    folders = os.environ.get("NODE_PATH", "").split(":")
    package = next((f"{one}/harper.js" for one in folders if Path(one, "harper.js").exists()), None)
    if package is None:
        missing("the npm package harper.js")
    words = (HERE / "words.txt").read_text("utf-8").splitlines()
    words += [f"{word}'s" for word in words]
    asked = json.dumps({"texts": texts(), "words": words})
    command = [program("node"), str(HERE / "check.mjs"), package]
    done = subprocess.run(command, input=asked, capture_output=True, text=True, check=True)
    return [Finding(*one) for one in json.loads(done.stdout)]


def test_the_checker_finds_nothing_that_it_is_right_about(findings: list[Finding]) -> None:
    left = [one for one in findings if (one.where, one.words) not in ACCEPTED]
    assert not left, "\n".join(
        f"{one.where}:{one.line}: {one.message} {one.words!r}" for one in left
    )


def test_what_is_accepted_is_still_found(findings: list[Finding]) -> None:
    assert ACCEPTED.keys() <= {(one.where, one.words) for one in findings}
