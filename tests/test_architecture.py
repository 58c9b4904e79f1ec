"""The arrows between the parts (design section 2), read out of the imports themselves."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import pytest

import bridge

ROOT = Path(bridge.__file__).parent

#: Modules of several files that are one part.
PART_OF = {
    "config_file": "config",
    "config_check": "config",
    "config_warnings": "config",
    "lockout": "accounts",
    "dispatch": "relay",
    "attempts": "relay",
    "gather": "relay",
    "alias": "relay",
    "decisions": "relay",
    "window": "relay",
    "waiting": "relay",
    "rules": "relay",
    "upkeep": "relay",
    "outbox": "relay",
    "outcomes": "relay",
    "takers": "relay",
    "answered": "relay",
    "statuses": "relay",
    "story": "relay",
    "unjoined": "relay",
    "incoming": "relay",
    "polling": "relay",
}

#: What every part may know: words, rules without I/O, settings, the log.
LEAVES = {
    "message",
    "notice",
    "original",
    "states",
    "failure",
    "config",
    "rate",
    "ids",
    "gsm0338",
    "phone",
} | {
    "network",
    "log",
    "proxy",
    "proxied",
}
COMMON = LEAVES | {"accounts"}

#: Which part may import which; itself it always may.
ARROWS: dict[str, set[str]] = {
    "failure": set(),
    "rate": set(),
    "ids": set(),
    "gsm0338": set(),
    "network": set(),
    "notify": set(),
    "proxy": set(),
    "proxied": {"proxy", "network", "config"},
    "message": {"failure"},
    "notice": {"message"},
    "states": {"message", "failure"},
    "original": {"message", "failure"},
    #: An HTTP server in our loop, for whoever has something to say.
    "web": {"log"},
    "phone": {"failure"},
    "config": {"message"},
    "log": {"config"},
    "accounts": LEAVES,
    "store": COMMON,
    "cascade": COMMON,
    "directory": COMMON | {"store"},
    "relay": COMMON | {"store", "cascade", "directory"},
    "smtp": COMMON | {"relay"},
    "smpp": COMMON | {"relay"},
    "admin": COMMON | {"relay", "web"},
    # A stand-in for the other side shares no idea with this one of what a message is.
    "sandbox": {"rate", "ids", "gsm0338", "network", "log", "notify", "web"},
    "app": COMMON | {"notify", "store", "cascade", "directory", "relay", "smtp", "smpp", "admin"},
    # It reads the store itself where no daemon runs (design section 10).
    # It explains mails with the listener's own reading of them.
    "cli": COMMON | {"notify", "relay", "store", "app", "sandbox", "smtp"},
}

#: Libraries that only some parts may know.
LIBRARIES: dict[str, set[str]] = {
    "httpx": {"cascade", "sandbox", "cli"},
    "sqlite3": {"store"},
    "asyncpg": {"store"},
    "aiosmtpd": {"smtp"},
    "smpplib": {"smpp", "cli"},
    "resiliparse": {"smtp"},
    "email": {"smtp", "cli"},
    "starlette": {"sandbox", "admin"},
    "uvicorn": {"web"},
    "click": {"cli"},
}

FILES = sorted(ROOT.rglob("*.py"))


def imports(file: Path) -> Iterator[tuple[str, int]]:
    """Every module that a file imports, wherever in it, with the line."""
    package = ["bridge", *file.relative_to(ROOT).parts[:-1]]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name, node.lineno
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            for alias in node.names:
                # `from bridge import log` names a module, `from bridge.log import mask` does not.
                yield f"{module}.{alias.name}", node.lineno


def part(file: Path) -> str:
    first = file.relative_to(ROOT).parts[0].removesuffix(".py")
    return PART_OF.get(first, first)


def part_imported(module: str) -> str | None:
    """The part that ``bridge.…`` belongs to; None for the package itself and for libraries."""
    names = module.split(".")
    if names[0] != "bridge" or len(names) == 1:
        return None
    if not ((ROOT / names[1]).is_dir() or (ROOT / f"{names[1]}.py").exists()):
        return None  # a name of the package itself, such as __version__
    return PART_OF.get(names[1], names[1])


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_imports_follow_the_arrows(file: Path) -> None:
    own = part(file)
    if own == "__init__":
        assert not [module for module, _ in imports(file) if part_imported(module)]
        return
    assert own in ARROWS, f"{own} is a new part: say in ARROWS what it may import"
    wrong = [
        f"line {line}: {module}"
        for module, line in imports(file)
        if (other := part_imported(module)) and other != own and other not in ARROWS[own]
    ]
    assert not wrong


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_libraries_stay_in_their_parts(file: Path) -> None:
    own = part(file)
    wrong = [
        f"line {line}: {module}"
        for module, line in imports(file)
        if own not in LIBRARIES.get(module.split(".")[0], {own})
    ]
    assert not wrong


def test_the_listeners_know_nothing_of_each_other_nor_of_what_is_behind_the_door() -> None:
    for own, other in (("smtp", "smpp"), ("smpp", "smtp")):
        assert not ARROWS[own] & {other, "store", "cascade", "directory", "app", "sandbox"}
    assert not ARROWS["relay"] & {"smtp", "smpp", "admin", "cli", "app"}


def test_no_arrow_leads_back() -> None:
    order = list(TopologicalSorter(ARROWS).static_order())
    assert set(order) == set(ARROWS)


def test_there_is_no_module_for_everything() -> None:
    # Their names say nothing about what belongs in them, so that everything ends there.
    names = {name.removesuffix(".py") for file in FILES for name in file.relative_to(ROOT).parts}
    assert not names & {"utils", "util", "helpers", "helper", "manager", "common", "misc"}
