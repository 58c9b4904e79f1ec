"""The package's modules, rooms and imports, and the drawing of the arrows between the rooms.

    python -m tests.arrows

writes the drawing into docs/architecture.md; a test compares it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from graphlib import TopologicalSorter
from pathlib import Path

import bridge

ROOT = Path(bridge.__file__).parent
PAGE = ROOT.parent / "docs" / "architecture.md"
#: The drawing stands between these lines of the page.
BEGIN, END = "<!-- arrows: drawn by tests/arrows.py -->\n", "<!-- /arrows -->\n"

FILES = sorted(ROOT.rglob("*.py"))
MODULES = {
    ".".join(("bridge", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(
        ".__init__"
    ): file
    for file in FILES
}

#: Every room may import these: vocabulary, settings, log. The drawing omits them.
COMMON = {"model", "config", "log"}


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


def arrows() -> set[tuple[str, str]]:
    """The pairs of different rooms of which the first imports the second."""
    found = {
        (room(file), room(MODULES[module]))
        for file in FILES
        for module, _ in imports(file)
        if module in MODULES
    }
    return {(one, other) for one, other in found if one != other and other != "__init__"}


def drawing() -> str:
    """The arrows as a Mermaid flowchart, without those that follow from others."""
    targets: dict[str, set[str]] = {}
    for one, other in sorted(arrows()):
        if one not in COMMON and other not in COMMON:
            targets.setdefault(one, set()).add(other)
            targets.setdefault(other, set())
    reached: dict[str, set[str]] = {}
    for name in TopologicalSorter(targets).static_order():
        reached[name] = targets[name].union(*(reached[other] for other in targets[name]))
    lines = ["flowchart TD"]
    for name in sorted(targets):
        indirect = set[str]().union(*(reached[other] for other in targets[name]))
        for other in sorted(targets[name] - indirect):
            lines.append(f"    {_node(name)} --> {_node(other)}")
    return "```mermaid\n" + "\n".join(lines) + "\n```\n"


def _node(name: str) -> str:
    return f'{name.replace("/", "_")}["{name}"]' if "/" in name else name


if __name__ == "__main__":
    before, _, rest = PAGE.read_text("utf-8").partition(BEGIN)
    PAGE.write_text(before + BEGIN + drawing() + END + rest.partition(END)[2], "utf-8")
