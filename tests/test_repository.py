"""What is around the program: the files for those who change it name what is there."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from tests.support import program

REPOSITORY = Path(__file__).parents[1]
PAGES = ("CONTRIBUTING.md", "SECURITY.md")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (REPOSITORY / "Makefile").read_text("utf-8"), re.M))


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_is_named_is_there(page: str) -> None:
    text = (REPOSITORY / page).read_text("utf-8")
    named = set(re.findall(r"`((?:bridge|tests|config|systemd|\.ci)/[\w./-]*\w)`", text))
    named |= {link for link in re.findall(r"\]\(([^)#]+)\)", text) if "://" not in link}
    assert named
    assert not [name for name in sorted(named) if not (REPOSITORY / name).exists()]


@pytest.mark.parametrize("file", [*PAGES, ".ci/run", "docs/benchmarks.md"])
def test_every_target_of_make_that_is_named_is_there(file: str) -> None:
    named = set(re.findall(r"\bmake ([a-z-]+)", (REPOSITORY / file).read_text("utf-8")))
    assert named - {"make"} <= targets()


def test_make_alone_lists_the_targets() -> None:
    listed = subprocess.run(
        [program("make"), "--no-print-directory"],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert {line.split()[0] for line in listed.splitlines()} == targets()


def test_pre_commit_runs_what_make_check_runs() -> None:
    makefile = (REPOSITORY / "Makefile").read_text("utf-8")
    check = makefile.partition("\ncheck:")[2].partition("\n\n")[0]
    hooks = (REPOSITORY / ".pre-commit-config.yaml").read_text("utf-8")
    tools = {" ".join(words.split()[:2]) for words in re.findall(r"\$\(BIN\)/(.+)", check)}
    entries = re.findall(r"entry: \.venv/bin/(.+)", hooks)
    assert tools == {"ruff check", "ruff format", "mypy"}
    assert {tool for entry in entries for tool in tools if entry.startswith(tool)} == tools


def test_no_file_names_a_place_of_somebodys_machine() -> None:
    files = subprocess.run(
        [program("git"), "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    homes = re.compile(r"/(?:home|Users)/[a-z]|/work/|/opt/wt")
    own = {"tests/test_repository.py"}
    found = [
        name
        for name in files
        if name not in own
        and (REPOSITORY / name).suffix in {".py", ".md", ".toml", ".yaml", "", ".service"}
        and (REPOSITORY / name).is_file()
        and homes.search((REPOSITORY / name).read_text("utf-8", "replace"))
    ]
    assert not found
