"""Makes docs/configuration.md from the comments of config/bridge.toml.

    python docs/configuration.py

A test compares that file with the settings of the program, and the page with that file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

PAGE = Path(__file__).with_suffix(".md")
CONFIG = PAGE.parents[1] / "config/bridge.toml"
HEAD = """\
# Configuration

<!-- Made from config/bridge.toml by docs/configuration.py (`make docs`). -->

The file is `/etc/cascade-bridge/bridge.toml`, or what `--config` or `CASCADE_BRIDGE_CONFIG` names.
[bridge.toml](../config/bridge.toml) is a copy to start from, with each key and its default;
[minimal.toml](../config/minimal.toml) is the smallest that serves. Durations are strings: `"20s"`,
`"5m"`, `"24h"`, `"30d"`. A secret is the text itself, or better `"file:PATH"`, `"env:NAME"` or
`"credential:NAME"` (systemd). Paths are relative to the file. Its format is
[TOML](https://toml.io): strings have straight quotation marks, and each table, as `[smtp]`, may
stand there once.

`cascade-bridge check` lists every mistake with file, key and remedy; `cascade-bridge reload` takes
changes over, and says which of them need a restart.
"""
_SECTION = re.compile(r"# --- (.+?) -+")
_TABLE = re.compile(r"(?:# )?\[([a-z_.]+)\]")
_KEY = re.compile(r"(?:# )?([a-z_]+ = .*)")


def _prose(comments: list[str]) -> str:
    """Comments as one paragraph; indented lines, which are examples, as a block."""
    lines: list[str] = []
    for line in comments:
        if line.startswith("    ") and not (lines and lines[-1].startswith("    ")):
            lines.append("")
        lines.append(line)
    return "\n".join(lines)


def _block(block: str) -> Iterator[str]:
    comments: list[str] = []
    keys: list[str] = []
    for line in block.splitlines():
        if section := _SECTION.fullmatch(line):
            yield f"## {section[1]}"
        elif table := _TABLE.fullmatch(line):
            if comments:
                yield _prose(comments)
                comments = []
            yield f"### [{table[1]}]"
        elif key := _KEY.fullmatch(line):
            keys.append(re.sub(r" +#", "  #", key[1]))
        else:
            comments.append(line.removeprefix("#").removeprefix(" ").rstrip())
    if keys:
        yield "\n".join(["```toml", *keys, "```"])
    if any(comments):
        yield _prose(comments)


def page() -> str:
    """The whole page."""
    _, *blocks = re.split(r"\n\n+", CONFIG.read_text("utf-8").strip())
    parts = [part for block in blocks for part in _block(block)]
    tables = [part[5:-1] for part in parts if part.startswith("### [")]
    # An anchor has no dots.
    links = ", ".join(f"[{name}](#{name.replace('.', '')})" for name in tables)
    parts = [HEAD.rstrip(), f"The tables: {links}.", *parts]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    PAGE.write_text(page(), "utf-8")
