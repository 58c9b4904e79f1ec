"""The arrows between the folders of the package, read from its imports."""

from __future__ import annotations

import ast
import importlib
from collections import Counter
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

from tests.arrows import (
    BEGIN,
    COMMON,
    END,
    FILES,
    MODULES,
    PAGE,
    ROOT,
    arrows,
    drawing,
    imports,
    room,
)

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
    "feedback": COMMON | {"net", "store", "cascade", "sending"},
    "notices": COMMON | {"store"},
    "trace": COMMON | {"store", "sending"},
    "relay": COMMON | {"accounts", "net", "directory", "store", "sending"},
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
    seen = arrows()
    unused = {
        (own, other)
        for own, others in ARROWS.items()
        for other in others - COMMON
        if (own, other) not in seen
    }
    assert not unused
    assert {room(file) for file in FILES} - {"__init__", "smpp"} == set(ARROWS)
    assert list(TopologicalSorter(ARROWS).static_order())


def test_no_room_imports_everything_and_is_imported_by_everything() -> None:
    # Such a room would be the place for whatever fits nowhere.
    rooms = {room(file) for file in FILES} - {"__init__", "app", "cli"}
    imported = Counter(other for _, other in arrows())
    importing = Counter(one for one, _ in arrows())
    half = len(rooms) / 2
    assert not {name for name in rooms if min(imported[name], importing[name]) > half}


def test_the_page_on_the_architecture_draws_the_arrows() -> None:
    drawn = PAGE.read_text("utf-8").partition(BEGIN)[2].partition(END)[0]
    assert drawn == drawing(), "python -m tests.arrows"


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
