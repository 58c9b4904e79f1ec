"""A progress bar for imports, on a terminal's standard error."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

_PHASES = {"waiting": "waiting", "read": "reading", "stored": "storing"}


class ImportProgress:
    """A context manager; called with what the daemon says of a run."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=Console(stderr=True),
            transient=True,
        )
        self._task = self._progress.add_task("waiting", total=None)

    def __enter__(self) -> ImportProgress:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._progress.stop()

    def __call__(self, run: dict[str, Any]) -> None:
        self._progress.update(
            self._task,
            description=_PHASES.get(run["phase"], run["phase"]),
            completed=run["done"],
            total=run["of"] or None,
        )
