"""The arrows between the folders of the package, read from its imports."""

from __future__ import annotations

import ast
import importlib
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import bridge

ROOT = Path(bridge.__file__).parent

#: Every folder may import these: vocabulary, settings, log.
COMMON = {"model", "config", "log"}

#: Which folder imports which. A folder of a protocol is named with its parent.
ARROWS: dict[str, set[str]] = {
    "model": set(),
    "config": {"model"},
    "log": {"config"},
    "net": {"log", "config"},
    "accounts": COMMON | {"net"},
    "store": COMMON,
    "cascade": COMMON | {"net"},
    "directory": COMMON | {"store"},
    "sending": COMMON | {"net", "store", "cascade"},
    "feedback": COMMON | {"store", "cascade", "sending"},
    "notices": COMMON | {"store"},
    "trace": COMMON | {"store", "sending"},
    "relay": COMMON | {"accounts", "directory", "store", "sending"},
    "smtp": COMMON | {"smtp/reading"},
    "dialect": COMMON,
    "smtp/reading": COMMON | {"dialect"},
    "smtp/inbound": COMMON | {"accounts", "net", "smtp", "smtp/reading"},
    "smtp/outbound": COMMON | {"notices", "smtp"},
    "smpp/protocol": COMMON,
    "smpp/inbound": COMMON
    | {"accounts", "net", "relay", "notices", "smpp/protocol", "smpp/outbound"},
    "smpp/outbound": COMMON | {"notices", "smpp/protocol"},
    "smsc": COMMON | {"accounts", "dialect", "directory", "net", "notices"},
    "admin": COMMON | {"net", "accounts", "store", "directory", "sending", "trace", "relay"},
    # The stand-in for the API shares no vocabulary with the bridge.
    "sandbox": {"net", "log"},
    "app": COMMON
    | {
        "net",
        "cascade",
        "accounts",
        "store",
        "directory",
        "sending",
        "feedback",
        "notices",
        "relay",
    }
    | {"smtp", "smtp/inbound", "smtp/outbound", "smpp/inbound", "smsc", "admin"},
    # Commands read the store without a daemon, and explain mails as the listener reads them.
    "cli": COMMON
    | {"net", "accounts", "admin", "dialect", "directory", "store", "cascade", "trace", "relay"}
    | {"sandbox", "app"}
    | {"smtp", "smtp/inbound", "smtp/reading"},
}

#: Libraries that only some folders import.
LIBRARIES: dict[str, set[str]] = {
    "httpx": {"net", "cascade", "sandbox", "smsc", "cli"},
    "httptools": {"net"},
    "sqlite3": {"store"},
    "asyncpg": {"store"},
    "aiosmtpd": {"smtp/inbound"},
    "smpplib": {"cli"},
    "email": {"smtp", "smtp/inbound", "smtp/outbound", "smsc", "cli"},
    "python_multipart": {"smsc"},
    "starlette": {"admin"},
    "jinja2": {"admin"},
    "prometheus_client": {"admin"},
    "rich": {"cli"},
    "uvicorn": {"net"},
    "click": {"cli"},
}

FILES = sorted(ROOT.rglob("*.py"))
MODULES = {
    ".".join(("bridge", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): file
    for file in FILES
}


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, with the line."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{file}: line {node.lineno}: a relative import"
            module = node.module or ""
            for alias in node.names:
                # `from bridge import log` names a module, `from bridge.log import mask` does not.
                name = f"{module}.{alias.name}"
                yield (name if name in MODULES else module), node.lineno


def room(file: Path) -> str:
    """The folder of a file; a file in the root is a room of its own."""
    *folders, name = file.relative_to(ROOT).parts
    if not folders:
        return name.removesuffix(".py")
    return "/".join(folders[: 2 if folders[0] in ("smtp", "smpp") else 1])


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_follow_the_arrows(file: Path) -> None:
    own = room(file)
    allowed = {own, "__init__", *ARROWS.get(own, set())}
    wrong = [
        f"line {line}: {module}"
        for module, line in imports(file)
        if module in MODULES and room(MODULES[module]) not in allowed
    ]
    assert not wrong


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_libraries_stay_in_their_folders(file: Path) -> None:
    own = room(file)
    wrong = [
        f"line {line}: {module}"
        for module, line in imports(file)
        if own not in LIBRARIES.get(module.split(".")[0], {own})
    ]
    assert not wrong


def test_every_arrow_is_used_and_none_leads_back() -> None:
    seen = {
        (room(file), room(MODULES[module]))
        for file in FILES
        for module, _ in imports(file)
        if module in MODULES
    }
    unused = {
        (own, other)
        for own, others in ARROWS.items()
        for other in others - COMMON
        if (own, other) not in seen
    }
    assert not unused
    assert {room(file) for file in FILES} - {"__init__", "smpp"} == set(ARROWS)
    assert list(TopologicalSorter(ARROWS).static_order())


def test_no_circle_between_modules() -> None:
    # Imports for type checkers count too.
    graph = {
        name: {module for module, _ in imports(file) if module in MODULES}
        for name, file in MODULES.items()
    }
    assert list(TopologicalSorter(graph).static_order())


def test_the_protocols_know_neither_each_other_nor_sql_nor_the_api() -> None:
    protocols = {"smtp", "smpp", "smsc"}
    for own, others in ARROWS.items():
        protocol = own.partition("/")[0]
        if protocol in protocols:
            strangers = protocols - {protocol}
            assert not {one for one in others if one.partition("/")[0] in strangers}
            assert not others & {"store", "cascade", "sending"}


@pytest.mark.parametrize("module", MODULES)
def test_no_exception_is_kept_to_be_raised_again(module: str) -> None:
    # Each raise adds frames to its traceback, and the frames keep what they hold.
    if module.endswith("__main__"):
        return
    values = vars(importlib.import_module(module))
    assert not [name for name, value in values.items() if isinstance(value, BaseException)]


def test_no_folder_is_for_everything() -> None:
    # Such names do not tell what belongs there, so that everything ends there.
    names = {name.removesuffix(".py") for file in FILES for name in file.relative_to(ROOT).parts}
    assert not names & {"utils", "util", "helpers", "helper", "manager", "common", "misc"}


def test_no_two_classes_have_the_same_name() -> None:
    names: dict[str, list[str]] = {}
    for file in FILES:
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                names.setdefault(node.name, []).append(str(file.relative_to(ROOT)))
    assert {name: files for name, files in names.items() if len(files) > 1} == {}
