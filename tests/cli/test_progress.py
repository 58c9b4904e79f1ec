"""The bar of an import: what it shows of the daemon's answers, and on a terminal."""

from __future__ import annotations

import asyncio
import contextlib
import io
import os
import pty
import re
import sys
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from bridge.cli.progress import ImportProgress
from tests.running import Running


def run(phase: str, done: int, of: int) -> dict[str, Any]:
    return {"phase": phase, "done": done, "of": of}


@pytest.mark.parametrize(
    ("phase", "done", "of", "words"),
    [
        ("waiting", 0, 0, "waiting"),
        ("read", 500, 2000, "reading"),
        ("stored", 1999, 2000, "storing"),
    ],
)
def test_the_phase_has_a_word_and_the_lines_are_counted(
    phase: str, done: int, of: int, words: str
) -> None:
    bar = ImportProgress()
    bar(run(phase, done, of))
    [task] = bar._progress.tasks
    assert (task.description, task.completed, task.total) == (words, done, of or None)
    shown = bar._progress.make_tasks_table([task])
    console = Console(width=80, file=io.StringIO())
    with console.capture() as captured:
        console.print(shown)
    assert captured.get().split()[0] == words
    assert re.search(rf"\b{done}/ *{of or '?'}".replace("?", r"\?"), captured.get())


async def test_an_import_shows_it_on_a_terminal(bridge: Running, tmp_path: Path) -> None:
    file = tmp_path / "people.csv"
    rows = "".join(f"+38050{number:07},Person {number}\n" for number in range(5_000))
    file.write_text(f"phone,name\n{rows}")
    ours, theirs = pty.openpty()
    command = ("-m", "bridge.cli", "contacts", "import", str(file), "--yes")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, *command, "--config", str(bridge.config)),
        stdout=theirs,
        stderr=theirs,
        env={**os.environ, "TERM": "xterm", "COLUMNS": "100"},
    )
    os.close(theirs)
    shown = await asyncio.to_thread(read_to_the_end, ours)
    assert await process.wait() == 0, shown
    # How far it is when it is asked depends on the machine.
    assert re.search(r"(waiting|reading|storing) .*━", shown), shown
    assert "5,000 contacts added" in shown


def read_to_the_end(terminal: int) -> str:
    """What is written to a terminal until nobody has it open."""
    found = b""
    with contextlib.suppress(OSError):  # EIO: the other side is closed
        while octets := os.read(terminal, 65536):
            found += octets
    os.close(terminal)
    return found.decode(errors="replace")
