"""The files for developers name only existing files and targets."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
from pathlib import Path

import pytest

import bridge
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


def test_the_page_on_the_architecture_names_files_and_rooms_that_are_there() -> None:
    named = set(re.findall(r"`([\w/]+/[\w/]+\.py)`", ARCHITECTURE))
    assert len(named) > 40
    assert not [
        name
        for name in sorted(named)
        if not (REPOSITORY / name).is_file() and not (REPOSITORY / "bridge" / name).is_file()
    ]
    rooms = {folder.parent.name for folder in (REPOSITORY / "bridge").glob("*/__init__.py")}
    assert set(re.findall(r"^\| `bridge/(\w+)` \|", ARCHITECTURE, re.M)) == rooms


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


def test_no_file_names_a_path_of_a_developers_machine() -> None:
    files = subprocess.run(
        [program("git"), "ls-files"], cwd=REPOSITORY, capture_output=True, text=True, check=True
    ).stdout.split()
    homes = re.compile(r"/(?:home|Users)/[a-z]")
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


# --- the architecture ----------------------------------------------------------------------------

ARCHITECTURE = (REPOSITORY / "docs/architecture.md").read_text("utf-8")


def test_the_tree_of_exceptions_is_that_of_the_program() -> None:
    tree = ARCHITECTURE.partition("<!-- exceptions")[2].partition("<!-- /exceptions -->")[0]
    shown = re.findall(r"^(.*[├└]── )(\w+)", tree, re.M)
    inner = {name for before, name in shown if len(before) > 4}
    for module in pkgutil.walk_packages(bridge.__path__, "bridge."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)

    def ours(kind: type[BaseException]) -> set[type[BaseException]]:
        """The public exceptions of the package."""
        return {
            one
            for one in kind.__subclasses__()
            if one.__module__.startswith("bridge.") and not one.__name__.startswith("_")
        }

    outer = {one.__name__ for one in ours(Exception)}
    below = {one.__name__ for kind in ours(Exception) for one in ours(kind)}
    assert {name for _, name in shown} == outer | below
    assert inner == below


# --- tests stand where their modules stand -------------------------------------------------------

MODULES = sorted(
    path.relative_to(REPOSITORY / "bridge")
    for path in (REPOSITORY / "bridge").rglob("*.py")
    if not path.stem.startswith("__")
)
TESTS = sorted(
    path.relative_to(REPOSITORY / "tests") for path in (REPOSITORY / "tests").rglob("test_*.py")
)
#: The engines of the store, and the folder of the contract that they share.
ENGINES = (Path("store/sqlite"), Path("store/postgres"))
CONTRACT = Path("store/contract")


def modules_of(test: Path) -> set[Path]:
    """The modules that a file of tests is for; those of the engines share their contract."""
    found = set()
    for folder in ENGINES if test.parent == CONTRACT else (test.parent,):
        named = [
            module
            for module in MODULES
            if (module.parent == folder and (test.stem + "_").startswith(f"test_{module.stem}_"))
            or module.with_suffix("") == folder
        ]
        # The rest of the name is the topic.
        found.update(sorted(named, key=lambda module: len(module.stem))[-1:])
    return found


def test_every_module_has_its_tests_where_it_stands() -> None:
    tested = set().union(*map(modules_of, TESTS))
    assert not [str(one) for one in MODULES if one not in tested]


def test_tests_that_bear_the_name_of_a_module_stand_where_it_stands() -> None:
    named = {(module.parts[0], f"test_{module.stem}") for module in MODULES}
    assert not [
        str(test) for test in TESTS if (test.parts[0], test.stem) in named and not modules_of(test)
    ]
